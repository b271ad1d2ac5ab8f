"""Seams of a found table: white between words that runs down through rows, by which cells and columns are parted.

A cell that spans columns with white between its words at each seam is several cells; a column whose words stand apart
in row after row is two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from folioscope.pipeline.decode.words import Bounds, Word, holds, text_of

Cell = Any  # pymupdf.table's SpanCell: bbox, text, colspan, rowspan, tag
Row = list[Cell]

_SEAM = 0.5  # of a word's height: white at a seam between two cells that were taken for one
_COLUMN_SEAM = 0.9  # the same where no other row tells of the seam
_SEAM_ROWS = 2


def box_of(cell: Cell) -> Bounds:
    x0, y0, x1, y1 = cell.bbox
    return float(x0), float(y0), float(x1), float(y1)


def _seams(rows: Sequence[Row]) -> list[float]:
    """Where columns meet, by the row with most cells."""
    fullest = max(rows, key=len)
    return [float(cell.bbox[0]) for cell in fullest[1:] if cell.bbox is not None]


def split_spans(rows: list[Row], words: Sequence[Word]) -> None:
    """Cells over several columns whose words leave white at every seam, and stand in each of the columns."""
    seams = _seams(rows)
    for row in rows:
        for place in range(len(row) - 1, -1, -1):
            cell = row[place]
            if cell.colspan < 2 or cell.rowspan > 1 or cell.bbox is None:
                continue
            own = [word for word in words if holds(cell.bbox, word.box)]
            inner = [seam for seam in seams if cell.bbox[0] + 1 < seam < cell.bbox[2] - 1]
            if len(inner) != cell.colspan - 1 or not own:
                continue
            edges = [cell.bbox[0], *inner, cell.bbox[2]]
            parts = [
                [word for word in own if left <= (word.box[0] + word.box[2]) / 2 < right]
                for left, right in pairwise(edges)
            ]
            if all(parts) and all(_white(own, seam, _SEAM) for seam in inner):
                boxes = ((left, cell.bbox[1], right, cell.bbox[3]) for left, right in pairwise(edges))
                row[place : place + 1] = [
                    type(cell)(box, text_of(part), 1, 1, cell.tag) for box, part in zip(boxes, parts, strict=True)
                ]


def _white(words: Iterable[Word], x: float, share: float) -> bool:
    """True where no word stands near ``x``: white of a share of their height, on both sides of it together."""
    left = [word.box for word in words if (word.box[0] + word.box[2]) / 2 < x]
    right = [word.box for word in words if (word.box[0] + word.box[2]) / 2 >= x]
    if not left or not right:
        return not any(word.box[0] < x < word.box[2] for word in words)
    height = max(box[3] - box[1] for box in (*left, *right))
    return min(box[0] for box in right) - max(box[2] for box in left) >= share * height


def split_columns(rows: list[Row], words: Sequence[Word]) -> None:
    """Columns in which white runs down between words, in two rows at least, and no word of a row of values crosses it.

    Names over both halves stay one cell over two columns.
    """
    if not rows or any(cell.rowspan > 1 or cell.bbox is None for row in rows for cell in row):
        return
    widths = {sum(cell.colspan for cell in row) for row in rows}
    if len(widths) != 1:
        return
    column = widths.pop() - 1
    while column >= 0:
        seam = seam_of(rows, column, words)
        if seam is None:
            column -= 1
            continue
        for row in rows:
            split_cell(row, column, seam, words)
        column += 1  # the right half may be more than one, too


def split_cell(row: Row, column: int, seam: float, words: Sequence[Word]) -> None:
    """Part the cell that covers a column at a seam; one whose words cross it spans both columns."""
    place = place_of(row, column)
    cell = row[place]
    own = [word for word in words if holds(cell.bbox, word.box)]
    if cell.colspan > 1 or any(word.box[0] < seam < word.box[2] for word in own):
        cell.colspan += 1
        return
    x0, y0, x1, y1 = box_of(cell)
    row[place : place + 1] = [
        type(cell)(box, text_of([word for word in own if holds(box, word.box)]), 1, 1, cell.tag)
        for box in ((x0, y0, seam, y1), (seam, y0, x1, y1))
    ]


def place_of(row: Row, column: int) -> int:
    """The position of the cell that covers a column."""
    reached = 0
    for place, cell in enumerate(row):
        reached += cell.colspan
        if column < reached:
            return place
    raise ValueError(f"the row has {reached} columns, none is number {column}")


def seam_of(rows: Sequence[Row], column: int, words: Sequence[Word]) -> float | None:
    """Where white runs down through a column; names over both its halves may stand across it."""
    cells = [cell for row in rows if (cell := row[place_of(row, column)]).colspan == 1]
    for counted in (cells, [cell for cell in cells if cell.tag != "th"]):
        seam = _column_seam([[word for word in words if holds(cell.bbox, word.box)] for cell in counted])
        if seam is not None:
            return seam
    return None


def _column_seam(rows: Sequence[Sequence[Word]]) -> float | None:
    gaps = []
    for words in rows:
        ordered = sorted(words, key=lambda word: word.box[0])
        reach = float("-inf")
        for word in ordered:
            height = word.box[3] - word.box[1]
            if reach > float("-inf") and word.box[0] - reach >= _COLUMN_SEAM * height:
                gaps.append((reach + word.box[0]) / 2)
            reach = max(reach, word.box[2])
    for seam in gaps:
        parted = [words for words in rows if words and _both_sides(words, seam)]
        signs = any(words and not _both_sides(words, seam) and not _one_side(words, seam) for words in rows)
        clear = not signs and not any(word.box[0] < seam < word.box[2] for words in rows for word in words)
        many = len(parted) >= max(_SEAM_ROWS, sum(bool(words) for words in rows) / 2)
        if clear and many and all(_white(words, seam, _COLUMN_SEAM) for words in parted):
            return seam
    return None


def _one_side(words: Sequence[Word], x: float) -> bool:
    return all(word.box[2] <= x for word in words) or all(word.box[0] >= x for word in words)


def _both_sides(words: Sequence[Word], x: float) -> bool:
    """True where words stand on both sides; a sign alone ($, %, a bracket) belongs to its number."""
    left = "".join(word.text for word in words if word.box[2] <= x)
    right = "".join(word.text for word in words if word.box[0] >= x)
    return any(c.isalnum() for c in left) and any(c.isalnum() for c in right)
