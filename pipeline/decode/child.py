"""One decode child from the parent's side: a process that gets requests and gives answers, each within a deadline.

Starts in half a second, when it is first needed and again after it died or has served long enough.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from folioscope.pipeline.decode.messages import HEADER, write_frame
from folioscope.pipeline.failures import Reason

START_SECONDS = 30.0
TRIES = 2
TRIES_IF_KILLED = 5  # SIGKILL comes from outside, from an operator or a kernel short of memory: seldom the page's fault
REQUESTS_PER_CHILD = 5_000
PROJECT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What a child may use: bytes of memory, seconds for one page (or one look into a file), seconds for one file.

    ``seconds_per_file`` counts what one actor spends on decoding a file's pages.
    """

    memory_bytes: int = 2 << 30
    seconds_per_page: float = 60.0
    seconds_per_file: float = 6 * 3600.0


class ChildDiedError(Exception):
    """The child ended or had to be ended in the middle of a request."""

    def __init__(self, reason: Reason, how: str, *, killed: bool = False) -> None:
        super().__init__(reason, how)
        self.reason = reason
        self.how = how
        self.killed = killed
        self.tries = TRIES_IF_KILLED if killed else TRIES


class DecodeChild:
    """One child process, started when first needed and again after it died or has served long enough."""

    def __init__(
        self, limits: ChildLimits, passwords: tuple[str, ...], spare: subprocess.Popen[bytes] | None = None
    ) -> None:
        """``spare`` is a process of :func:`spawn` that waits to be used."""
        self._spare = spare
        self._limits = limits
        self._passwords = passwords
        self._served = 0
        self._fresh = True
        self.process: subprocess.Popen[bytes] | None = None

    def ask(
        self, request: Any, answers: int | None = None, *, until: tuple[type, ...] = (), patience: float = 1
    ) -> Iterator[Any]:
        """Send a request and yield its answers, so many or up to one of a type, each within the deadline.

        ``patience`` multiplies the deadline.

        Raises:
            ChildDiedError: as it says.
        """
        if self.process is None or self.process.poll() is not None or self._served >= REQUESTS_PER_CHILD:
            self._start()
        self._served += 1
        seconds = self._limits.seconds_per_page * patience
        process = cast("subprocess.Popen[bytes]", self.process)
        try:
            assert process.stdin is not None
            write_frame(process.stdin, request)  # type: ignore[arg-type]
            for number, answer in enumerate(self._answers(seconds), start=1):
                last = number == answers or isinstance(answer, until)
                yield answer
                if last:
                    return
        except (BrokenPipeError, EOFError) as error:
            raise self._death() from error
        except TimeoutError as error:
            self.end()
            how = f"took longer than {seconds:g} s"
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
        self.process, self._spare = self._spare or spawn(), None
        self._served = 0
        self._fresh = True
        assert self.process.stdin is not None
        try:
            write_frame(self.process.stdin, (self._limits.memory_bytes, self._passwords))  # type: ignore[arg-type]
        except BrokenPipeError as error:
            raise self._death() from error

    def _answers(self, seconds: float) -> Iterator[Any]:
        """Answers without end, each message of them within the deadline."""
        while True:
            extra = START_SECONDS if self._fresh else 0.0
            batch = self._receive(seconds + extra)
            self._fresh = False
            yield from batch

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


def spawn() -> subprocess.Popen[bytes]:
    """A child that loads its decoder and waits for its limits. To be started early where its start would be felt."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": _python_path()}
    return subprocess.Popen(
        [sys.executable, "-m", "folioscope.pipeline.decode.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def _signal_name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _python_path() -> str:
    """The project's own folder first, then what this process was given."""
    return os.pathsep.join(part for part in (PROJECT, os.environ.get("PYTHONPATH", "")) if part)
