"""Official rules that compare texts: normalised edit likeness with a floor (ANLS), contained answers, recognised text.

Each function is one benchmark's rule to the letter; where two rules of the same name differ (they do) there are two.
Linear in the product of the texts' lengths at worst, in compiled code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

ANLS_FLOOR = 0.5
NOT_ANSWERABLE = "Not answerable"
_EXACT = (
    re.compile(r"\b\d+(-\d+|\s\d+)?\b"),
    re.compile(r"\b\d{4}[-\s]\d{2}[-\s]\d{2}\b"),
    re.compile(r"\b\d{4}[-\s]\d{2}\b"),
    re.compile(r"[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}"),
)


def anls(prediction: str, golds: Sequence[str]) -> float:
    """The rule of DocVQA and InfoVQA: likeness to the nearest gold answer, 0 below one half.

    Case and runs of blanks make no edits; yet the length that edits are divided by is that of the texts as they came.
    """
    best = max((_anls_of(prediction, gold) for gold in golds), default=0.0)
    return best if best >= ANLS_FLOOR else 0.0


def _anls_of(prediction: str, gold: str) -> float:
    longest = max(len(prediction), len(gold))
    return 1.0 - Levenshtein.distance(_folded(prediction), _folded(gold)) / longest if longest else 1.0


def _folded(text: str) -> str:
    return " ".join(text.strip().lower().split())


def _likeness(first: str, second: str) -> float:
    return 1.0 - edit_share(first, second)


def edit_share(first: str, second: str) -> float:
    """Edits for each character of the longer text; 0 for two empty ones."""
    longest = max(len(first), len(second))
    return Levenshtein.distance(first, second) / longest if longest else 0.0


def contained(prediction: str, golds: Sequence[str], *, formula: bool = False) -> bool:
    """OCRBench's rule: some gold answer stands in the prediction. Of a formula all blanks go and the case counts."""
    if formula:
        said = prediction.strip().replace("\n", " ").replace(" ", "")
        return any(gold.strip().replace("\n", " ").replace(" ", "") in said for gold in golds)
    said = prediction.lower().strip().replace("\n", " ")
    return any(gold.lower().strip().replace("\n", " ") in said for gold in golds)


def document_text_score(gold: str, prediction: str) -> float:
    """MMLongBench-Doc on strings: cleaned; equality where the answer must be exact, else a graded likeness.

    At one half and below it is 0, unlike in DocVQA.
    """
    gold, prediction = cleaned(gold), cleaned(prediction)
    if must_be_exact(gold):
        return float(gold == prediction)
    return graded(gold, prediction)


def graded(gold: str, prediction: str) -> float:
    likeness = _likeness(gold, prediction)
    return likeness if likeness > ANLS_FLOOR else 0.0


def cleaned(text: str) -> str:
    """MMLongBench-Doc: without brackets and what is in them, one quote at each end, a leading $ and a trailing %."""
    text = re.sub(r"\s*\([^)]*\)", "", text.lower().strip()).strip()
    text = re.sub(r"^['\"]|['\"]$", "", text).strip()
    return text.lstrip("$").strip().rstrip("%").strip()


def must_be_exact(gold: str) -> bool:
    """MMLongBench-Doc: addresses, file names, pages, numbers, times and dates are right or wrong, not near."""
    if "https://" in gold or gold.endswith((".py", "ipynb")) or gold.startswith("page"):
        return True
    return "a.m." in gold or "p.m." in gold or any(pattern.fullmatch(gold) for pattern in _EXACT)
