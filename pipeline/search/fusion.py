"""Two rankings as one: by words and by meaning, each weighed by how much of the query its words account for.

Where the best pages hold all words of a query (names, numbers, exact phrases), their order by words stands; the fewer
they hold (a paraphrase, another language, a word mistyped), the more meaning decides. So no page counts for being near
in meaning to a query that asks for a name. On 100 queries of eight kinds it finds more than either ranking alone and
than reciprocal ranks (``benchmarks/search.py --only quality``). Costs nothing to speak of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from folioscope.pipeline.search.engine import Ranked

FUSED: Final = 200  # rows of each ranking that are fused
LOOKED_AT: Final = 5  # best rows by words, of which the one that holds most words of the query counts


def coverage(asked: Sequence[frozenset[str]], held: Iterable[frozenset[str]]) -> float:
    """The share of a query's words (each with its forms) that the row which holds most of them holds."""
    best = max((sum(not forms.isdisjoint(terms) for forms in asked) for terms in held), default=0)
    return best / len(asked) if asked else 0.0


def fused(by_words: Sequence[Ranked], by_meaning: Sequence[Ranked], share: float) -> list[Ranked]:
    """Rows of both rankings, best first, with scores from 0 to 1. ``share``: of the query's words, see ``coverage``."""
    scores: defaultdict[tuple[str, str, int], float] = defaultdict(float)
    rows: dict[tuple[str, str, int], Ranked] = {}
    for ranked, weight, least in ((by_words, share, 0.0), (by_meaning, 1 - share, _last(by_meaning))):
        span = (ranked[0].score - least) if ranked else 0.0
        for row in ranked:
            rows.setdefault(row.key, row)
            scores[row.key] += weight * ((row.score - least) / span if span > 0 else 1.0)
    merged = [replace(rows[key], score=round(score, 6)) for key, score in scores.items()]
    return sorted(merged, key=lambda row: (-row.score, row.uri, row.segment))


def _last(ranked: Sequence[Ranked]) -> float:
    """The score of the last row: cosines of one model lie close together, however little texts have in common."""
    return ranked[-1].score if len(ranked) > 1 else 0.0
