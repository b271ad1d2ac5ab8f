"""Decode children from the parent's side: requests with deadlines, and what becomes of a child that dies.

A timeout inside a process cannot stop native code that hangs, and an exception cannot survive a crash. So every file
is opened in a child that can be killed. Where one dies, the first page it had not answered is tried alone in a fresh
child, and given up if that dies as well; its neighbours lose nothing. The price is one copy of each page image
through a pipe, some 3 ms.
"""

from __future__ import annotations

import os
import pickle
import queue
import select
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast

from pipeline.decode.pages import DecodedPage, DecodedShot, DecodeSettings, FailedPage
from pipeline.decode.probe import Probe
from pipeline.decode.worker import HEADER, DecodeRequest, ProbeRequest, ScanRequest, write_frame
from pipeline.failures import Failure, Reason
from pipeline.features import FrameFeatures, SpanEnd, join_features
from pipeline.shots import Shot

START_SECONDS = 30.0
TRIES = 2
TRIES_IF_KILLED = 5  # SIGKILL comes from outside, from an operator or a kernel short of memory: seldom the page's fault
REQUESTS_PER_CHILD = 5_000
FILES_TIMED = 64
PROJECT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What a child may use: bytes of memory, seconds for one page (or one look into a file), seconds for one file.

    ``seconds_per_file`` counts what one actor spends on decoding a file's pages.
    """

    memory_bytes: int = 2 << 30
    seconds_per_page: float = 60.0
    seconds_per_file: float = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class ScannedSpan:
    """Features of a span's frames, and how it ended: with a SpanEnd, or before its end with a failure."""

    features: FrameFeatures
    end: SpanEnd | Failure


class ChildDiedError(Exception):
    """The child ended or had to be ended in the middle of a request."""

    def __init__(self, reason: Reason, how: str, *, killed: bool = False) -> None:
        super().__init__(reason, how)
        self.reason = reason
        self.how = how
        self.tries = TRIES_IF_KILLED if killed else TRIES


class DecodeChildren:
    """A pool of decode children. Its methods may be called from several threads; each call has one child to itself."""

    def __init__(self, workers: int, limits: ChildLimits, passwords: tuple[str, ...] = ()) -> None:
        self._limits = limits
        self._spent: OrderedDict[str, float] = OrderedDict()  # seconds, of the files last decoded
        self._idle: queue.LifoQueue[_Child] = queue.LifoQueue()
        self._children = [_Child(limits, passwords) for _ in range(workers)]
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

        def request(numbers: Sequence[int], *, promptly: bool) -> DecodeRequest:
            return DecodeRequest(path, name, kind, tuple(numbers), settings, promptly)

        return self._decode(range(first, last + 1), request, name, "page")

    def decode_shots(
        self, path: Path, shots: Sequence[Shot], settings: DecodeSettings, name: str
    ) -> list[DecodedShot | FailedPage]:
        """The chosen frames of a film's shots in order, exactly one result a shot. Never raises for what a file does.

        The deadline is for each frame.
        """
        by_number = {shot.number: shot for shot in shots}
        frames = max((len(shot.frame_times) for shot in shots), default=1)

        def request(numbers: Sequence[int], *, promptly: bool) -> DecodeRequest:
            wanted = tuple(by_number[number] for number in numbers)
            return DecodeRequest(path, name, "video", (), settings, promptly, wanted)

        return self._decode(list(by_number), request, name, "shot", patience=frames)

    def _decode(
        self, numbers: Sequence[int], request: Callable[..., DecodeRequest], name: str, what: str, patience: float = 1
    ) -> list[Any]:
        answers: list[Any] = []
        tries = deaths = 0
        while len(answers) < len(numbers):
            begun = len(answers)
            if self._spent.get(name, 0.0) > self._limits.seconds_per_file:
                return answers + self._out_of_time(f"{name} {what}", numbers[begun:])
            asked = numbers[begun : begun + 1] if tries else numbers[begun:]  # after a death, that one alone
            with self._borrow() as child, self._timed(name):
                try:
                    for answer in child.ask(request(asked, promptly=deaths > 0), len(asked), patience=patience):
                        answers.append(answer)
                        tries = 0
                except ChildDiedError as death:
                    deaths += 1
                    tries = tries + 1 if len(answers) == begun else 1
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
    def _borrow(self) -> Iterator[_Child]:
        child = self._idle.get()
        try:
            yield child
        finally:
            self._idle.put(child)


class _Child:
    """One child process, started when first needed and again after it died or has served long enough."""

    def __init__(self, limits: ChildLimits, passwords: tuple[str, ...]) -> None:
        self._limits = limits
        self._passwords = passwords
        self._served = 0
        self._fresh = True
        self.process: subprocess.Popen[bytes] | None = None

    def ask(
        self, request: Any, answers: int | None = None, *, until: tuple[type, ...] = (), patience: float = 1
    ) -> Iterator[Any]:
        """Send a request and yield its answers, so many or up to one of a type, each within the deadline.

        Raises:
            ChildDiedError: as it says.
        """
        if self.process is None or self.process.poll() is not None or self._served >= REQUESTS_PER_CHILD:
            self._start()
        self._served += 1
        process = cast("subprocess.Popen[bytes]", self.process)
        try:
            assert process.stdin is not None
            write_frame(process.stdin, request)  # type: ignore[arg-type]
            for number in count(1):
                extra = START_SECONDS if self._fresh else 0.0
                answer = self._receive(self._limits.seconds_per_page * patience + extra)
                self._fresh = False
                last = number == answers or isinstance(answer, until)
                yield answer
                if last:
                    return
        except (BrokenPipeError, EOFError) as error:
            raise self._death() from error
        except TimeoutError as error:
            self.end()
            how = f"took longer than {self._limits.seconds_per_page:g} s"
            raise ChildDiedError(Reason.DECODE_TIMEOUT, how) from error
        except GeneratorExit:  # answers left unread would be taken for those of the next request
            self.end()
            raise

    def end(self) -> None:
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # what was still to be written is of no use to anyone
                    stream.close()
        self.process = None

    def _start(self) -> None:
        self.end()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": _python_path()}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.decode.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._served = 0
        self._fresh = True
        assert self.process.stdin is not None
        try:
            write_frame(self.process.stdin, (self._limits.memory_bytes, self._passwords))  # type: ignore[arg-type]
        except BrokenPipeError as error:
            raise self._death() from error

    def _receive(self, seconds: float) -> Any:
        until = time.monotonic() + seconds
        size = HEADER.unpack(self._read(HEADER.size, until))[0]
        return pickle.loads(self._read(size, until))

    def _read(self, size: int, until: float) -> bytearray:
        assert self.process is not None
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        data = bytearray(size)
        view = memoryview(data)
        filled = 0
        while filled < size:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            read = os.readv(descriptor, [view[filled:]])
            if read == 0:
                raise EOFError
            filled += read
        return data

    def _death(self) -> ChildDiedError:
        process = cast("subprocess.Popen[bytes]", self.process)
        code = process.wait()
        self.end()
        how = f"ended its process ({_signal_name(code)})"
        return ChildDiedError(Reason.DECODE_CRASHED, how, killed=code == -signal.SIGKILL)


def _signal_name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _python_path() -> str:
    """The project's own folder first, then what this process was given."""
    return os.pathsep.join(part for part in (PROJECT, os.environ.get("PYTHONPATH", "")) if part)
