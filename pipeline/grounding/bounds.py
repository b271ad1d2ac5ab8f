"""How far the text of an archive can be wrong: the share of words without support and of words left out, with limits.

Words of a page are wrong together, so pages are what is sampled: the limits are those of a ratio estimate over whole
pages, and where few of the sampled pages show an error, of the bound that auditors use, which counts with pages worse
than any that was seen. Pages with a text layer are all checked, scans by a share: each of the two is a stratum of its
own, and what is checked in full adds nothing to the interval. Sums and the worst few pages are all that is kept, so
that tallies of actors add up. The reference is taken for the truth: where OCR misreads a word, the model's right word
counts as unsupported, so the shares are rather too high than too low.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

CONFIDENCE: Final = 0.95
Z: Final = 1.96
FEW: Final = 80  # pages with errors, below which the auditors' limit counts beside the estimate's own


@dataclass(slots=True)
class Tally:
    """Pages that were checked: sums of their words and wrong words, and the wrong words of the worst of them."""

    checked: int = 0
    bad: int = 0
    words: float = 0.0
    wrong: float = 0.0
    words_squared: float = 0.0
    wrong_squared: float = 0.0
    product: float = 0.0
    worst: list[float] = field(default_factory=list)

    def take(self, words: float, wrong: float) -> None:
        """Take a page in."""
        self.add(Tally(1, int(wrong > 0), words, wrong, words * words, wrong * wrong, words * wrong, [wrong]))

    def add(self, other: Tally) -> None:
        self.checked += other.checked
        self.bad += other.bad
        self.words += other.words
        self.wrong += other.wrong
        self.words_squared += other.words_squared
        self.wrong_squared += other.wrong_squared
        self.product += other.product
        self.worst = sorted((wrong for wrong in (*self.worst, *other.worst) if wrong), reverse=True)[:FEW]


@dataclass(frozen=True, slots=True)
class Stratum:
    """Pages of one kind: how many there are, and what those that were checked show."""

    pages: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class Bound:
    """A share, and the limits between which it lies in 95 of 100 archives."""

    share: float
    low: float
    high: float


def bound(strata: Iterable[Stratum]) -> Bound | None:
    """The share of wrong words over all pages of the strata; None where a stratum with pages has none checked."""
    present = [stratum for stratum in strata if stratum.pages]
    if not present or any(not stratum.tally.checked for stratum in present):
        return None
    words = sum(_scale(stratum) * stratum.tally.words for stratum in present)
    wrong = sum(_scale(stratum) * stratum.tally.wrong for stratum in present)
    if not words:
        return Bound(0.0, 0.0, 0.0)
    share = wrong / words
    reach = Z * math.sqrt(sum(_variance(stratum, share) for stratum in present)) / words
    worst = sum(_worst(stratum) for stratum in present) / words
    return Bound(share, max(0.0, share - reach), min(1.0, max(share + reach, worst)))


def _scale(stratum: Stratum) -> float:
    return max(1.0, stratum.pages / stratum.tally.checked)


def _variance(stratum: Stratum, share: float) -> float:
    """Of the wrong words of all the stratum's pages, once their words are allowed for."""
    tally, n = stratum.tally, stratum.tally.checked
    if n >= stratum.pages:
        return 0.0
    squares = tally.wrong_squared - 2 * share * tally.product + share * share * tally.words_squared
    mean = (tally.wrong - share * tally.words) / n
    spread = max(0.0, squares - n * mean * mean) / max(1, n - 1)
    return stratum.pages**2 * (1 - n / stratum.pages) * spread / n


def _worst(stratum: Stratum) -> float:
    """The most wrong words that pages like these are likely to hold where few of those seen have any.

    Auditors' bound (Stringer 1963): a page that is worse than all that were seen is wrong throughout, and each seen one
    stands for as many as the exact limits on counts allow.
    """
    tally = stratum.tally
    left = stratum.pages - tally.checked
    if left <= 0:
        return tally.wrong
    if tally.bad >= FEW:
        return _scale(stratum) * tally.wrong
    limits = [upper_limit(hits, tally.checked) for hits in range(tally.bad + 1)]
    a_page = limits[0] * tally.words / tally.checked + float(np.diff(limits) @ np.array(tally.worst))
    return tally.wrong + left * a_page


@lru_cache(maxsize=4096)
def upper_limit(hits: int, trials: int, confidence: float = 1 - (1 - CONFIDENCE) / 2) -> float:
    """The largest probability under which so few hits of so many trials are not too unlikely (Clopper-Pearson)."""
    if hits >= trials:
        return 1.0
    ways = [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(hits + 1)]
    low, high = hits / trials, 1.0
    for _ in range(60):
        p = (low + high) / 2
        chance = sum(math.exp(way + k * math.log(p) + (trials - k) * math.log1p(-p)) for k, way in enumerate(ways))
        low, high = (p, high) if chance > 1 - confidence else (low, p)
    return high


def percent(share: float) -> str:
    digits = 1 if share >= 0.01 else 2
    return f"{100 * share:.{digits}f} %"
