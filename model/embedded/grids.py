"""Tables on a screen: short lines that stand in rows and columns become one HTML table, so that a row stays together.

A grid is three rows or more of at least two cells each, whose cells stand under one another. What is no grid is left as
it was. Microseconds.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from folioscope.model.embedded.ocr import Line
from folioscope.model.protocol import Block, Box

FEWEST_ROWS = 3
LONGEST_CELL = 40  # characters; longer lines are columns of prose
ROW_OVERLAP = 0.5  # of the lower line's height


def split_grid(lines: Sequence[Line]) -> tuple[Block | None, list[Line]]:
    """(a table of the lines that form a grid, the other lines)."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.box.y0):
        if rows and _side_by_side(rows[-1][0].box, line.box):
            rows[-1].append(line)
        else:
            rows.append([line])
    grid: list[list[Line]] = []
    for row in rows:
        row.sort(key=lambda line: line.box.x0)
        if grid and not _under(grid[-1], row) and len(grid) < FEWEST_ROWS:
            grid = []
        if _cells(row) and (not grid or _under(grid[-1], row)):
            grid.append(row)
    if len(grid) < FEWEST_ROWS:
        return None, list(lines)
    used = {id(line) for row in grid for line in row}
    return _table(grid), [line for line in lines if id(line) not in used]


def _side_by_side(a: Box, b: Box) -> bool:
    shared = min(a.y1, b.y1) - max(a.y0, b.y0)
    return shared > ROW_OVERLAP * min(a.y1 - a.y0, b.y1 - b.y0)


def _cells(row: Sequence[Line]) -> bool:
    return len(row) >= 2 and all(len(line.text) <= LONGEST_CELL for line in row)


def _under(above: Sequence[Line], row: Sequence[Line]) -> bool:
    """As many cells, each under the one above it."""
    return len(above) == len(row) and all(
        min(a.box.x1, b.box.x1) > max(a.box.x0, b.box.x0) for a, b in zip(above, row, strict=True)
    )


def _table(grid: Sequence[Sequence[Line]]) -> Block:
    rows = ("".join(f"<td>{html.escape(line.text, quote=False)}</td>" for line in row) for row in grid)
    lines = [line for row in grid for line in row]
    box = Box(
        min(line.box.x0 for line in lines),
        min(line.box.y0 for line in lines),
        max(line.box.x1 for line in lines),
        max(line.box.y1 for line in lines),
    )
    letters = sum(len(line.text) for line in lines)
    confidence = sum(line.confidence * len(line.text) for line in lines) / letters
    return Block("table", f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>", box, confidence)
