"""Finds a completion that has begun to repeat itself, while it is being written.

A loop is a stretch of tokens that comes again and again to the very end: short stretches must come more often than long
ones. Real pages repeat as well (rules of dots, rows of zeros), so the repetition must be long as a whole. Checked every
few tokens over a bounded tail: microseconds a token.
"""

from __future__ import annotations

from collections.abc import Sequence

LEAST_LOOP_TOKENS = 96  # of repetition in all: more than a ruled line or an empty table row holds
LEAST_TIMES = 4
MOST_PERIOD = 256
CHECK_EVERY = 16


def find_loop(ids: Sequence[int]) -> int | None:
    """How many leading ids to keep, where the rest repeats what they end with; None where nothing loops.

    What is kept ends with one whole turn of the repetition.
    """
    total = len(ids)
    for period in range(1, min(MOST_PERIOD, total // LEAST_TIMES) + 1):
        if ids[-1] != ids[-1 - period]:
            continue
        start = total - period
        while start > 0 and ids[start - 1] == ids[start - 1 + period]:
            start -= 1
        repeated = total - start
        if repeated >= max(LEAST_LOOP_TOKENS, LEAST_TIMES * period):
            return start + period
    return None


def is_due(tokens: int) -> bool:
    """Whether to look for a loop after this many tokens."""
    return tokens >= LEAST_LOOP_TOKENS and tokens % CHECK_EVERY == 0
