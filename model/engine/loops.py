"""Finds a completion that has begun to repeat itself, while it is being written.

A loop is a stretch of tokens that comes again and again to the very end. Real pages repeat as well, so how much is too
much depends on what is repeated: an empty row of a table, a check box or a ruled line may come a hundred times, a short
row with a word or two half as often, and a sentence hardly ever. What is kept ends where a line or a row ends. Checked
every few tokens over a bounded tail: microseconds a token, and some milliseconds where something does repeat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from folioscope.model.engine.interface import Request

Token = TypeVar("Token")
CHECK_EVERY = 16
MOST_PERIOD = 256


@dataclass(frozen=True, slots=True)
class Allowance:
    """Beyond so many tokens of repetition and so many times it is a loop; of long stretches fewer times will do."""

    tokens: int
    times: int
    long_times: int = 0
    long_period: int = MOST_PERIOD + 1

    def is_passed(self, repeated: int, period: int) -> bool:
        times = self.long_times if period >= self.long_period else self.times
        return repeated >= max(self.tokens, times * period)


WORDS: Final = Allowance(tokens=320, times=4, long_times=3, long_period=128)
ROW: Final = Allowance(tokens=480, times=8)  # of a table, with several words
SHORT_ROW: Final = Allowance(tokens=240, times=42)  # of a table or form, with a word or two
STRUCTURE: Final = Allowance(tokens=480, times=100)  # no word at all: empty cells, check boxes, rules
LEAST_TOKENS: Final = min(allowance.tokens for allowance in (WORDS, ROW, SHORT_ROW, STRUCTURE))
FEW_WORDS = 4
_TAG = re.compile(r"<[^<>]{0,200}>")
_BOX = re.compile(r"\[[ xX]?\]|[☐☑☒□■◻◼✓✗✔✘]")
_WORD = re.compile(r"\w+")
_ROW_LIKE = re.compile(r"</?t[rdh]\b|\||\[[ xX]?\]|[☐☑☒□■◻◼✓✗✔✘]")
_ENDS = ("\n", "</tr>")


def find_loop(ids: Sequence[Token], decode: Callable[[Sequence[Token]], str] | None = None) -> int | None:
    """How many leading tokens to keep, where the rest repeats what they end with; None where nothing loops.

    What is kept ends with one whole turn of the repetition, and with its line where the turn holds the end of one.
    Without ``decode`` all repetition counts as that of words.
    """
    total = len(ids)
    failed: list[int] = []
    for period in range(1, min(MOST_PERIOD, total // 3) + 1):
        if ids[-1] != ids[-1 - period] or any(period % shorter == 0 for shorter in failed):
            continue
        start = _start(ids, period)
        repeated = total - start
        if repeated < max(LEAST_TOKENS, 3 * period):
            continue
        turn = ids[start : start + period]
        if (WORDS if decode is None else allowance_of(decode(turn))).is_passed(repeated, period):
            return start + period if decode is None else _line_end(ids, start + period, period, decode)
        failed.append(period)  # its multiples repeat the same, less often
    return None


def allowance_of(turn: str) -> Allowance:
    """How much of such a stretch a real page may hold."""
    words = len(_WORD.findall(_BOX.sub(" ", _TAG.sub(" ", turn)).replace("_", " ")))
    if not words:
        return STRUCTURE
    if not _ROW_LIKE.search(turn):
        return WORDS
    return SHORT_ROW if words <= FEW_WORDS else ROW


def looped(request: Request, written: Sequence[int]) -> int | None:
    """How many of a request's new tokens to keep, where they have just turned out to loop."""
    return find_loop(written, request.decode) if request.stop_on_loop else None


def is_due(tokens: int) -> bool:
    """Whether to look for a loop after this many tokens."""
    return tokens >= LEAST_TOKENS and tokens % CHECK_EVERY == 0


def _start(ids: Sequence[Token], period: int) -> int:
    """Where the repetition with this period begins."""
    start = len(ids) - period
    while start > 0 and ids[start - 1] == ids[start - 1 + period]:
        start -= 1
    return start


def _line_end(ids: Sequence[Token], end: int, period: int, decode: Callable[[Sequence[Token]], str]) -> int:
    """The first place from ``end`` on, within a turn, at which a line or row ends; ``end`` itself where none does."""
    for place in range(end, end + period):
        if decode(ids[place - 1 : place]).endswith("\n") or decode(ids[end - period : place]).endswith(_ENDS):
            return place
    return end
