"""Requests to a store that may be throttled, dropped or slow: tried again with back-off and jitter, bounded, counted.

The clients below (botocore, s3fs) try again on their own for a second or two; this goes on for as long as an outage
that nobody needs to hear of may last, and no longer. What cannot get better by waiting is not tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import tenacity

from folioscope.pipeline.failures import refused_credentials

TRIES = 5
LONGEST_SECONDS = 120.0  # after which no further try begins; one try may take a client's own timeouts
HOPELESS = (FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError)

T = TypeVar("T")


class Retries:
    """How many requests this process has tried again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self) -> None:
        with self._lock:
            self._count += 1

    def take(self) -> int:
        """The number since the last ``take``."""
        with self._lock:
            count, self._count = self._count, 0
        return count


RETRIES = Retries()


def retried(call: Callable[[], T]) -> T:
    """What ``call`` returns, or what its last try raises."""
    return tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES) | tenacity.stop_after_delay(LONGEST_SECONDS),
        wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=10),
        retry=tenacity.retry_if_exception(_may_pass),
        before_sleep=lambda _: RETRIES.add(),
        reraise=True,
    )(call)


def _may_pass(error: BaseException) -> bool:
    hopeless = isinstance(error, HOPELESS) or not isinstance(error, Exception)
    return not hopeless and not refused_credentials(error)
