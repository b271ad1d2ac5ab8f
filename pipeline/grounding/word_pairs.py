"""Which words of two short passages stand for each other, in order: equal, misread, parted or joined ones.

Costs some 10 µs for each pair of words, so it is for gaps between what is matched already.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein

from folioscope.pipeline.grounding.tokens import is_figure

NEAR = 0.7  # likeness of two words of which one is misread
NEAR_FROM = 3  # letters
JOINED = 3  # parts into which a word may have come apart


def likeness(a: str, b: str) -> float:
    """0..1 of two words or of their joined parts; 0 where they are no misreading of each other."""
    if a == b:
        return 1.0
    if is_figure(a) or is_figure(b) or min(len(a), len(b)) < NEAR_FROM:
        return 0.0
    score = Levenshtein.normalized_similarity(a, b)
    return score if score >= NEAR else 0.0


def best_path(a: Sequence[str], b: Sequence[str]) -> list[tuple[int, int, int, int, float]]:
    """(row, column, rows, columns, likeness) of the pairs of the best path through the table of both."""
    best = np.zeros((len(a) + 1, len(b) + 1))
    steps: dict[tuple[int, int], tuple[int, int, float]] = {}
    shapes = [(1, 1), *((1, n) for n in range(2, JOINED + 1)), *((n, 1) for n in range(2, JOINED + 1))]
    for i in range(len(a) - 1, -1, -1):
        for j in range(len(b) - 1, -1, -1):
            score, step = (best[i + 1, j], (1, 0, 0.0))
            if best[i, j + 1] > score:
                score, step = best[i, j + 1], (0, 1, 0.0)
            for high, wide in shapes:
                if i + high > len(a) or j + wide > len(b):
                    continue
                left, right = "".join(a[i : i + high]), "".join(b[j : j + wide])
                alike = likeness(left, right) if high == wide or _may_join(left, right) else 0.0
                gain = alike * max(high, wide)
                if alike and gain + best[i + high, j + wide] > score:
                    score, step = gain + best[i + high, j + wide], (high, wide, alike)
            best[i, j] = score
            steps[i, j] = step
    path = []
    i = j = 0
    while i < len(a) and j < len(b):
        high, wide, alike = steps[i, j]
        if alike:
            path.append((i, j, high, wide, alike))
        i, j = i + high, j + wide
    return path


def _may_join(a: str, b: str) -> bool:
    """Whether words and a joined word are alike enough in length and letters to be looked at: most are not."""
    return abs(len(a) - len(b)) <= 2 and (a[0] == b[0] or a[-1] == b[-1])
