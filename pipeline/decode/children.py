"""Decode children from the parent's side: requests with deadlines, and what becomes of a child that dies.

A timeout inside a process cannot stop native code that hangs, and an exception cannot survive a crash. So every file
is opened in a child that can be killed. Where one dies, the first page it had not answered is tried alone in a fresh
child, and given up if that dies as well; its neighbours lose nothing. The price is one copy of each page image
through a pipe, some 3 ms.
"""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.decode.child import TRIES_IF_KILLED, ChildDiedError, ChildLimits, DecodeChild
from folioscope.pipeline.decode.messages import (
    CuesRequest,
    DecodeRequest,
    ProbeRequest,
    ScanRequest,
    SoundRequest,
    SubtitleFileRequest,
)
from folioscope.pipeline.decode.pages import DecodedPage, DecodedShot, DecodeSettings, FailedSegment, Probe
from folioscope.pipeline.decode.sound_pieces import SoundEnd, SoundTrack
from folioscope.pipeline.decode.subtitle_cues import CuesEnd, PictureCue
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.grounding.reference import ReferenceMode
from folioscope.pipeline.logs import counted
from folioscope.pipeline.video.cues import Cue
from folioscope.pipeline.video.features import ScannedSpan, SpanEnd, join_features
from folioscope.pipeline.video.shots import Shot

__all__ = ["ChildDiedError", "ChildLimits", "DecodeChildren", "FoundCues"]
FILES_TIMED = 64
SUBTITLES_FAILED = "subtitles_failed"
Pcm = NDArray[np.int16]  # samples of one channel


def _without_layout(answer: Any) -> Any:
    """An answer whose page was tried again without the analysis that took too long, marked as such."""
    if not isinstance(answer, DecodedPage) or answer.layer is None:
        return answer
    return replace(answer, layer=replace(answer.layer, flags=(*answer.layer.flags, "layout_timeout")))


@dataclass(frozen=True, slots=True)
class FoundCues:
    """A video's cues; ``pictures`` are still to be recognised. ``notes`` are flags of the whole video."""

    cues: tuple[Cue, ...]
    pictures: tuple[PictureCue, ...]
    notes: tuple[str, ...]


