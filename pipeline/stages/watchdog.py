"""A deadline for work that cannot be interrupted: past it the process ends, and Ray starts another actor.

A model that hangs in native code answers to nothing else. The unit's attempt marker sees to it that it is not tried
for ever. Costs one thread while armed, and nothing each time that the deadline is moved.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CODE = 70
LONGEST_LOOK = 5.0  # seconds between two looks at the clock; a deadline that moves nearer is seen as late as that


class Watchdog:
    """Ends this process where a deadline passes. The deadline moves as the work goes on."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._until = math.inf
        self._seconds = math.inf
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left.set()

    def allow(self, seconds: float) -> None:
        """The next move of the deadline must come within ``seconds``."""
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def rest(self) -> None:
        """No deadline until the next ``allow``: something with a deadline of its own is at work."""
        self._until = math.inf

    def _watch(self) -> None:
        while not self._left.wait(min(LONGEST_LOOK, max(0.01, self._until - time.monotonic()))):
            if time.monotonic() >= self._until:
                sys.stderr.write(
                    f"folioscope: {self._what} took longer than {self._seconds:.0f} s; ending this worker so that "
                    "Ray restarts it\n"
                )
                sys.stderr.flush()
                os._exit(EXIT_CODE)


@contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """End this process unless the block is left within ``seconds``."""
    watchdog = Watchdog(what)
    watchdog.allow(seconds)
    with watchdog:
        yield
