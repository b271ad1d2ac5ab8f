"""How long completions turn out to be, by what they were allowed: what a new request is expected to write.

A page that may write 4,096 tokens writes some 700: room kept for all of them would stand empty. Until enough
completions of a kind have been seen, all that is allowed is expected.
"""

from __future__ import annotations

from collections import deque

import numpy as np

ENOUGH, REMEMBERED = 8, 256
QUANTILE = 75  # a quarter of the requests will want more than is kept for them
MARGIN = 64  # tokens


class ExpectedLengths:
    def __init__(self) -> None:
        self._seen: dict[int, deque[int]] = {}

    def of(self, allowed: int) -> int:
        """Tokens that a request which may write ``allowed`` is expected to write."""
        seen = self._seen.get(allowed, ())
        if len(seen) < ENOUGH:
            return allowed
        return min(allowed, int(np.percentile(np.array(seen), QUANTILE)) + MARGIN)

    def note(self, allowed: int, written: int) -> None:
        self._seen.setdefault(allowed, deque(maxlen=REMEMBERED)).append(written)
