"""Tables in OTSL, as HTML: a grid of cells in reading order, where a cell may say that it belongs to its neighbour.

``<fcel>`` begins a cell with words, ``<ecel>`` an empty one, ``<lcel>`` continues the cell on its left, ``<ucel>`` the
one above, ``<xcel>`` both, ``<nl>`` ends a row (Lysak et al. 2023). Rows may be of different length.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

_TOKEN = re.compile(r"<(fcel|ecel|lcel|ucel|xcel|ched|rhed|srow|nl)>")
_HEADERS = frozenset({"ched", "rhed", "srow"})
Cell = tuple[str, str]  # kind and words


def is_otsl(text: str) -> bool:
    return _TOKEN.search(text) is not None


def to_html(text: str) -> str:
    """The table; words before its first cell are lost to no one: they become a paragraph before it."""
    before, rows = _rows(text)
    lines = [f"<tr>{''.join(_cells(rows, number))}</tr>" for number in range(len(rows))]
    table = f"<table>{''.join(lines)}</table>"
    return f"{before}\n\n{table}" if before else table


def _rows(text: str) -> tuple[str, list[list[Cell]]]:
    parts = _TOKEN.split(text)
    rows: list[list[Cell]] = [[]]
    for kind, words in zip(parts[1::2], parts[2::2], strict=True):
        if kind == "nl":
            rows.append([])
        else:
            rows[-1].append((kind, words.strip()))
    return parts[0].strip(), [row for row in rows if row]


def _cells(rows: Sequence[Sequence[Cell]], number: int) -> list[str]:
    found = []
    for column, (kind, words) in enumerate(rows[number]):
        if kind in ("lcel", "ucel", "xcel"):
            continue
        wide = _run([kind for kind, _ in rows[number][column + 1 :]], "lcel")
        high = _run([row[column][0] for row in rows[number + 1 :] if column < len(row)], "ucel")
        spans = f' colspan="{wide + 1}"' * bool(wide) + f' rowspan="{high + 1}"' * bool(high)
        tag = "th" if kind in _HEADERS else "td"
        found.append(f"<{tag}{spans}>{html.escape(words, quote=False)}</{tag}>")
    return found


def _run(kinds: Sequence[str], kind: str) -> int:
    """How many of the first are of this kind."""
    return next((number for number, other in enumerate(kinds) if other != kind), len(kinds))
