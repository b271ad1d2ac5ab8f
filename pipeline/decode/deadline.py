"""A limit on the processor time of Python code: native code between two of its steps still ends by itself.

Processor time and not the clock's: on a busy machine a page must not come out otherwise than on an idle one. What hangs
in native code altogether is ended from outside, with its process.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN = 1.0  # seconds until it is raised once more, where native code has swallowed it


class LayoutTimeoutError(BaseException):
    """The processor time allowed is used up. No Exception, since the code that it ends goes on after those."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise LayoutTimeoutError in the block once it has used so much processor time. For the main thread alone."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise LayoutTimeoutError(f"it takes more than {seconds:g} s of processor time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
