"""What the tests make a decode child do. A child imports this module by name."""

from __future__ import annotations

import os
import signal
import sys
import time


def loaded_modules(_: object) -> list[str]:
    return sorted({name.partition(".")[0] for name in sys.modules})


def bloat(size: int) -> int:
    return len(bytearray(size))


def crash(_: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep(seconds: float) -> None:
    time.sleep(seconds)
