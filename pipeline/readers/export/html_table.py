"""A table block's HTML as cells with their places, for formats that store tables as grids."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser


@dataclass(frozen=True, slots=True)
class Cell:
    """Rows and columns count from 0; ``row_end`` and ``column_end`` are not included."""

    text: str
    row: int
    column: int
    row_end: int
    column_end: int
    header: bool


@dataclass(frozen=True, slots=True)
class Grid:
    rows: int
    columns: int
    cells: tuple[Cell, ...]


def parse_table(html: str) -> Grid:
    """The cells of one HTML table. Text that stands in no cell is left out; spans are cut at the table's last row."""
    reader = _TableReader()
    reader.feed(html)
    reader.close()
    rows = reader.row + 1
    columns = max((cell.column_end for cell in reader.cells), default=0)
    cells = tuple(
        Cell(cell.text, cell.row, cell.column, min(cell.row_end, rows), cell.column_end, cell.header)
        for cell in reader.cells
    )
    return Grid(rows, columns, cells)


class _TableReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.row = -1
        self.cells: list[Cell] = []
        self._taken: set[tuple[int, int]] = set()
        self._open: tuple[bool, int, int] | None = None  # header, rows and columns spanned
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._close()
            self.row += 1
        elif tag in ("td", "th"):
            self._close()
            self.row = max(self.row, 0)
            given = dict(attrs)
            self._open = (tag == "th", _span(given.get("rowspan")), _span(given.get("colspan")))
        elif tag == "br":
            self._text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._close()

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._text.append(data)

    def _close(self) -> None:
        if self._open is None:
            return
        header, rows, columns = self._open
        column = 0
        while (self.row, column) in self._taken:
            column += 1
        self._taken |= {(self.row + r, column + c) for r in range(rows) for c in range(columns)}
        text = "".join(self._text).strip()
        self.cells.append(Cell(text, self.row, column, self.row + rows, column + columns, header))
        self._open, self._text = None, []


def _span(value: str | None) -> int:
    return min(max(int(value), 1), 1000) if value and value.isdecimal() else 1
