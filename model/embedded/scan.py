"""From a scanned page's lines to its blocks: prose by rules, anything else by the layout network.

Plain prose in one column takes a millisecond; columns, forms and tables take a second (``structure``).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from folioscope.model.embedded.grids import split_grid
from folioscope.model.embedded.ocr import Line
from folioscope.model.embedded.paragraphs import running_head, to_blocks
from folioscope.model.embedded.rulings import find_rulings
from folioscope.model.embedded.structure import needs_structure, structured_blocks
from folioscope.model.protocol import Block, RgbImage

FILLED = 0.6  # of a row's length is white in a table without rulings; columns of prose fill theirs
MIN_COLUMNS = 3
LONG_LINE = 35  # characters
MANY_LINES = 12


def page_blocks(image: RgbImage, lines: Sequence[Line]) -> tuple[Block, ...]:
    """The blocks of a page, in reading order, from its picture and its recognised lines."""
    if not lines:
        return ()
    height, width = image.shape[:2]
    rulings = find_rulings(image, lines[0].lean, [line.place for line in lines])
    prose = _is_prose(lines)
    if not needs_structure(lines, rulings, width / height):
        return to_blocks(lines, running_heads=prose)
    head, body = running_head(lines, statistics.median(_height(line) for line in lines)) if prose else ([], list(lines))
    blocks = structured_blocks(body, rulings, width, height, prose=prose)
    if not any(block.kind == "table" for block in blocks):
        table, others = split_grid(body)
        if table is not None and _is_table(table, body, others):
            rest = to_blocks(others, running_heads=False)
            blocks = tuple(sorted((table, *rest), key=lambda block: block.bbox.y0 if block.bbox else 0.0))
    return (*(Block("header", line.text, line.box, line.confidence) for line in head), *blocks)


def _is_prose(lines: Sequence[Line]) -> bool:
    """A page of a book or report: only on such does a line at the top with a number in it pass for a running head."""
    return sum(len(line.text) >= LONG_LINE for line in lines) >= MANY_LINES


def _height(line: Line) -> float:
    return line.box.y1 - line.box.y0


def _is_table(table: Block, lines: Sequence[Line], others: Sequence[Line]) -> bool:
    """Cells with white between them, not the columns of a newspaper."""
    cells = [line for line in lines if line not in others]
    rows = table.text.count("<tr>")
    assert table.bbox is not None
    across = table.bbox.x1 - table.bbox.x0
    inked = sum(line.place.x1 - line.place.x0 for line in cells) / max(1, rows)
    return len(cells) >= MIN_COLUMNS * rows and inked < FILLED * across
