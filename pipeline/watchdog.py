"""A deadline for work that cannot be interrupted: past it the process ends, and Ray starts another actor.

A model that hangs in native code answers to nothing else. The unit's attempt marker sees to it that it is not tried
for ever. Costs one timer thread while armed.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CODE = 70


@contextmanager
def deadline(seconds: float, what: str) -> Iterator[None]:
    """End this process unless the block is left within ``seconds``."""
    timer = threading.Timer(seconds, _end, (seconds, what))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(seconds: float, what: str) -> None:
    sys.stderr.write(
        f"folioscope: {what} took longer than {seconds:.0f} s; ending this worker so that Ray restarts it\n"
    )
    sys.stderr.flush()
    os._exit(EXIT_CODE)
