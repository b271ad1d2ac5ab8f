"""Which pages and shots a report draws sharp where it may not draw all: an even share of each file, and of each
document what its answers and key points rest on, then its first pages. Costs nothing beside the drawing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]


def even_shares(counts: Sequence[int], most: int) -> list[int]:
    """How many of each file's pages are taken, ``most`` in all: as many of each as can be, the first files first."""
    left, files, share = most, sum(count > 0 for count in counts), 0
    for count in sorted(count for count in counts if count > 0):
        if (count - share) * files > left:
            break
        left -= (count - share) * files
        share = count
        files -= 1
    more, first = divmod(left, files) if files else (0, 0)
    shares = []
    for count in counts:
        taken = min(count, share + more)
        if count > taken and first:
            taken += 1
            first -= 1
        shares.append(taken)
    return shares


class Share:
    """One file's share, given out while its pages and shots pass in order."""

    def __init__(self, most: int, wanted: Iterable[int]) -> None:
        """``wanted`` come before the others: pages that evidence stands on. Those beyond the share are left out."""
        self._kept = set(list(dict.fromkeys(wanted))[:most])
        self._left = most - len(self._kept)

    def takes(self, number: int) -> bool:
        """Whether this page or shot is drawn."""
        if number in self._kept:
            return True
        self._left -= 1
        return self._left >= 0


def evidence_pages(summary: Row | None, answers: Iterable[Row]) -> list[int]:
    """The pages on which a document's answers and key points rest."""
    holders = [*answers, *((summary or {}).get("key_points") or ())]
    items = [item for holder in holders for item in holder["evidence"] or ()]
    return [item["page_number"] for item in items if item["page_number"] is not None]
