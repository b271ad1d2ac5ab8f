"""Decode children from the parent's side: requests with deadlines, and what becomes of a child that dies.

A timeout inside a process cannot stop native code that hangs, and an exception cannot survive a crash. So every file
is opened in a child that can be killed. Where one dies, the first page it had not answered is tried alone in a fresh
child, and given up if that dies as well; its neighbours lose nothing. The price is one copy of each page image
through a pipe, some 3 ms.
"""

from __future__ import annotations

import queue
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pipeline.decode.child import TRIES_IF_KILLED, ChildDiedError, ChildLimits, DecodeChild
from pipeline.decode.pages import DecodedPage, DecodedShot, DecodeSettings, FailedPage, Probe
from pipeline.decode.worker import DecodeRequest, ProbeRequest, ScanRequest
from pipeline.failures import Failure, Reason
from pipeline.features import FrameFeatures, SpanEnd, join_features
from pipeline.shots import Shot

__all__ = ["ChildDiedError", "ChildLimits", "DecodeChildren", "ScannedSpan"]
FILES_TIMED = 64


@dataclass(frozen=True, slots=True)
class ScannedSpan:
    """Features of a span's frames, and how it ended: with a SpanEnd, or before its end with a failure."""

    features: FrameFeatures
    end: SpanEnd | Failure


class DecodeChildren:
    """A pool of decode children. Its methods may be called from several threads; each call has one child to itself."""

    def __init__(self, workers: int, limits: ChildLimits, passwords: tuple[str, ...] = ()) -> None:
        self._limits = limits
        self._spent: OrderedDict[str, float] = OrderedDict()  # seconds, of the files last decoded
        self._idle: queue.LifoQueue[DecodeChild] = queue.LifoQueue()
        self._children = [DecodeChild(limits, passwords) for _ in range(workers)]
        for child in self._children:
            self._idle.put(child)

    def probe(self, path: Path, name: str) -> Probe:
        """Look into a file.

        Raises:
            Failure: what is wrong with it, including that looking into it crashes, hangs or bloats.
        """
        for tries in range(1, TRIES_IF_KILLED + 1):
            with self._borrow() as child:
                try:
                    [answer] = child.ask(ProbeRequest(path, name), 1)
                    break
                except ChildDiedError as death:
                    if tries >= death.tries:
                        raise Failure(death.reason, f"{name}: looking into it {death.how}, {tries} times") from death
        if isinstance(answer, Failure):
            raise answer
        return cast(Probe, answer)

    def decode(
        self, path: Path, kind: str, first: int, last: int, settings: DecodeSettings, name: str | None = None
    ) -> list[DecodedPage | FailedPage]:
        """Pages first..last in order, exactly one result a page. Never raises for what a file does."""
        name = name or str(path)

        def request(numbers: Sequence[int], settings: DecodeSettings, *, promptly: bool) -> DecodeRequest:
            return DecodeRequest(path, name, kind, tuple(numbers), settings, promptly)

        return self._decode(range(first, last + 1), request, settings, name, "page")

    def decode_shots(
        self, path: Path, shots: Sequence[Shot], settings: DecodeSettings, name: str
    ) -> list[DecodedShot | FailedPage]:
        """The chosen frames of a film's shots in order, exactly one result a shot. Never raises for what a file does.

        The deadline is for each frame.
        """
        by_number = {shot.number: shot for shot in shots}
        frames = max((len(shot.frame_times) for shot in shots), default=1)

        def request(numbers: Sequence[int], settings: DecodeSettings, *, promptly: bool) -> DecodeRequest:
            wanted = tuple(by_number[number] for number in numbers)
            return DecodeRequest(path, name, "video", (), settings, promptly, wanted)

        return self._decode(list(by_number), request, settings, name, "shot", patience=frames)

    def _decode(
        self,
        numbers: Sequence[int],
        request: Callable[..., DecodeRequest],
        settings: DecodeSettings,
        name: str,
        what: str,
        patience: float = 1,
    ) -> list[Any]:
        answers: list[Any] = []
        without_picture = replace(settings, thumbnail_px=0)
        tries = deaths = 0
        suspect = False  # the one to be tried again took its child down itself: drawing its thumbnail may have done it
        while len(answers) < len(numbers):
            begun = len(answers)
            if self._spent.get(name, 0.0) > self._limits.seconds_per_file:
                return answers + self._out_of_time(f"{name} {what}", numbers[begun:])
            asked = numbers[begun : begun + 1] if tries else numbers[begun:]  # after a death, that one alone
            with self._borrow() as child, self._timed(name):
                try:
                    wanted = request(asked, without_picture if tries and suspect else settings, promptly=deaths > 0)
                    for answer in child.ask(wanted, len(asked), patience=patience):
                        answers.append(answer)
                        tries = 0
                except ChildDiedError as death:
                    deaths += 1
                    tries = tries + 1 if len(answers) == begun else 1
                    suspect = not death.killed
                    if tries >= death.tries:
                        number = numbers[len(answers)]
                        message = f"{name} {what} {number}: decoding it {death.how}, {tries} times; it is left out"
                        answers.append(FailedPage(number, Failure(death.reason, message)))
                        tries = 0
        return answers

    def scan(self, path: Path, start_s: float | None, end_s: float | None, name: str) -> ScannedSpan:
        """Features of a span of a film. Never raises for what a file does; the deadline is for some frames each."""
        for tries in range(1, TRIES_IF_KILLED + 1):
            answers: list[Any] = []
            with self._borrow() as child:
                try:
                    answers.extend(child.ask(ScanRequest(path, name, start_s, end_s), until=(SpanEnd, Failure)))
                    break
                except ChildDiedError as death:
                    if tries >= death.tries:
                        after = f" after {answers[-1].times[-1]:.2f} s" if answers else ""
                        message = f"{name}: looking it over{after} {death.how}, {tries} times"
                        answers.append(Failure(death.reason, message))
                        break
        *features, end = answers
        return ScannedSpan(join_features(features), end)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self._spent[name] = self._spent.pop(name, 0.0) + time.monotonic() - begun
            if len(self._spent) > FILES_TIMED:
                self._spent.popitem(last=False)

    def _out_of_time(self, what: str, numbers: Sequence[int]) -> list[FailedPage]:
        seconds = self._limits.seconds_per_file
        return [
            FailedPage(
                number,
                Failure(
                    Reason.DECODE_TIMEOUT,
                    f"{what} {number}: decoding this file has taken more than {seconds:g} s; the rest of it is left "
                    "out. Raise --seconds-per-file if it is worth that",
                ),
            )
            for number in numbers
        ]

    def call(self, function: Any, argument: Any = None) -> Any:
        """Run an importable function in a child. Raises ChildDiedError."""
        with self._borrow() as child:
            [answer] = child.ask((function, argument), 1)
            return answer

    def pids(self) -> list[int]:
        """Process ids of the running children."""
        return [child.process.pid for child in self._children if child.process is not None]

    def close(self) -> None:
        for child in self._children:
            child.end()

    @contextmanager
    def _borrow(self) -> Iterator[DecodeChild]:
        child = self._idle.get()
        try:
            yield child
        finally:
            self._idle.put(child)
