"""Tables of a page as olmOCR-bench sees them: texts in a grid, and for each cell the headings that may stand for it.

The official reading of spans and headings is odd in places (a heading with a column span stands for every column to its
right, too); scores are only comparable if it is kept. Linear in the cells, but for tables with many spanning headings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bs4 import BeautifulSoup, Tag

_RULE = frozenset("- :")
_MOST_SPAN = 1000


@dataclass(slots=True)
class PageTable:
    """``above`` and ``beside``: the headings of a column and of a row, in the order in which they are tried."""

    cells: list[list[str]] = field(default_factory=list)
    heading_rows: set[int] = field(default_factory=set)
    heading_columns: set[int] = field(default_factory=set)
    above: dict[int, list[str]] = field(default_factory=dict)
    beside: dict[int, list[str]] = field(default_factory=dict)


def markdown_tables(text: str) -> Iterator[PageTable]:
    """Runs of two lines or more that hold a ``|``; the first row and the first column are headings."""
    run: list[str] = []
    for line in [*text.strip().split("\n"), ""]:
        if "|" in line:
            run.append(line)
            continue
        if len(run) >= 2 and (rows := _markdown_rows(run)):
            yield _with_plain_headings(_padded(rows))
        run = []


def _markdown_rows(lines: Sequence[str]) -> list[list[str]]:
    rows = []
    for line in lines:
        inner = line.replace("|", "").strip()
        if (inner and _RULE.issuperset(inner)) or (line.strip() and (_RULE | {"|"}).issuperset(line)):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        cells = cells[1:] if cells[0] == "" else cells
        cells = cells[:-1] if cells and cells[-1] == "" else cells
        if cells:
            rows.append(cells)
    return rows


def _padded(rows: Sequence[list[str]]) -> list[list[str]]:
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows]


def _with_plain_headings(cells: list[list[str]]) -> PageTable:
    width = len(cells[0])
    return PageTable(
        cells,
        {0},
        {0} if width else set(),
        {column: [cells[0][column]] for column in range(width)},
        {row: [cells[row][0]] for row in range(1, len(cells))} if width else {},
    )


def html_tables(text: str) -> Iterator[PageTable]:
    for table in BeautifulSoup(text, "html.parser").find_all("table"):
        read = _HtmlTable(table).read()
        if read.cells:
            yield read


class _HtmlTable:
    """Reads one table. Headings are kept with the row in which they were found, so that each is taken once."""

    def __init__(self, table: Tag) -> None:
        self._rows = list(table.find_all("tr"))
        self._table = PageTable()
        self._filled: dict[tuple[int, int], str] = {}  # places taken by a span from above or from the left
        self._wide: dict[str, set[int]] = {}  # spanning headings and the columns they cover
        self._tall: dict[str, set[int]] = {}
        head = table.find("thead")
        if isinstance(head, Tag):
            self._table.heading_rows |= {self._rows.index(row) for row in head.find_all("tr")}

    def read(self) -> PageTable:
        for number, row in enumerate(self._rows):
            self._table.cells.append(self._read_row(number, row))
        self._spread_wide()
        self._spread_tall()
        self._from_columns()
        self._table.cells = _padded(self._table.cells)
        return self._table

    def _read_row(self, number: int, row: Tag) -> list[str]:
        table, cells, column = self._table, [], 0
        if row.find("th"):
            table.heading_rows.add(number)
        for cell in row.find_all(["th", "td"]):
            while (number, column) in self._filled:
                cells.append(self._filled[number, column])
                column += 1
            for broken in cell.find_all("br"):
                broken.replace_with("\n")
            text = cell.get_text().strip()
            tall, wide = _span(cell, "rowspan"), _span(cell, "colspan")
            cells.append(text)
            for down in range(tall):
                for right in range(wide):
                    if down or right:
                        self._filled[number + down, column + right] = "" if right else text
            if cell.name == "th":
                self._note_heading(number, column, text, tall, wide)
            elif tall > 1 and column in table.heading_columns:
                for down in range(number + 1, min(number + tall, len(self._rows))):
                    table.beside.setdefault(down, []).append(text)
            column += wide
        return cells

    def _note_heading(self, row: int, column: int, text: str, tall: int, wide: int) -> None:
        table, columns = self._table, range(column, column + wide)
        table.heading_columns.update(columns)
        table.heading_rows.update(range(row + 1, min(row + tall, len(self._rows))))
        for covered in columns:
            table.above.setdefault(covered, []).append(text)
        if text and wide > 1:
            self._wide.setdefault(text, set()).update(columns)
        if text and tall > 1:
            self._tall.setdefault(text, set()).update(range(row, row + tall))

    def _spread_wide(self) -> None:
        widths = [len(cells) for row, cells in enumerate(self._table.cells) if row not in self._table.heading_rows]
        for text, columns in self._wide.items():
            for column in range(min(columns), max(widths, default=0)):
                _once(self._table.above, column, text)

    def _spread_tall(self) -> None:
        for text, rows in self._tall.items():
            for row in rows:
                if row < len(self._table.cells):
                    _once(self._table.beside, row, text)

    def _from_columns(self) -> None:
        for column in self._table.heading_columns:
            for number, cells in enumerate(self._table.cells):
                if column < len(cells) and cells[column].strip():
                    _once(self._table.beside, number, cells[column])


def _once(headings: dict[int, list[str]], place: int, text: str) -> None:
    held = headings.setdefault(place, [])
    if text not in held:
        held.append(text)


def _span(cell: Tag, name: str) -> int:
    """A span as told; 1 for one that is no number, and never so large that a made-up one fills the memory."""
    told = str(cell.get(name, "1")).strip()
    return min(int(told), _MOST_SPAN) if told.isdecimal() else 1
