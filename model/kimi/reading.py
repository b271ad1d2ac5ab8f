"""Reading pages and shots: one request each, tried again where the model loops or what it gave cannot be used.

They are taken as the engine has room, later tries of one beside first tries of another, and made into prompts by
threads beside it, so that it runs full until the last one has come. What one is asked and what comes of it stands in
:mod:`folioscope.model.kimi.pages` and :mod:`folioscope.model.kimi.shots`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from folioscope.model.dialects.base import Dialect
from folioscope.model.engine.interface import Engine, Sampling, clearing
from folioscope.model.kimi.attempt import Ask, Attempt
from folioscope.model.kimi.conversation import Conversation, Prompt, request_for
from folioscope.model.kimi.pages import PageAttempt
from folioscope.model.kimi.shots import ShotAttempt
from folioscope.model.protocol import Reading, SegmentInput, ShotInput

PREPARERS = 2
HELD = 4  # times as many as may be in flight, with those that are done and wait for a slower one before them


@dataclass(slots=True)
class _Held:
    """One call's segments: those to come, those held in order, and of these the ones being prepared and asked about."""

    coming: Iterator[SegmentInput | None]
    ended: bool = False
    room: int = 1
    held: deque[Attempt] = field(default_factory=deque)
    preparing: deque[tuple[Attempt, Ask, Future[Prompt | None]]] = field(default_factory=deque)
    asked: dict[str, tuple[Attempt, Ask]] = field(default_factory=dict)


class Reader:
    """``sampling`` is what shots are read with, and pages where their dialect has none of its own."""

    def __init__(self, engine: Engine, conversation: Conversation, dialect: Dialect, sampling: Sampling) -> None:
        self._engine = engine
        self._conversation = conversation
        self._dialect = dialect
        self._sampling = sampling
        self._number = 0
        self._threads = ThreadPoolExecutor(PREPARERS, thread_name_prefix="prompt")

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        """One reading a segment, in order; what is wrong with one alone stands in its place."""
        reading = _Held(iter(segments))
        since = time.perf_counter()
        try:
            with clearing(self._engine):
                while self._take_in(reading) or reading.held:
                    self._submit(reading)
                    for completion in self._engine.step() if reading.asked else ():
                        attempt, ask = reading.asked.pop(completion.key)
                        attempt.count(completion)
                        self._go_on(reading, attempt, attempt.take(ask, completion, self._conversation))
                    while reading.held and reading.held[0].done:
                        now = time.perf_counter()
                        yield self._finished(reading.held.popleft(), now - since)
                        since = now
        finally:
            for _, _, prompt in reading.preparing:
                prompt.cancel()

    def _finished(self, attempt: Attempt, seconds: float) -> Reading | Exception:
        return attempt.error or attempt.reading(self._conversation, seconds)

    def _take_in(self, reading: _Held) -> bool:
        """Take segments as there is room and as they are ready; False once all are taken."""
        while not reading.ended and len(reading.held) < HELD * reading.room:
            if self._engine.unfinished + len(reading.preparing) >= reading.room:
                break
            try:
                segment = next(reading.coming)
            except StopIteration:
                reading.ended = True
                break
            if segment is None:
                break
            attempt = self._begun(segment)
            reading.room = max(1, round(attempt.in_flight * self._engine.most_sequences))
            reading.held.append(attempt)
            attempt.outstanding = 1
            self._prepare(reading, attempt, attempt.first())
        return not reading.ended

    def _begun(self, segment: SegmentInput) -> Attempt:
        if isinstance(segment, ShotInput):
            return ShotAttempt(segment, self._sampling)
        return PageAttempt(segment, self._dialect, self._dialect.sampling or self._sampling)

    def _go_on(self, reading: _Held, attempt: Attempt, asks: Sequence[Ask]) -> None:
        """One question is settled, and these come in its place."""
        attempt.outstanding += len(asks) - 1
        for ask in asks:
            self._prepare(reading, attempt, ask)
        if not attempt.outstanding:
            attempt.end()

    def _prepare(self, reading: _Held, attempt: Attempt, ask: Ask) -> None:
        """Have a prompt made beside the engine's work: cutting a picture takes some 60 ms."""
        reading.preparing.append((attempt, ask, self._threads.submit(self._prompt, ask)))

    def _prompt(self, ask: Ask) -> Prompt | None:
        """None where there is nothing to be seen. Raises ``ImageInputError``."""
        items = ask.items()
        return self._conversation.prompt(self._conversation.share(items), ask.text, *ask.exchanges) if items else None

    def _submit(self, reading: _Held) -> None:
        """Give the engine the prompts that are made; wait for one only where the engine has nothing else to do."""
        while reading.preparing and (reading.preparing[0][2].done() or not self._engine.unfinished):
            attempt, ask, made = reading.preparing.popleft()
            try:
                prompt = made.result()
                if prompt is None:
                    self._go_on(reading, attempt, [])
                    continue
                self._number += 1
                key = f"read-{self._number}"
                keep = self._dialect.keeps_special_tokens
                self._engine.submit(
                    request_for(self._conversation, key, prompt, ask.sampling, keep_special_tokens=keep)
                )
            except ValueError as error:  # ImageInputError or RequestError: this picture cannot be asked about
                attempt.error = error
                self._go_on(reading, attempt, [])
                continue
            reading.asked[key] = attempt, ask
