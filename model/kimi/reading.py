"""Reading pages: one request a page, looping pages once more and hotter, poorly read ones in other directions.

A page without ink is never asked about. Where the page has a text layer that can be trusted, the reading is compared
with it: free truth. Pages are taken as the engine has room, retries of one beside first tries of another, and made
into prompts by threads beside it, so that it runs full until the last page has come. Each page in flight holds some
45 MB of pixels and patches.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from model.agreement import agreement, disagreement
from model.engine.interface import Completion, Engine, Request, Sampling, clearing
from model.kimi.description import HOTTER, POOR_LOGPROB
from model.kimi.prompts import READ
from model.kimi.structured import TruncatedThoughtError
from model.language import language_of
from model.page_images import is_blank, turned
from model.protocol import Block, PageInput, Reading, Usage

if TYPE_CHECKING:
    from model.kimi.conversation import Conversation, Prompt  # with it comes torch, which a reader does not need

TURNS = (180, 90, 270)
PREPARERS = 2
PAGES_IN_FLIGHT = 64
PAGES_HELD = 4 * PAGES_IN_FLIGHT  # with those that are done and wait for a slower one before them


@dataclass(slots=True)
class _Try:
    """How one page stands: which try it is at, the best reading so far with its turn, and whether that is final."""

    page: PageInput
    sampling: Sampling
    turn: int = 0
    loops: int = 0
    turns_left: tuple[int, ...] = TURNS
    best: tuple[int, Completion] | None = None
    error: Exception | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    done: bool = False


@dataclass(slots=True)
class _Pages:
    """One call's pages: those to come, those held in order, and of these the ones in preparation and in the engine."""

    coming: Iterator[PageInput | None]
    ended: bool = False
    held: deque[_Try] = field(default_factory=deque)
    preparing: deque[tuple[_Try, Future[Prompt | None]]] = field(default_factory=deque)
    asked: dict[str, _Try] = field(default_factory=dict)


