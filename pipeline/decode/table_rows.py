"""A found table put right row by row: columns of numbers that were taken for one, lines that belong to the row above.

Numbers side by side in row after row are columns of their own. A label's second line joins its first, a unit under a
column's name joins the name, a note below the last row leaves the table, and a table that was folded (the same names
again and again along its head) is unfolded into several. Some milliseconds a table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from folioscope.pipeline.decode.table_grid import is_simple
from folioscope.pipeline.decode.table_seams import Cell, Row, box_of, place_of, split_cell
from folioscope.pipeline.decode.words import Word, holds

_NUMBER = re.compile(r"[$£€]?[-–−+]?[$£€]?\d[\d.,]*%?[*†‡§]*")
_GROUP = re.compile(r"\d{3}")
_ROWS_OF_NUMBERS = 3
_MOST_ROWS = 0.9  # of a column's rows of values that hold as many numbers each
_LEAST_WHITE = 1.0  # points between two columns of numbers
_UNIT = re.compile(r"\([^()\d]{1,20}\)")
_HEAD_ROWS = 6
_NOTE = re.compile(r"(?:notes?|sources?|abbreviations?|key)\b\s*[:.]|[*†‡§]|https?://", re.I)
_INDENT = 2.0  # points
_LEADING = 0.6  # of a line's height: white between two lines of one cell
_LEADERS = re.compile(r"[ \t]*(?:\.[ \t]?){4,}$", re.M)


def split_numbers(rows: list[Row], words: Sequence[Word]) -> None:
    """Columns whose cells hold the same count of numbers, two or more, in row after row: each number gets its own."""
    if not rows or any(cell.rowspan > 1 or cell.bbox is None for row in rows for cell in row):
        return
    widths = {sum(cell.colspan for cell in row) for row in rows}
    if len(widths) != 1:
        return
    for column in range(widths.pop() - 1, -1, -1):
        for seam in reversed(_number_seams(rows, column, words)):
            for row in rows:
                split_cell(row, column, seam, words)


def _number_seams(rows: Sequence[Row], column: int, words: Sequence[Word]) -> list[float]:
    """Where the numbers of a column's cells part; empty where they do not."""
    cells = [cell for row in rows if (cell := row[place_of(row, column)]).colspan == 1]
    held = [sorted((w for w in words if holds(cell.bbox, w.box)), key=lambda w: w.box[0]) for cell in cells]
    numbers = [line for line in held if line and all(_NUMBER.fullmatch(word.text) for word in line)]
    counts = Counter(len(line) for line in numbers)
    usual, often = counts.most_common(1)[0] if counts else (1, 0)
    if usual < 2 or often < _ROWS_OF_NUMBERS or often < _MOST_ROWS * len(numbers):
        return []
    lines = [line for line in numbers if len(line) == usual]
    seams = []
    for place in range(usual - 1):
        reach, start = max(line[place].box[2] for line in lines), min(line[place + 1].box[0] for line in lines)
        if start - reach < _LEAST_WHITE or all(_GROUP.fullmatch(line[place + 1].text) for line in lines):
            return []  # they are not one below the other, or groups of the digits of one number
        seams.append((reach + start) / 2)
    return seams


def without_leaders(text: str) -> str:
    """A cell's text without the dots that lead from it to the next cell."""
    return _LEADERS.sub("", text)


def without_notes(rows: list[Row], words: Sequence[Word]) -> list[Row]:
    """The rows without notes below the last of them: single cells whose words run on under further columns."""
    last = len(rows)
    while last > 2 and _is_note(rows[last - 1], words):
        last -= 1
    return rows[:last]


def _is_note(row: Row, words: Sequence[Word]) -> bool:
    filled = [cell for cell in row if (cell.text or "").strip()]
    if len(filled) != 1 or filled[0] is not row[0] or row[0].bbox is None:
        return False
    if _NOTE.match(row[0].text.strip()):
        return True
    return row[0].colspan > 1 and len(row[0].text) > 60 and row[0].text.rstrip().endswith(".")


