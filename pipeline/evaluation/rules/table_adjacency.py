"""Adjacency relations of table cells: the measure of the table competition of ICDAR 2013 (Göbel et al.).

Each cell that holds text is paired with its next one to the right and its next one below, cells without text passed
over. A pair is right where both texts, blanks and dots that lead to the next cell left out, and the direction are the
same. Counts add up over documents.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

Relations = Counter[tuple[str, str, Literal["right", "down"]]]
_MOST_SPAN = 1000
_LEADERS = re.compile(r"[.…]{4,}$")
_SAME = str.maketrans({"–": "-", "—": "-", "−": "-", "’": "'", "‘": "'", "“": '"', "”": '"'})


@dataclass(frozen=True, slots=True)
class Cell:
    """Rows and columns from the first to the last that it covers, and its text."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int
    text: str


@dataclass(slots=True)
class Score:
    """Counts of relations: those there are, those found, those found that are right."""

    true: int = 0
    found: int = 0
    right: int = 0

    def add(self, truth: Relations, found: Relations) -> None:
        self.true += truth.total()
        self.found += found.total()
        self.right += (truth & found).total()

    def __iadd__(self, other: Score) -> Score:
        self.true += other.true
        self.found += other.found
        self.right += other.right
        return self

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, self.true + self.found)


def relations(cells: Iterable[Cell]) -> Relations:
    """The pairs of neighbouring cells of one table."""
    held = [(cell, bare) for cell in cells if (bare := _bare(cell.text))]
    at = {
        (row, column): number
        for number, (cell, _) in enumerate(held)
        for row in range(cell.first_row, cell.last_row + 1)
        for column in range(cell.first_column, cell.last_column + 1)
    }
    rows = max((row for row, _ in at), default=-1) + 1
    columns = max((column for _, column in at), default=-1) + 1
    pairs: set[tuple[int, int, Literal["right", "down"]]] = set()
    for (row, column), number in at.items():
        right = next((at[row, c] for c in range(column + 1, columns) if (row, c) in at), number)
        down = next((at[r, column] for r in range(row + 1, rows) if (r, column) in at), number)
        if right != number:
            pairs.add((number, right, "right"))
        if down != number:
            pairs.add((number, down, "down"))
    return Counter((held[one][1], held[other][1], direction) for one, other, direction in pairs)


def _bare(text: str) -> str:
    return _LEADERS.sub("", re.sub(r"\s+", "", text)).translate(_SAME)


def cells_of_html(table: str) -> list[Cell]:
    """The cells of an HTML table, their spans resolved."""
    parser = _Rows()
    parser.feed(table)
    taken: set[tuple[int, int]] = set()
    cells = []
    for row, found in enumerate(parser.rows):
        column = 0
        for rows, columns, text in found:
            while (row, column) in taken:
                column += 1
            taken.update((row + down, column + right) for down in range(rows) for right in range(columns))
            cells.append(Cell(row, row + rows - 1, column, column + columns - 1, text))
            column += columns
    return cells


class _Rows(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[int, int, str]]] = []
        self._open: tuple[int, int] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            known = dict(attrs)
            self._open, self._text = (_span(known.get("rowspan")), _span(known.get("colspan"))), ""
        elif tag == "br":
            self._text += " "

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._open is not None:
            if not self.rows:
                self.rows.append([])
            self.rows[-1].append((*self._open, self._text))
            self._open = None

    def handle_data(self, data: str) -> None:
        self._text += data


def _span(told: str | None) -> int:
    return min(int(told), _MOST_SPAN) if told and told.strip().isdecimal() else 1


def truths_by_page(folder: Path, pdf: Path) -> list[dict[int, Relations]]:
    """The relations of the tables on each page of a PDF, from the ``-str.xml`` file beside it.

    Of a document that can be understood in two ways there are two files (``a`` and ``b``); the one that a reading
    comes nearer to counts.
    """
    stem = pdf.stem
    names = [stem, f"{stem[:-1]}b"] if stem.endswith("a") else [stem]
    truths = []
    for path in (folder / f"{name}-str.xml" for name in names):
        if path.is_file():
            pages: dict[int, Relations] = {}
            for region in ET.fromstring(path.read_bytes()).iter("region"):
                number = int(region.get("page") or 0)
                pages[number] = pages.get(number, Counter()) + relations(map(_cell, region.iter("cell")))
            truths.append(pages)
    return truths or [{}]


def nearest(truths: list[dict[int, Relations]], found: dict[int, Relations]) -> Score:
    """The counts of a document's pages against the truth that they come nearest to."""
    scores = []
    for truth in truths:
        score = Score()
        for number in truth.keys() | found.keys():
            score.add(truth.get(number, Counter()), found.get(number, Counter()))
        scores.append(score)
    return max(scores, key=lambda score: score.f1)


def _cell(element: ET.Element) -> Cell:
    row, column = int(element.get("start-row") or 0), int(element.get("start-col") or 0)
    text = "".join(part.text or "" for part in element.iter("content"))
    return Cell(row, int(element.get("end-row") or row), column, int(element.get("end-col") or column), text)
