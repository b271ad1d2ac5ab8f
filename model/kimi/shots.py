"""Reading shots: one request a shot, its frames as images in order, each behind its time; text and a caption come back.

What comes back must be of the form asked for; told what is wrong, the model may repair it once. A reading that loops is
tried twice more, hotter. A shot that shows nothing is never asked about. Shots are taken as the engine has room; each
holds some 100 MB of pixels and patches.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from model.engine.interface import Completion, Engine, Request, RequestError, Sampling, clearing
from model.kimi.conversation import Conversation, Item, Shared
from model.kimi.description import HOTTER, POOR_LOGPROB
from model.kimi.prompts import FRAME, READ_SHOT, REPAIR
from model.kimi.structured import FormError, ShotForm, TruncatedThoughtError, parse_shot
from model.kimi_vl.rgb import ImageInputError
from model.language import language_of
from model.page_images import is_blank
from model.plain_text import normal_form
from model.protocol import Block, Frame, Reading, ShotInput, Usage

SHOTS_IN_FLIGHT = 16
SHOTS_HELD = 4 * SHOTS_IN_FLIGHT  # with those that are done and wait for a slower one before them


@dataclass(slots=True)
class _Try:
    """How one shot stands. ``frames`` show something; ``exchanges`` is what was said to have a form repaired."""

    frames: tuple[Frame, ...]
    sampling: Sampling
    shared: Shared | None = None
    exchanges: tuple[str, ...] = ()
    loops: int = 0
    form: ShotForm | None = None
    logprob: float = 0.0
    error: Exception | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    done: bool = False


class ShotReader:
    def __init__(self, engine: Engine, conversation: Conversation, sampling: Sampling) -> None:
        self._engine = engine
        self._conversation = conversation
        self._sampling = sampling
        self._number = 0

    def read(self, shots: Iterable[ShotInput | None]) -> Iterator[Reading | Exception]:
        """One reading a shot, in order; what is wrong with a shot alone stands in its place."""
        coming = iter(shots)
        held: deque[_Try] = deque()
        asked: dict[str, _Try] = {}
        since = time.perf_counter()
        with clearing(self._engine):
            while True:
                while self._engine.unfinished < SHOTS_IN_FLIGHT and len(held) < SHOTS_HELD:
                    shot = next(coming, None)
                    if shot is None:  # the end; or the next is not ready, which is told only while some are held
                        break
                    held.append(self._begin(shot, asked))
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
                    yield _reading(held.popleft(), now - since)
                    since = now

    def _begin(self, shot: ShotInput, asked: dict[str, _Try]) -> _Try:
        attempt = _Try(tuple(frame for frame in shot.frames if not is_blank(frame.image)), self._sampling)
        attempt.done = not attempt.frames
        if attempt.frames:
            self._ask(attempt, asked)
        return attempt

    def _ask(self, attempt: _Try, asked: dict[str, _Try]) -> None:
        self._number += 1
        key = f"shot-{self._number}"
        try:
            if attempt.shared is None:
                attempt.shared = self._conversation.share(list(_items(attempt.frames)))
            prompt = self._conversation.prompt(attempt.shared, READ_SHOT, *attempt.exchanges)
            self._engine.submit(
                Request(key, prompt.ids, attempt.sampling, self._conversation.stop_ids, prompt.pictures)
            )
        except (ImageInputError, RequestError) as error:
            attempt.error, attempt.done = error, True
            return
        asked[key] = attempt
        attempt.input_tokens += len(prompt.ids)

    def _again(self, attempt: _Try, completion: Completion) -> bool:
        """Take a completion; True where the shot is to be asked about once more."""
        attempt.output_tokens += len(completion.ids)
        if completion.finish_reason == "loop" and attempt.loops < len(HOTTER):
            attempt.sampling = replace(attempt.sampling, temperature=HOTTER[attempt.loops], seed=attempt.loops + 1)
            attempt.loops += 1
            return True
        try:
            said, _ = self._conversation.answer(completion)
            attempt.form = parse_shot(said, len(attempt.frames))
            attempt.logprob = completion.mean_logprob
        except TruncatedThoughtError as error:
            attempt.error = error
        except FormError as error:
            if not attempt.exchanges:
                attempt.exchanges = (said, REPAIR.format(problem=error))
                return True
            attempt.error = error
        return False


def _items(frames: Iterable[Frame]) -> Iterator[Item]:
    for number, frame in enumerate(frames, start=1):
        yield FRAME.format(number=number, time_s=frame.time_s)
        yield frame.image


def _reading(attempt: _Try, seconds: float) -> Reading | Exception:
    if attempt.error is not None:
        return attempt.error
    usage = Usage(attempt.input_tokens, attempt.output_tokens, seconds)
    if attempt.form is None:
        return Reading("", "none", flags=("blank",), usage=usage)
    flags = ("low_confidence",) if attempt.logprob < POOR_LOGPROB else ()
    blocks = tuple(_blocks(attempt.form, attempt.frames, float(np.exp(attempt.logprob))))
    text = "\n\n".join(block.text for block in blocks)
    if not text:
        return Reading("", "none", caption=attempt.form.caption, flags=(*flags, "no_words"), usage=usage)
    return Reading(text, "model", blocks, attempt.form.caption, language_of(text), flags=flags, usage=usage)


def _blocks(form: ShotForm, frames: tuple[Frame, ...], confidence: float) -> Iterator[Block]:
    """The text as blocks without boxes, with the times of the frames that the model named; each text once."""
    seen: set[str] = set()
    for line in form.lines:
        if normal_form(line.words) not in seen:
            seen.add(normal_form(line.words))
            start_s, end_s = frames[line.first - 1].time_s, frames[line.last - 1].time_s
            yield Block("text", line.words, confidence=confidence, start_s=start_s, end_s=end_s)
