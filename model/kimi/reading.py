"""Reading pages: one request a page, looping pages once more and hotter, poorly read ones in other directions.

A page without ink is never asked about. Where the page has a text layer that can be trusted, the reading is compared
with it: free truth. Pages are taken as the engine has room, retries of one beside first tries of another, so that the
engine runs full until the last page has come. Each page in flight holds some 45 MB of pixels and patches.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from model.agreement import agreement, disagreement
from model.engine.interface import Completion, Engine, Request, RequestError, Sampling, clearing
from model.kimi.conversation import Conversation, TruncatedThoughtError
from model.kimi.description import HOTTER, POOR_LOGPROB
from model.kimi.prompts import READ
from model.kimi_vl.rgb import ImageInputError
from model.language import language_of
from model.page_images import is_blank, turned
from model.protocol import Block, PageInput, Reading, SegmentInput, ShotInput, Usage

TURNS = (180, 90, 270)
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


class Reader:
    def __init__(self, engine: Engine, conversation: Conversation, sampling: Sampling) -> None:
        self._engine = engine
        self._conversation = conversation
        self._sampling = sampling
        self._number = 0

    def read(self, pages: Iterable[SegmentInput]) -> Iterator[Reading | Exception]:
        """One reading a page, in order; what is wrong with a page alone stands in its place."""
        coming = iter(pages)
        held: deque[_Try] = deque()
        asked: dict[str, _Try] = {}
        since = time.perf_counter()
        with clearing(self._engine):
            while True:
                while self._engine.unfinished < PAGES_IN_FLIGHT and len(held) < PAGES_HELD:
                    page = next(coming, None)
                    if page is None:
                        break
                    if isinstance(page, ShotInput):
                        raise NotImplementedError("shots")
                    held.append(self._begin(page, asked))
                if not held:
                    return
                for completion in self._engine.step() if asked else ():
                    attempt = asked.pop(completion.key)
                    if self._again(attempt, completion):
                        self._ask(attempt, asked)
                    else:
                        attempt.done = True
                while held and held[0].done:
                    now = time.perf_counter()
                    yield self._reading(held.popleft(), now - since)
                    since = now

    def _begin(self, page: PageInput, asked: dict[str, _Try]) -> _Try:
        attempt = _Try(page, self._sampling)
        if _blank(page):
            attempt.done = True
        else:
            self._ask(attempt, asked)
        return attempt

    def _ask(self, attempt: _Try, asked: dict[str, _Try]) -> None:
        image = attempt.page.image
        assert image is not None
        self._number += 1
        key = f"read-{self._number}"
        try:
            prompt = self._conversation.prompt(self._conversation.share([turned(image, attempt.turn)]), READ)
            self._engine.submit(
                Request(key, prompt.ids, attempt.sampling, self._conversation.stop_ids, prompt.pictures)
            )
        except (ImageInputError, RequestError) as error:
            attempt.error = error
            attempt.done = True
            return
        asked[key] = attempt
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


def _blank(page: PageInput) -> bool:
    return page.image is None or is_blank(page.image)


def _better(one: Completion, other: Completion) -> bool:
    """A reading that ended by itself before one that did not, then the one the model was surer of."""
    return (one.finish_reason == "stop", one.mean_logprob) > (other.finish_reason == "stop", other.mean_logprob)