def join_labels(rows: list[Row], words: Sequence[Word]) -> list[Row]:
    """The rows, each that holds but the second line of the label above it put into that row.

    Such a line is set in from its first, and the next label is not; names of sections stand out, and what is under them
    is set in as far as they are or farther.
    """
    result: list[Row] = []
    for number, row in enumerate(rows):
        above = result[-1] if result else None
        names = len(result) == 1 and not any(_has_figures(cell.text) for cell in result[0])  # a head has no label
        if above is not None and not names and _is_second_line(above, row, rows[number + 1 : number + 2], words):
            above[0].text = f"{above[0].text}\n{row[0].text}"
            x0, y0, x1, _ = box_of(above[0])
            above[0].bbox = (x0, y0, x1, box_of(row[0])[3])
            continue
        result.append(row)
    return result


def _is_second_line(above: Row, row: Row, following: Sequence[Row], words: Sequence[Word]) -> bool:
    if len(above) < 2 or any(cell.bbox is None or cell.rowspan > 1 for cell in (*above, *row)):
        return False
    if [bool((cell.text or "").strip()) for cell in row] != [True] + [False] * (len(row) - 1):
        return False
    if not (above[0].text or "").strip() or not any((cell.text or "").strip() for cell in above[1:]):
        return False
    first, second = _left_top(above, words), _left_top(row, words)
    if first is None or second is None or second[0] - first[0] < _INDENT:
        return False
    third = _left_top(following[0], words) if following and following[0] and following[0][0].bbox is not None else None
    tight = second[1] - first[2] < _LEADING * (second[2] - second[1])
    return tight and (third is None or third[0] < second[0] - _INDENT)


def _left_top(row: Row, words: Sequence[Word]) -> tuple[float, float, float] | None:
    """(left, top, bottom) of the words of a row's label."""
    own = [word.box for word in words if holds(row[0].bbox, word.box)]
    if not own:
        return None
    return min(box[0] for box in own), min(box[1] for box in own), max(box[3] for box in own)


def join_units(rows: list[Row]) -> None:
    """In the head of a table: a unit in brackets under a name joins it, and so do the rest of a name's words."""
    head = next((i for i, row in enumerate(rows) if i and any(_has_figures(cell.text) for cell in row)), 0)
    for number in range(min(head, _HEAD_ROWS) - 1, 0, -1):
        upper, lower = rows[number - 1], rows[number]
        if not is_simple([upper, lower]):
            continue
        pairs = [(a, b) for a, b in zip(upper, lower, strict=True) if (b.text or "").strip()]
        named = any((a.text or "").strip() for a, _ in pairs)
        if not named or not all(_goes_on(a.text, b.text) for a, b in pairs) or _names_span(upper, lower):
            continue
        for a, b in pairs:
            a.text = f"{a.text}\n{b.text}" if (a.text or "").strip() else b.text
            a.bbox = (*box_of(a)[:3], box_of(b)[3])
        del rows[number]


def _names_span(upper: Row, lower: Row) -> bool:
    """True where a name seems to stand over two columns: beside it is none, and both columns have a name below it."""
    return any(
        (name.text or "").strip()
        and not (none.text or "").strip()
        and all((c.text or " ").strip()[:1].islower() for c in below)
        for (name, none), below in zip(pairwise(upper), pairwise(lower), strict=True)
    )


def _text(cell: Cell) -> str:
    return str(cell.text or "").strip()


def _goes_on(name: str | None, rest: str | None) -> bool:
    """True where a cell under a name is a unit, the rest of it, or all that stands in its column."""
    rest = (rest or "").strip()
    return not (name or "").strip() or _UNIT.fullmatch(rest) is not None or rest[0].islower()


def _has_figures(text: str | None) -> bool:
    return any(c.isdigit() for c in re.sub(r"\([^()]*\)", "", text or ""))


def unfolded(rows: list[Row]) -> list[list[Row]]:
    """The tables of a folded one, from the left; itself where its names do not come again."""
    if len(rows) < 3 or not is_simple(rows):
        return [rows]
    names = [" ".join((cell.text or "").split()) for cell in rows[0]]
    for period in range(2, len(names) // 2 + 1):
        if len(names) % period or not all(names[:period]) or len(set(names[:period])) < period:
            continue
        if all(names[i] == names[i % period] for i in range(len(names))):
            starts = range(0, len(names) + 1, period)
            return [_filled([row[start:end] for row in rows]) for start, end in pairwise(starts)]
    return [rows]


def _filled(rows: list[Row]) -> list[Row]:
    """Rows without empty ones at the end: the last part of a folded table is often shorter."""
    last = len(rows)
    while last > 1 and not any((cell.text or "").strip() for cell in rows[last - 1]):
        last -= 1
    return rows[:last]
