"""Rows of a scanned table that were taken for one, since only every few rows a line is ruled: each gets its own cells.

What tells them apart are figures, one below the other, in more columns than one. A label's second line without figures
of its own stays with the row that it goes on into. Costs nothing to speak of.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import replace

from folioscope.model.embedded.drawn_page import Cell
from folioscope.model.embedded.ocr import Line
from folioscope.model.embedded.places import height_of, union

FIGURE = re.compile(r"[*+<>±]*[-–—(]?[$€£]?\d[\d.,]*[%)]?[*†‡a-z]?|\(?[xX]\)|[-–—*]+")
COLUMNS = 2  # that must hold figures one below the other
_SAME_LINE = 0.6  # of a line's height: how far apart two pieces of one line may stand


def unstacked(rows: Sequence[list[Cell]]) -> list[list[Cell]]:
    """The rows of a table from the top, those parted that hold several."""
    covered = {cell.row + below for row in rows for cell in row for below in range(cell.rows) if cell.rows > 1}
    found: list[list[Cell]] = []
    for number, row in enumerate(rows):
        simple = number not in covered and len(row) > COLUMNS and not any(c.head or c.columns > 1 for c in row)
        found.extend(_parted(sorted(row, key=lambda cell: cell.column)) if simple else [row])
    return found


def _parted(row: list[Cell]) -> list[list[Cell]]:
    levels = _levels([piece for cell in row for piece in cell.pieces])
    if len(levels) < 2:
        return [row]
    lines = [
        [[piece for piece in cell.pieces if _level(piece, levels) == i] for cell in row] for i in range(len(levels))
    ]
    with_figures = [i for i, line in enumerate(lines) if _has_figures(line)]
    if len(with_figures) < 2:
        return [row]
    held = [sum(bool(lines[i][column]) for i in with_figures) for column in range(1, len(row))]
    if sum(count >= 2 for count in held) < COLUMNS or any(_is_prose(lines, column) for column in range(1, len(row))):
        return [row]
    return [
        [_cell(cell, pieces) for cell, pieces in zip(row, line, strict=True)] for line in _joined(lines, with_figures)
    ]


def _levels(pieces: Sequence[Line]) -> list[float]:
    """Where the lines of a row stand, from the top."""
    if not pieces:
        return []
    apart = _SAME_LINE * statistics.median(height_of(piece) for piece in pieces)
    levels: list[list[float]] = []
    for middle in sorted(_middle(piece) for piece in pieces):
        if levels and middle - levels[-1][0] < apart:
            levels[-1].append(middle)
        else:
            levels.append([middle])
    return [statistics.fmean(level) for level in levels]


def _level(piece: Line, levels: Sequence[float]) -> int:
    return min(range(len(levels)), key=lambda i: abs(levels[i] - _middle(piece)))


def _middle(piece: Line) -> float:
    return (piece.place.y0 + piece.place.y1) / 2


def _has_figures(line: Sequence[Sequence[Line]]) -> bool:
    cells = [" ".join(piece.text.strip() for piece in pieces) for pieces in line[1:] if pieces]
    return len(cells) >= COLUMNS and sum(FIGURE.fullmatch(text) is not None for text in cells) > len(cells) / 2


def _is_prose(lines: Sequence[Sequence[Sequence[Line]]], column: int) -> bool:
    """True for a column of running words, whose lines belong together."""
    texts = [" ".join(piece.text for piece in line[column]) for line in lines if line[column]]
    return len(texts) > 1 and sum(len(text) > 12 and FIGURE.fullmatch(text) is None for text in texts) > len(texts) / 2


def _joined(lines: Sequence[list[list[Line]]], with_figures: Sequence[int]) -> list[list[list[Line]]]:
    """The lines as rows: one without figures goes on into the next where that begins with a small letter."""
    found: list[list[list[Line]]] = []
    held: list[list[Line]] | None = None
    for number, line in enumerate(lines):
        whole = [[*a, *b] for a, b in zip(held, line, strict=True)] if held else line
        label = line[0][0].text.lstrip()[:1] if line[0] else ""
        if held and not label.islower():
            found.append(held)
            whole = line
        held = None
        if number in with_figures:
            found.append(whole)
        else:
            held = whole
    return [*found, held] if held else found


def _cell(cell: Cell, pieces: list[Line]) -> Cell:
    box = union([piece.box for piece in pieces]) if pieces else cell.box
    return replace(cell, box=box, pieces=pieces)
