"""The index of the report's own search: the terms of the archive's index, with the weights that it ranks by.

Weights are BM25 as Lance reckons it (Lucene's formula with k1 1.2 and b 0.75, times k1 + 1), worked out beforehand by
bm25s: the page adds them up, and so finds in the order in which ``folioscope search`` does. Pieces are cut by the first
letters of terms; a page loads those that a query's words fall into. Costs about 1 ms and 10 KB of memory a page, so
that it ends at 20,000 pages and shots: above, the report names the command instead.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import bm25s
import numpy as np

from folioscope.pipeline.search import analysis
from folioscope.pipeline.search.rows import is_verified, names_of, text_of

MOST_SEGMENTS: Final = 20_000
K1, B = 1.2, 0.75
WEIGHT: Final = 1e5  # what a weight of 1 is in the pieces, where it is a whole number
Row = dict[str, Any]


def bucket(term: str) -> str:
    """The piece that a term lies in, named by the code points of its first letters."""
    letters = term[:1] if ord(term[0]) >= 0x2E80 else term[:2]
    return "-".join(f"{ord(letter):x}" for letter in letters)


@dataclass(frozen=True, slots=True)
class _Segment:
    """What is known of one page or shot beside its terms. The order of these is the order of equals."""

    uri: str
    number: int
    content: int
    kind: str
    language: str | None
    flags: list[str]
    verified: bool

    def row(self) -> list[Any]:
        return [self.content, self.number, self.kind, self.language, self.flags, self.verified]


class SearchIndex:
    """Takes pages and shots in, file by file, and gives the pieces."""

    def __init__(self, most: int = MOST_SEGMENTS) -> None:
        self._most = most
        self._segments: list[_Segment] = []
        self._terms: list[array[int]] = []
        self._numbers: dict[str, int] = {}
        self._spelt: list[str] = []
        self.count = 0

    @property
    def too_many(self) -> bool:
        return self.count > self._most

    def add(self, content: int, asset: Row, segment: Row) -> None:
        """``asset``: the file's uris, title and prevailing language."""
        self.count += 1
        if self.too_many:
            self._segments, self._terms, self._numbers, self._spelt = [], [], {}, []
            return
        language = segment["language"] or asset["language"]
        text = f"{names_of(asset['uris'], asset['title'])}\n{text_of(segment['text'], segment['caption'])}"
        numbers = array("I")
        for word, terms in analysis.spelt(text, language):
            for term in terms:
                if term not in self._numbers:
                    self._numbers[term] = len(self._spelt)
                    self._spelt.append(word if len(terms) == 1 and word != term else "")
                numbers.append(self._numbers[term])
        self._terms.append(numbers)
        self._segments.append(
            _Segment(
                asset["uri"],
                segment["segment"],
                content,
                segment["kind"],
                language,
                segment["flags"] or [],
                is_verified(segment),
            )
        )

    def pieces(self) -> Iterator[tuple[str, dict[str, list[Any]]]]:
        """(piece, {term: [a word that it comes from, row, weight, row, weight …]}); none where there are too many."""
        if not self._numbers:
            return
        order = self._order()
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        weights = self._weights()
        terms = sorted(self._numbers, key=lambda term: (bucket(term), term))
        for name, group in itertools.groupby(terms, key=bucket):
            piece: dict[str, list[Any]] = {}
            for term in group:
                number = self._numbers[term]
                start, end = weights["indptr"][number], weights["indptr"][number + 1]
                rows = place[weights["indices"][start:end]]
                scaled = np.rint(weights["data"][start:end].astype(np.float64) * (K1 + 1) * WEIGHT).astype(np.int64)
                sorted_rows = np.argsort(rows, kind="stable")
                entries = np.stack([rows[sorted_rows], scaled[sorted_rows]], axis=1).ravel().tolist()
                piece[term] = [self._spelt[number], *entries]
            yield name, piece

    def rows(self) -> list[list[Any]]:
        """The pages and shots by the numbers that the pieces give them: of equals the first path comes first."""
        return [self._segments[at].row() for at in self._order()]

    def overview(self, buckets: list[str]) -> Row:
        """What the page must know before it searches."""
        if self.too_many:
            return {"segments": self.count, "most": self._most}
        tags = {analysis.language_key(segment.language) for segment in self._segments}
        languages = sorted(tag for tag in tags if tag is not None)
        return {
            "segments": self.count,
            "languages": languages,
            "algorithms": {tag: analysis.STEMMERS[tag] for tag in languages},
            "stop_words": sorted(analysis.STOP_WORDS),
            "buckets": buckets,
        }

    def algorithms(self) -> list[str]:
        """The stemmers that the page needs."""
        return sorted(set(self.overview([]).get("algorithms", {}).values()))

    def _order(self) -> list[int]:
        segments = self._segments
        return sorted(range(len(segments)), key=lambda at: (segments[at].uri, segments[at].number))

    def _weights(self) -> Row:
        """The weight of each term in each segment, term by term."""
        model = bm25s.BM25(method="lucene", k1=K1, b=B)
        ids = [terms.tolist() for terms in self._terms]
        model.index((ids, {number: number for number in range(len(self._spelt))}), show_progress=False)
        weights: Row = model.scores
        return weights
