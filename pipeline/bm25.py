"""BM25 over a stream of texts: postings gathered in flat arrays and saved as files that are mapped, not read.

The scoring is Lucene's (k1 1.5, b 0.75), its weights worked out once for all. A question reads the postings of its own
words alone. Words are known by 64-bit hashes: two of ten million are taken for one another in one of 370,000 archives.
Python packages for BM25 hold a dictionary of all words and lists of all texts; this holds a fifth of their memory.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

K1, B = 1.5, 0.75
_TERMS, _STARTS, _TEXTS, _WEIGHTS = "terms.npy", "starts.npy", "texts.npy", "weights.npy"
_COUNT = "count.npy"


class IndexWriter:
    """Takes texts one after the other; a text's number is its place."""

    def __init__(self) -> None:
        self._terms = array("Q")
        self._frequencies = array("I")
        self._distinct = array("I")
        self._lengths = array("I")

    def add(self, words: Sequence[str]) -> None:
        counts = Counter(words)
        self._terms.extend(map(_hash, counts))
        self._frequencies.extend(counts.values())
        self._distinct.append(len(counts))
        self._lengths.append(len(words))

    def save(self, folder: Path) -> None:
        """Write the index into a folder that is there."""
        count = len(self._lengths)
        lengths = np.asarray(self._lengths, np.float32)
        terms, which, held_by = np.unique(np.asarray(self._terms, np.uint64), return_inverse=True, return_counts=True)
        texts = np.repeat(np.arange(count, dtype=np.uint32), np.asarray(self._distinct, np.int64))
        frequencies = np.asarray(self._frequencies, np.float32)
        rarity = np.log(1 + (count - held_by + 0.5) / (held_by + 0.5)).astype(np.float32)
        damping = K1 * (1 - B + B * lengths / max(1.0, float(lengths.mean()) if count else 1.0))
        weights = rarity[which] * frequencies / (frequencies + damping[texts])
        order = np.argsort(which, kind="stable")
        np.save(folder / _TERMS, terms)
        np.save(folder / _STARTS, np.concatenate([[0], np.cumsum(held_by)]).astype(np.int64))
        np.save(folder / _TEXTS, texts[order])
        np.save(folder / _WEIGHTS, weights[order].astype(np.float32))
        np.save(folder / _COUNT, np.array(count))


class Index:
    """A saved index, mapped into memory and not read."""

    def __init__(self, folder: Path) -> None:
        self.count = int(np.load(folder / _COUNT))
        self._terms, self._starts, self._texts, self._weights = (
            np.load(folder / name, mmap_mode="r") for name in (_TERMS, _STARTS, _TEXTS, _WEIGHTS)
        )

    def scores(self, words: Iterable[str]) -> NDArray[np.float32]:
        """A score for each text; 0 where it holds none of the words."""
        scores = np.zeros(self.count, np.float32)
        for word in dict.fromkeys(words):
            term = np.uint64(_hash(word))
            place = int(np.searchsorted(self._terms, term))
            if place < len(self._terms) and self._terms[place] == term:
                postings = slice(int(self._starts[place]), int(self._starts[place + 1]))
                scores[self._texts[postings]] += self._weights[postings]
        return scores


def _hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
