"""The rows of a table with the name of each cell's column: "Dues" over "1,204" tells what the number is.

Reads the HTML of table blocks, spans resolved. Some 20 µs a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from folioscope.model.plain_text import strip_markup

_MOST_NAMES = 4  # rows of column names
_FIGURES = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class NamedCell:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class NamedRow:
    """``text`` is the row as it stands in the page's text; ``cells`` from the left, without empty ones.

    A row of names (``is_head``) has none.
    """

    text: str
    cells: tuple[NamedCell, ...]
    is_head: bool = False


def named_rows(table: str) -> list[NamedRow]:
    """The rows of a table's HTML in order, those of names included; names have no names themselves."""
    parser = _Table()
    parser.feed(table)
    grid = _spread(parser.rows)
    heads = _heads(parser.rows)
    names = [_joined([grid[row].get(column, "") for row in range(heads)]) for column in range(_width(grid))]
    rows = []
    for number, cells in enumerate(parser.rows):
        text = strip_markup(" ".join(cell.text for cell in cells))
        held: list[NamedCell] = []
        for column, value in sorted(grid[number].items()):
            if value and not (held and grid[number].get(column - 1) == value and _spans(cells, value)):
                held.append(NamedCell(names[column] if column else "", value))
        head = number < heads
        rows.append(NamedRow(text, () if head else tuple(held), head))
    return [row for row in rows if row.text]


@dataclass(slots=True)
class _Cell:
    text: str
    rows: int
    columns: int
    head: bool


class _Table(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[_Cell]] = []
        self._open: _Cell | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            known = dict(attrs)
            self._open = _Cell("", _count(known.get("rowspan")), _count(known.get("colspan")), tag == "th")
            self.rows[-1].append(self._open)
        elif self._open is not None and tag not in ("sup", "sub", "b", "i"):
            self._open.text += " "

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._open is not None:
            self._open.text = " ".join(self._open.text.split())
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.text += data


def _count(given: str | None) -> int:
    return min(1000, max(1, int(given))) if given and given.isdigit() else 1


def _spread(rows: list[list[_Cell]]) -> list[dict[int, str]]:
    """The text of each column of each row, a cell that spans several in all of them."""
    grid: list[dict[int, str]] = [{} for _ in rows]
    for number, cells in enumerate(rows):
        column = 0
        for cell in cells:
            while column in grid[number]:
                column += 1
            for row in range(number, min(len(rows), number + cell.rows)):
                for place in range(column, column + cell.columns):
                    grid[row][place] = cell.text
            column += cell.columns
    return grid


def _heads(rows: list[list[_Cell]]) -> int:
    """How many rows at the top are names: heads by their tags, at least the first where it holds no figures."""
    count = 0
    for cells in rows[:_MOST_NAMES]:
        named = bool(cells) and all(cell.head or not cell.text for cell in cells)
        worded = not any(_FIGURES.search(cell.text) for cell in cells[1:]) and sum(bool(c.text) for c in cells) > 1
        spanning = not cells[0].text and any(cell.columns > 1 for cell in cells) if cells else False
        labelled = bool(cells) and cells[0].head and not any(cell.head for cell in cells[1:])
        if labelled or not (named or worded or spanning):
            break
        count += 1
    return min(count, len(rows) - 1) if rows else 0


def _width(grid: list[dict[int, str]]) -> int:
    return max((max(row, default=-1) + 1 for row in grid), default=0)


def _joined(names: list[str]) -> str:
    return " ".join(dict.fromkeys(name for name in names if name))


def _spans(cells: list[_Cell], text: str) -> bool:
    return any(cell.columns > 1 and cell.text == text for cell in cells)
