"""From scores of sampled pages to an archive: stratified means with intervals, routes, and a bound on what is left.

Everything is plain arithmetic over arrays of a few hundred pages. Sources: Cochran, Sampling Techniques, chapters 5 and
5A, for stratified means and their variance; Clopper and Pearson (1934) for the bound on a share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.evaluation.scoring import CONFIDENCE, Interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Strata:
    """The stratum of each sampled page, as a number, and how many pages of the archive each stratum has."""

    of_page: NDArray[np.int64]
    sizes: Floats

    @classmethod
    def of(cls, names: Sequence[str], sizes: Mapping[str, int]) -> Strata:
        order = sorted(set(names))
        number = {name: place for place, name in enumerate(order)}
        return cls(np.array([number[name] for name in names]), np.array([float(sizes[name]) for name in order]))

    def only(self, chosen: NDArray[np.bool_]) -> Strata:
        """Of some pages; strata without one of them are left out."""
        kept = np.unique(self.of_page[chosen])
        return Strata(np.searchsorted(kept, self.of_page[chosen]), self.sizes[kept])


def mean(values: Floats, strata: Strata, lowest: float = -np.inf, highest: float = np.inf) -> Interval:
    """The archive's mean of a figure, with its 95 % interval, cut to the bounds that the figure has.

    A stratum of which one page was drawn is taken to vary as all pages do.
    """
    from scipy import stats

    weights = strata.sizes / strata.sizes.sum()
    drawn = np.bincount(strata.of_page).astype(float)
    means = np.bincount(strata.of_page, values) / drawn
    value = float((weights * means).sum())
    if len(values) < 2:
        return Interval(value, max(lowest, -np.inf), min(highest, np.inf))
    squares = np.bincount(strata.of_page, (values - means[strata.of_page]) ** 2)
    spread = np.where(drawn > 1, squares / np.maximum(drawn - 1, 1), values.var(ddof=1))
    variances = weights**2 * spread / drawn * (1 - drawn / np.maximum(strata.sizes, drawn))
    variance = float(variances.sum())
    # Satterthwaite's degrees of freedom: strata of few pages tell little of their own spread.
    parts = variances**2 / np.maximum(drawn - 1, 1)
    freedom = variance**2 / parts.sum() if parts.sum() else float(len(values) - 1)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, max(1.0, freedom))) * variance**0.5
    return Interval(value, max(lowest, value - reach), min(highest, value + reach))


@dataclass(frozen=True, slots=True)
class Route:
    """Which replica reads the pages of one layer verdict, and why: no other is as good for less."""

    verdict: str
    replica: str
    pages: int
    loss: Interval  # of quality, to the best replica there; 0 for itself


def cheapest_routes(
    quality: Mapping[str, Floats],
    cost: Mapping[str, float],
    verdicts: Sequence[str],
    strata: Strata,
    counts: Mapping[str, int],
    margin: float,
) -> list[Route]:
    """For each verdict the cheapest replica that is surely not worse by more than ``margin`` than the best one there.

    ``cost`` is a page's price, or its seconds where no price is known.
    """
    routes = []
    told = np.array(verdicts)
    for verdict in sorted(set(verdicts)):
        chosen = told == verdict
        of_these = strata.only(chosen)
        means = {name: mean(values[chosen], of_these).value for name, values in quality.items()}
        best = max(means, key=lambda name: (means[name], -cost[name]))
        losses = {
            name: mean(quality[best][chosen] - values[chosen], of_these, -1.0, 1.0) for name, values in quality.items()
        }
        equal = [name for name, loss in losses.items() if name == best or loss.high <= margin]
        cheapest = min(equal, key=lambda name: (cost[name], name))
        routes.append(Route(verdict, cheapest, counts[verdict], losses[cheapest]))
    return routes


def share_at_most(hits: int, of: int) -> float:
    """The upper end of the one-sided 95 % interval of a share (Clopper and Pearson)."""
    from scipy import stats

    return 1.0 if hits >= of else float(stats.beta.ppf(CONFIDENCE, hits + 1, of - hits))


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What to read again. Of the pages that are left at most ``rest_changes`` would change, with 95 % confidence."""

    strata: tuple[str, ...]
    pages: int
    rest: int
    rest_changes: float


def plan_upgrade(changed: Mapping[str, Sequence[bool]], sizes: Mapping[str, int], allowed: float) -> Upgrade:
    """Strata to read again, those that change most first, so that of the rest ``allowed`` changes at the most.

    ``changed`` tells of each sampled page, by stratum, whether the new reading differs. One half of the sample says
    which strata to leave, the other bounds what they hold: bounded by the pages that chose them, they would look better
    than they are. Where the second half does not bear the first out, all is read again. The pages of a half count as
    one sample: draws are in proportion to the strata, so that they are one.
    """
    choosing = {name: list(values)[::2] for name, values in changed.items()}
    order = sorted(choosing, key=lambda name: (-sum(choosing[name]) / len(choosing[name]), -sizes[name], name))
    count = next(
        (count for count in range(len(order)) if _bound([choosing[name] for name in order[count:]]) <= allowed),
        len(order),
    )
    bound = _bound([list(changed[name])[1::2] for name in order[count:]])
    if bound > allowed:
        count, bound = len(order), 0.0
    rest = sum(sizes[name] for name in order[count:])
    return Upgrade(tuple(order[:count]), sum(sizes[name] for name in order[:count]), rest, bound)


def _bound(halves: Sequence[Sequence[bool]]) -> float:
    pages = [value for half in halves for value in half]
    return share_at_most(sum(pages), len(pages)) if halves else 0.0
