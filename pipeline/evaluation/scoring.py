"""From marks to scores: means as the benchmark takes them, bootstrap intervals over clusters, and verdicts.

A mean is over items; of the groups' means ("groups", where ``a/b`` is group b inside a); or of clusters that are right
only as a whole ("clusters"). An interval comes from drawing clusters, since questions of one video or document stand or
fall together. 1,000 draws over 10,000 items take some seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.evaluation.items import Benchmark, Item, Mark

DRAWS = 1000
CONFIDENCE = 0.95
SEED = 20_260_301

Verdict = Literal["reproduced", "below", "above"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """One item with its prediction and marks; ``error`` says why there is no prediction."""

    item: Item
    prediction: str | None
    marks: tuple[Mark, ...]
    judge_reply: str | None = None
    error: str | None = None

    @property
    def score(self) -> float:
        return self.marks[0].score if self.marks else 0.0


@dataclass(frozen=True, slots=True)
class Interval:
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Result:
    """The benchmark's score with its interval, and the mean of each measure."""

    score: Interval
    measures: Mapping[str, float]
    counts: Mapping[str, int]


def score_items(benchmark: Benchmark, scored: Sequence[Scored], draws: int = DRAWS) -> Result:
    """Means, score and interval. Without items all is 0."""
    measures = _measures(benchmark, scored)
    weights = np.ones(len(scored))
    values = {name: mean for name, measure in measures.items() if (mean := measure.mean(weights)) is not None}
    total = benchmark.total(values)
    drawn = [
        benchmark.total({name: mean for name, measure in measures.items() if (mean := measure.mean(times)) is not None})
        for times in _resampled(scored, draws)
    ]
    low, high = _ends(np.array(drawn)) if drawn else (total, total)
    counts = {name: measure.items for name, measure in measures.items()}
    return Result(Interval(total, low, high), values, counts)


def verdict(score: Interval, published: float) -> Verdict:
    """Whether the published figure lies in the interval, or above it, or below."""
    if score.high < published:
        return "below"
    return "above" if score.low > published else "reproduced"


def paired_difference(first: Sequence[Scored], second: Sequence[Scored], draws: int = DRAWS) -> Interval:
    """Mean of the second's item scores less the first's, over the items that both have."""
    others = {one.item.item_id: one for one in second}
    both = [(one, others[one.item.item_id]) for one in first if one.item.item_id in others]
    if not both:
        return Interval(0.0, 0.0, 0.0)
    gains = np.array([other.score - one.score for one, other in both])
    means = [float((gains * times).sum() / times.sum()) for times in _resampled([one for one, _ in both], draws)]
    low, high = _ends(np.array(means))
    return Interval(float(gains.mean()), low, high)


def _ends(drawn: Floats) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _resampled(scored: Sequence[Scored], draws: int) -> Sequence[Floats]:
    """How often each item occurs in each draw of as many clusters as there are."""
    clusters = sorted({one.item.cluster or one.item.item_id for one in scored})
    if not clusters:
        return []
    number = {name: place for place, name in enumerate(clusters)}
    of_item = np.array([number[one.item.cluster or one.item.item_id] for one in scored])
    generator = np.random.default_rng(SEED)
    counts = generator.multinomial(len(clusters), np.full(len(clusters), 1 / len(clusters)), size=draws)
    return [times[of_item].astype(float) for times in counts]


@dataclass(frozen=True, slots=True)
class _Measure:
    """The marks of one measure, flat: each knows its item, and what it is averaged within."""

    items: int
    of_item: NDArray[np.int64]
    scores: Floats
    weights: Floats
    inside: tuple[NDArray[np.int64], ...]  # innermost first: place of each mark's group, then of each group's group
    whole: NDArray[np.int64] | None  # cluster of each mark, where only whole clusters count

    def mean(self, times: Floats) -> float | None:
        """The mean, each item as often as ``times`` says; None where no mark is left."""
        values, held = self.scores, self.weights * times[self.of_item]
        if self.whole is not None:
            return self._of_clusters(self.whole, held)
        for place in self.inside:
            sums = np.bincount(place, values * held)
            held_here = np.bincount(place, held)
            values = np.divide(sums, held_here, out=np.zeros_like(sums), where=held_here > 0)
            held = (held_here > 0).astype(float)
        total = held.sum()
        return float((values * held).sum() / total) if total else None

    def _of_clusters(self, whole: NDArray[np.int64], held: Floats) -> float | None:
        count = int(whole.max()) + 1
        least, times = np.ones(count), np.zeros(count)
        np.minimum.at(least, whole, self.scores)
        np.maximum.at(times, whole, held)
        return float((least * times).sum() / times.sum()) if times.sum() else None


def _measures(benchmark: Benchmark, scored: Sequence[Scored]) -> dict[str, _Measure]:
    marks: dict[str, list[tuple[int, Mark]]] = defaultdict(list)
    for place, one in enumerate(scored):
        for mark in one.marks:
            marks[mark.metric].append((place, mark))
    return {name: _measure(benchmark.means.get(name, "items"), held, scored) for name, held in marks.items()}


def _measure(mean: str, held: Sequence[tuple[int, Mark]], scored: Sequence[Scored]) -> _Measure:
    of_item = np.array([place for place, _ in held])
    inside: tuple[NDArray[np.int64], ...] = ()
    whole = None
    if mean == "groups":
        groups = [scored[place].item.group for place, _ in held]
        inner, names = _numbered(groups)
        outer, _ = _numbered([name.partition("/")[0] for name in names])
        inside = (inner, outer)
    elif mean == "clusters":
        whole, _ = _numbered([scored[place].item.cluster for place, _ in held])
    return _Measure(
        len(set(of_item.tolist())),
        of_item,
        np.array([mark.score for _, mark in held]),
        np.array([mark.weight for _, mark in held]),
        inside,
        whole,
    )


def _numbered(names: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    kept = sorted(set(names))
    number = {name: place for place, name in enumerate(kept)}
    return np.array([number[name] for name in names]), kept