class DecodeChildren:
    """A pool of decode children. Its methods may be called from several threads; each call has one child to itself."""

    def __init__(
        self,
        workers: int,
        limits: ChildLimits,
        passwords: tuple[str, ...] = (),
        spare: subprocess.Popen[bytes] | None = None,
    ) -> None:
        """``spare`` is a child that was started before its limits were known: the first one takes it."""
        self._limits = limits
        self._spent: OrderedDict[str, float] = OrderedDict()  # seconds, of the files last decoded
        self._timing = threading.Lock()
        self._idle: queue.LifoQueue[DecodeChild] = queue.LifoQueue()
        self._children = [DecodeChild(limits, passwords, None if number else spare) for number in range(workers)]
        for child in self._children:
            self._idle.put(child)

    def probe(self, path: Path, name: str) -> Probe:
        """Look into a file.

        Raises:
            Failure: what is wrong with it, including that looking into it crashes, hangs or bloats.
        """
        for tries in range(1, TRIES_IF_KILLED + 1):
            with self.borrow() as child:
                try:
                    [answer] = child.ask(ProbeRequest(path, name), 1)
                    break
                except ChildDiedError as death:
                    if tries >= death.tries:
                        raise Failure(
                            death.reason, f"{name}: looking into it {death.how}, {counted(tries, 'time')}"
                        ) from death
        if isinstance(answer, Failure):
            raise answer
        return cast(Probe, answer)

    def decode(
        self, path: Path, kind: str, first: int, last: int, settings: DecodeSettings, name: str | None = None
    ) -> list[DecodedPage | FailedSegment]:
        """Pages first..last in order, exactly one result a page. Never raises for what a file does."""
        name = name or str(path)

        def request(numbers: Sequence[int], settings: DecodeSettings, *, promptly: bool) -> DecodeRequest:
            return DecodeRequest(path, name, kind, tuple(numbers), settings, promptly)

        return self._decode(range(first, last + 1), request, settings, name, "page")

    def decode_shots(
        self, path: Path, shots: Sequence[Shot], settings: DecodeSettings, name: str
    ) -> list[DecodedShot | FailedSegment]:
        """The chosen frames of a video's shots in order, exactly one result a shot. Never raises for what a file does.

        The deadline is for each frame.
        """
        by_number = {shot.number: shot for shot in shots}
        frames = max((len(shot.frame_times) + len(shot.glimpses) for shot in shots), default=1)

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
        unread: ReferenceMode = "none" if settings.reference == "ocr" else settings.reference
        unread = "layer" if unread == "auto" else unread  # a page is not given up for want of a check
        simpler = replace(settings, thumbnail_px=0)
        tries = deaths = 0
        suspect = False  # the one to be tried again took its child down itself: drawing its thumbnail may have done it
        while len(answers) < len(numbers):
            begun = len(answers)
            if self._spent.get(name, 0.0) > self._limits.seconds_per_file:
                return answers + self._out_of_time(f"{name} {what}", numbers[begun:])
            asked = numbers[begun : begun + 1] if tries else numbers[begun:]  # after a death, that one alone
            with self.borrow() as child, self._timed(name):
                try:
                    wanted = request(asked, simpler if tries and suspect else settings, promptly=deaths > 0)
                    for answer in child.ask(wanted, len(asked), patience=patience):
                        timed_out = tries > 0 and simpler.layout != settings.layout
                        answers.append(_without_layout(answer) if timed_out else answer)
                        tries = 0
                except ChildDiedError as death:
                    deaths += 1
                    tries = tries + 1 if len(answers) == begun else 1
                    suspect = not death.killed
                    late = death.reason is Reason.DECODE_TIMEOUT  # the text is to be had without a layout analysis
                    simpler = replace(simpler, layout="fast" if late else settings.layout, reference=unread)
                    if tries >= death.tries:
                        number = numbers[len(answers)]
                        message = (
                            f"{name} {what} {number}: decoding it {death.how}, {counted(tries, 'time')}; it is left out"
                        )
                        answers.append(FailedSegment(number, Failure(death.reason, message)))
                        tries = 0
        return answers

    def scan(
        self, path: Path, start_s: float | None, end_s: float | None, name: str, *, miniatures: bool = False
    ) -> ScannedSpan:
        """Features of a span of a video. Never raises for what a file does; the deadline is for some frames each."""
        for tries in range(1, TRIES_IF_KILLED + 1):
            answers: list[Any] = []
            with self.borrow() as child:
                try:
                    request = ScanRequest(path, name, start_s, end_s, miniatures)
                    answers.extend(child.ask(request, until=(SpanEnd, Failure)))
                    break
                except ChildDiedError as death:
                    if tries >= death.tries:
                        after = f" after {answers[-1].times[-1]:.2f} s" if answers else ""
                        message = f"{name}: looking it over{after} {death.how}, {counted(tries, 'time')}"
                        answers.append(Failure(death.reason, message))
                        break
        *features, end = answers
        return ScannedSpan(join_features(features), end)

    def cues(self, path: Path, captions: Sequence[tuple[float, bytes]], name: str) -> FoundCues:
        """A video's subtitles and captions. Never raises for what a file does; what was found before a fault counts."""
        for tries in range(1, TRIES_IF_KILLED + 1):
            answers: list[Any] = []
            with self.borrow() as child:
                try:
                    request = CuesRequest(path, name, tuple(captions))
                    answers.extend(child.ask(request, until=(CuesEnd, Failure)))
                    break
                except ChildDiedError as death:
                    if tries >= death.tries:
                        answers.append(Failure(death.reason, f"{name}: reading its subtitles {death.how}"))
                        break
        *batches, end = answers
        found = [cue for batch in batches for cue in batch]
        notes = (SUBTITLES_FAILED,) if isinstance(end, Failure) else end.notes
        pictures = tuple(cue for cue in found if isinstance(cue, PictureCue))
        return FoundCues(tuple(cue for cue in found if isinstance(cue, Cue)), pictures, notes)

    def sound(self, path: Path, name: str, *, with_picture: bool) -> Iterator[SoundTrack | Pcm]:
        """A file's sound track, then its samples, some seconds at a time, while they are decoded.

        Raises:
            Failure: where the sound ends before its time, with why; also in the middle.
        """
        with self.borrow() as child:
            try:
                for answer in child.ask(SoundRequest(path, name, with_picture), until=(SoundEnd, Failure)):
                    if isinstance(answer, Failure):
                        raise answer
                    if not isinstance(answer, SoundEnd):
                        yield answer
            except ChildDiedError as death:
                raise Failure(death.reason, f"{name}: decoding its sound {death.how}") from death

    def subtitle_file(self, path: Path, name: str, track: str, language: str | None) -> list[Cue]:
        """The cues of a subtitle file.

        Raises:
            Failure: what is wrong with it.
        """
        for tries in range(1, TRIES_IF_KILLED + 1):
            with self.borrow() as child:
                try:
                    [answer] = child.ask(SubtitleFileRequest(path, name, track, language), 1)
                    break
                except ChildDiedError as death:
                    if tries >= death.tries:
                        raise Failure(
                            death.reason, f"{name}: reading it {death.how}, {counted(tries, 'time')}"
                        ) from death
        if isinstance(answer, Failure):
            raise answer
        return cast("list[Cue]", answer)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            with self._timing:
                self._spent[name] = self._spent.pop(name, 0.0) + time.monotonic() - begun
                if len(self._spent) > FILES_TIMED:
                    self._spent.popitem(last=False)

    def _out_of_time(self, what: str, numbers: Sequence[int]) -> list[FailedSegment]:
        seconds = self._limits.seconds_per_file
        return [
            FailedSegment(
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
        with self.borrow() as child:
            [answer] = child.ask((function, argument), 1)
            return answer

    def pids(self) -> list[int]:
        """Process ids of the running children."""
        return [child.process.pid for child in self._children if child.process is not None]

    def close(self) -> None:
        for child in self._children:
            child.end()

    @contextmanager
    def borrow(self) -> Iterator[DecodeChild]:
        """A child for as long as the block lasts."""
        child = self._idle.get()
        try:
            yield child
        finally:
            self._idle.put(child)