class Reader:
    def __init__(self, engine: Engine, conversation: Conversation, sampling: Sampling) -> None:
        self._engine = engine
        self._conversation = conversation
        self._sampling = sampling
        self._number = 0
        self._threads = ThreadPoolExecutor(PREPARERS, thread_name_prefix="prompt")

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        """One reading a page, in order; what is wrong with a page alone stands in its place."""
        reading = _Pages(iter(pages))
        since = time.perf_counter()
        try:
            with clearing(self._engine):
                while self._take_in(reading) or reading.held:
                    self._submit(reading)
                    for completion in self._engine.step() if reading.asked else ():
                        attempt = reading.asked.pop(completion.key)
                        if self._again(attempt, completion):
                            self._prepare(reading, attempt)
                        else:
                            attempt.done = True
                    while reading.held and reading.held[0].done:
                        now = time.perf_counter()
                        yield self._reading(reading.held.popleft(), now - since)
                        since = now
        finally:
            for _, prompt in reading.preparing:
                prompt.cancel()

    def _take_in(self, reading: _Pages) -> bool:
        """Take pages as there is room and as they are ready; False once all are taken."""
        while not reading.ended and len(reading.held) < PAGES_HELD:
            if self._engine.unfinished + len(reading.preparing) >= PAGES_IN_FLIGHT:
                break
            try:
                page = next(reading.coming)
            except StopIteration:
                reading.ended = True
                break
            if page is None:
                break
            attempt = _Try(page, self._sampling)
            reading.held.append(attempt)
            self._prepare(reading, attempt)
        return not reading.ended

    def _prepare(self, reading: _Pages, attempt: _Try) -> None:
        """Have a page's prompt made beside the engine's work: cutting a picture takes some 60 ms."""
        reading.preparing.append((attempt, self._threads.submit(self._prompt, attempt.page, attempt.turn)))

    def _prompt(self, page: PageInput, turn: int) -> Prompt | None:
        """None for a page without ink. Raises ``ImageInputError``."""
        if page.image is None or is_blank(page.image):
            return None
        return self._conversation.prompt(self._conversation.share([turned(page.image, turn)]), READ)

    def _submit(self, reading: _Pages) -> None:
        """Give the engine the prompts that are made; wait for one only where the engine has nothing else to do."""
        while reading.preparing and (reading.preparing[0][1].done() or not self._engine.unfinished):
            attempt, made = reading.preparing.popleft()
            try:
                prompt = made.result()
                if prompt is None:
                    attempt.done = True
                    continue
                self._number += 1
                key = f"read-{self._number}"
                self._engine.submit(
                    Request(key, prompt.ids, attempt.sampling, self._conversation.stop_ids, prompt.pictures)
                )
            except ValueError as error:  # ImageInputError or RequestError: this picture cannot be asked about
                attempt.error, attempt.done = error, True
                continue
            reading.asked[key] = attempt
            attempt.input_tokens += len(prompt.ids)

    def _again(self, attempt: _Try, completion: Completion) -> bool:
        """Take a completion; True where the page is to be asked about once more."""
        attempt.output_tokens += len(completion.ids)
        if attempt.best is None or _better(completion, attempt.best[1]):
            attempt.best = (attempt.turn, completion)
        if completion.finish_reason == "loop" and attempt.loops < len(HOTTER):
            attempt.sampling = replace(attempt.sampling, temperature=HOTTER[attempt.loops], seed=attempt.loops + 1)
            attempt.loops += 1
            return True
        if completion.mean_logprob < POOR_LOGPROB and attempt.turns_left:
            attempt.turn, *rest = attempt.turns_left
            attempt.turns_left = tuple(rest)
            attempt.sampling, attempt.loops = self._sampling, len(HOTTER)
            return True
        return False

    def _reading(self, attempt: _Try, seconds: float) -> Reading | Exception:
        page = attempt.page
        if attempt.error is not None:
            return attempt.error
        if attempt.best is None:
            return Reading("", "none", flags=("blank",), usage=Usage(seconds=seconds))
        turn, completion = attempt.best
        try:
            text, _ = self._conversation.answer(completion)
        except TruncatedThoughtError as error:
            return error
        usage = Usage(attempt.input_tokens, attempt.output_tokens, seconds)
        ended = {"loop": ["loop"], "length": ["cut_off"]}
        flags = list(ended.get(completion.finish_reason, ()))
        if turn:
            flags.append("turned")
        if completion.mean_logprob < POOR_LOGPROB:
            flags.append("low_confidence")
        layer = page.layer if page.layer is not None and page.layer.verdict == "usable" else None
        if layer is not None and (found := disagreement(text, layer.blocks)) is not None:
            flags.append(found)
        if not text.strip():
            return Reading("", "none", flags=(*flags, "no_words"), turned=turn, usage=usage)
        return Reading(
            text=text,
            text_source="model",
            blocks=to_blocks(text, float(np.exp(completion.mean_logprob))),
            language=language_of(text),
            layer_agreement=agreement(text, layer.blocks) if layer is not None else None,
            flags=tuple(flags),
            turned=turn,
            usage=usage,
        )


def to_blocks(text: str, confidence: float) -> tuple[Block, ...]:
    """Markdown as blocks without boxes, one a paragraph: the model does not say where it read what."""
    blocks = []
    for part in (part.strip() for part in text.split("\n\n")):
        marks = len(part) - len(part.lstrip("#"))
        if not part:
            continue
        if 1 <= marks <= 6 and part[marks : marks + 1] == " ":
            blocks.append(Block("heading", part[marks:].strip(), confidence=confidence, level=marks))
        elif part.startswith("<table"):
            blocks.append(Block("table", part, confidence=confidence))
        else:
            blocks.append(Block("text", part, confidence=confidence))
    return tuple(blocks)


def _better(one: Completion, other: Completion) -> bool:
    """A reading that ended by itself before one that did not, then the one the model was surer of."""
    return (one.finish_reason == "stop", one.mean_logprob) > (other.finish_reason == "stop", other.mean_logprob)
