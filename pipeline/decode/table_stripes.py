"""Tables whose rows are told apart by stripes of colour: what one stripe holds is one row, however many lines it has.

A table finder makes rows of lines of words, so a cell of two lines becomes two rows. Where stripes of one width
alternate with white below each other, and each holds one line that fills most columns, its lines are one row. The white
between stripes holds a row, too. Costs a look at what is drawn on pages that have tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import pymupdf

from folioscope.pipeline.decode.table_grid import is_simple
from folioscope.pipeline.decode.table_seams import Cell, Row, box_of
from folioscope.pipeline.decode.words import Bounds, Word, holds, hull, text_of

_FEWEST = 3  # stripes
_LEAST_HEIGHT, _MOST_HEIGHT = 5.0, 90.0  # points
_LEAST_WIDTH = 100.0
_SAME_EDGE = 3.0
_WIDE = 0.8  # of the table's width
_ONCE = 0.5  # of the filled columns that one line of a row fills alone

Stripe = tuple[float, float]  # top and bottom


def stripes_of(page: pymupdf.Page) -> list[tuple[Bounds, list[Stripe]]]:
    """Areas of stripes that lie one below the other with white between them, and their tops and bottoms in order."""
    columns: defaultdict[tuple[int, int], set[Stripe]] = defaultdict(set)
    for drawing in page.get_cdrawings():
        x0, y0, x1, y1 = drawing["rect"]
        fill = drawing.get("fill")
        high = _LEAST_HEIGHT <= y1 - y0 <= _MOST_HEIGHT
        if fill is not None and min(fill) < 1.0 and high and x1 - x0 >= _LEAST_WIDTH:
            columns[round(x0 / _SAME_EDGE), round(x1 / _SAME_EDGE)].add((y0, y1))
    found = []
    for (left, right), places in columns.items():
        stripes = sorted(places)
        if len(stripes) >= _FEWEST and all(b[0] - a[1] >= _LEAST_HEIGHT for a, b in pairwise(stripes)):
            bounds = (left * _SAME_EDGE, stripes[0][0], right * _SAME_EDGE, stripes[-1][1])
            found.append((bounds, stripes))
    return found


def joined_by_stripes(
    rows: list[Row], words: Sequence[Word], found: Sequence[tuple[Bounds, list[Stripe]]]
) -> list[Row]:
    """The rows, lines of one stripe put together; as they are where no stripes tell of rows."""
    stripes = next((stripes for bounds, stripes in found if _covers(bounds, rows)), None)
    if stripes is None:
        return rows
    bands = sorted([*stripes, *((a[1], b[0]) for a, b in pairwise(stripes))])
    groups = [_within(rows, band) for band in bands]
    several = [group for group in groups if len(group) > 1]
    if not several or not all(_is_one_row(group) for group in several):
        return rows
    if all(_filled(group[-1][0]) and not _filled(group[0][0]) for group in several):  # set at the foot of their row
        _take_down_first(rows, words, stripes[0][0])
    merged = {id(row) for group in several for row in group[1:]}
    for group in several:
        _merge(group)
    return [row for row in rows if id(row) not in merged]


def _covers(bounds: Bounds, rows: Sequence[Row]) -> bool:
    boxes = [box_of(cell) for row in rows for cell in row if cell.bbox is not None]
    if not boxes:
        return False
    x0, y0, x1, y1 = hull(boxes)
    wide = min(x1, bounds[2]) - max(x0, bounds[0]) >= _WIDE * (x1 - x0)
    return wide and y0 <= bounds[1] + _SAME_EDGE and bounds[3] <= y1 + _SAME_EDGE


def _within(rows: Sequence[Row], band: Stripe) -> list[Row]:
    """The rows whose middle lies in a band."""
    found = []
    for row in rows:
        boxes = [box_of(cell) for cell in row if cell.bbox is not None]
        if boxes and band[0] <= (min(b[1] for b in boxes) + max(b[3] for b in boxes)) / 2 < band[1]:
            found.append(row)
    return found


def _is_one_row(group: Sequence[Row]) -> bool:
    """True of lines of which one fills most of the columns that are filled at all, and alone the first."""
    if not is_simple(list(group)):
        return False
    filled = [sum(_filled(cell) for cell in column) for column in zip(*group, strict=True)]
    return filled[0] == 1 and sum(count == 1 for count in filled) > _ONCE * sum(count > 0 for count in filled)


def _filled(cell: Cell) -> bool:
    return bool((cell.text or "").strip())


def _merge(group: Sequence[Row]) -> None:
    """Put the lines of a row into the first of them."""
    for column in zip(*group, strict=True):
        column[0].text = "\n".join(cell.text.strip() for cell in column if _filled(cell))
        column[0].bbox = hull([box_of(cell) for cell in column])


def _take_down_first(rows: Sequence[Row], words: Sequence[Word], top: float) -> None:
    """The row above the first stripe: lines of it that were taken for names' are its own, since they stand below them.

    ``top``: of the first stripe.
    """
    above = [row for row in rows if all(cell.bbox is None or box_of(cell)[3] <= top + _SAME_EDGE for cell in row)]
    if len(above) < 2 or not is_simple(above[-2:]) or not any(c.isdigit() for c in above[-1][0].text or ""):
        return
    names, first = above[-2:]
    ends = [word.box[3] for word in words if holds(names[0].bbox, word.box)]
    if not ends:
        return
    for name, cell in zip(names, first, strict=True):
        own = [word for word in words if holds(name.bbox, word.box)]
        below = [word for word in own if word.box[1] >= max(ends) - _SAME_EDGE]
        if below and len(below) < len(own):
            name.text = text_of([word for word in own if word not in below])
            cell.text = "\n".join(part for part in (text_of(below), (cell.text or "").strip()) if part)
