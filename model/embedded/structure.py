"""Structure of a page read by OCR: its lines are set on a page drawn anew, which the layout network then looks at.

What the network finds on the drawn page (``drawn_page.py``) are places; the words in them are put in by where they
stood, exactly as the OCR engine gave them, in whatever script. Pages of plain prose need none of it
(``needs_structure``).
"""

from __future__ import annotations

import html
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from folioscope.model.embedded.drawn_page import Cell, Region, find_regions
from folioscope.model.embedded.ocr import Line, Word
from folioscope.model.embedded.paragraphs import join_lines
from folioscope.model.embedded.places import (
    area,
    distance,
    gap,
    height_of,
    inside,
    printed_lines,
    rows_of,
    shares_column,
    spaced,
    union,
)
from folioscope.model.embedded.rulings import Ruling
from folioscope.model.embedded.stacked_rows import unstacked
from folioscope.model.flow import mend_flow
from folioscope.model.protocol import Block, Box

POINTS = 14.5  # height at which an ordinary line is drawn: what the network and the table finder do best with
LARGEST_SIDE = 1400.0  # points
COLUMN_GAP = 2.0  # line heights of white between two lines of a row that are not one printed line
LARGE_HEADING, MIDDLE_HEADING = 1.6, 1.3  # times the body's line height
RUNNING_CHARS = 120
RUNNING_ZONE = 0.12  # of the page's height
_BULLET = re.compile(r"^\s*(?:[*•◦▪●○■□‣·]\s*|-\s+)")  # OCR often loses the blank after it; a number stays
_FOLIO = re.compile(r"\b(?:\d{1,4}|[ivxlc]{2,7}|[IVXLC]{1,7})\b")

_PAGE_NUMBER = re.compile(
    r"^\W*(?:page|seite|p\.)?\s*[\divxlc]{1,6}\W*(?:(?:of|/|von|de)\s*\d{1,5})?\W*$", re.IGNORECASE
)


def needs_structure(lines: Sequence[Line], rulings: Sequence[Ruling], aspect: float) -> bool:
    """False for plain prose: one column, nothing set side by side, no ruled table.

    ``aspect`` is the page's width by its height.
    """
    upright = [line for line in lines if not line.tall]
    if any(not ruling.across for ruling in rulings) and len(rulings) > 3:
        return True
    rows = rows_of(upright)
    broken = sum(any(aspect * gap(a, b) > COLUMN_GAP for a, b in pairwise(row)) for row in rows)
    return broken > 2 or broken > 0.2 * len(rows)


def structured_blocks(
    lines: Sequence[Line], rulings: Sequence[Ruling], width_px: int, height_px: int, *, prose: bool = False
) -> tuple[Block, ...]:
    """The blocks of a page in reading order: headings, lists, captions, tables as HTML, headers and footers.

    On a page of ``prose`` a header may hold more than the page's number.
    """
    upright = [line for line in lines if not line.tall]
    middle = statistics.median(height_of(line) * height_px for line in upright) if upright else 0.0
    if not middle:
        return ()
    scale = min(POINTS / middle, LARGEST_SIDE / max(width_px, height_px))
    regions = find_regions(upright, rulings, (width_px * scale, height_px * scale))
    left = _distribute(lines, regions)
    body = _body_height(regions) or middle / height_px
    blocks = [block for region in _with_left_over(regions, left) if (block := _block(region, body)) is not None]
    return _running_or_not(mend_flow(blocks), _FOLIO if prose else _PAGE_NUMBER)


def _distribute(lines: Sequence[Line], regions: Sequence[Region]) -> list[Line]:
    """Put each line's words where they stand; what stands in no region is returned.

    Neighbouring words of a line that fall into one place stay together as a piece of the line.
    """
    left: list[Line] = []
    for line in lines:
        for place, piece in _pieces(line, regions):
            if place is None:
                left.append(piece)
            else:
                place.append(piece)
    return left


def _pieces(line: Line, regions: Sequence[Region]) -> Iterable[tuple[list[Line] | None, Line]]:
    words = line.words or (Word(line.text, line.place),)
    places = [_place_of(word.box, regions) for word in words]
    if all(place is places[0] for place in places):
        return [(places[0], line)]
    found: list[tuple[list[Line] | None, Line]] = []
    start = 0
    for end in range(1, len(words) + 1):
        if end == len(words) or places[end] is not places[start]:
            part = words[start:end]
            text = spaced([word.text for word in part])
            box = union([word.box for word in part])
            found.append((places[start], Line(text, box, line.confidence, line.tall, box, part)))
            start = end
    return found


def _place_of(box: Box, regions: Sequence[Region]) -> list[Line] | None:
    """Where a word belongs: the cell or region over its middle, the smallest where several are."""
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    over = [region for region in regions if inside(region.box, x, y)]
    if not over:
        return None
    region = min(over, key=lambda region: (region.kind != "table", area(region.box)))
    if not region.cells:
        return region.pieces
    cells = [cell for cell in region.cells if inside(cell.box, x, y)]
    if cells:
        return min(cells, key=lambda cell: area(cell.box)).pieces
    return min(region.cells, key=lambda cell: distance(cell.box, x, y)).pieces


def _with_left_over(regions: list[Region], left: Sequence[Line]) -> list[Region]:
    """The regions, and in their midst those of lines that the network passed over, after what stands above them."""
    ordered = list(regions)
    for line in sorted(left, key=lambda line: line.place.y0):
        above = [
            i
            for i, region in enumerate(ordered)
            if region.box.y0 <= line.place.y0 and shares_column(region.box, line.place)
        ]
        ordered.insert(max(above) + 1 if above else 0, Region("text", line.place, pieces=[line]))
    return ordered


def _block(region: Region, body: float) -> Block | None:
    if region.cells:
        return _table(region)
    if not region.pieces:
        return None
    lines = printed_lines(region.pieces)
    confidence = _confidence(region.pieces)
    box = union([line.box for line in region.pieces])
    text = "\n".join(lines) if region.kind == "code" else join_lines(lines)
    if region.kind == "list_item":
        return Block("list_item", _BULLET.sub("", text), box, confidence)
    if region.kind == "heading":
        ratio = max(height_of(line) for line in region.pieces) / body
        level = 1 if ratio >= LARGE_HEADING else 2 if ratio >= MIDDLE_HEADING else 3
        return Block("heading", text, box, confidence, level)
    return Block(region.kind, text, box, confidence)


def _table(region: Region) -> Block | None:
    pieces = [piece for cell in region.cells for piece in cell.pieces]
    if not pieces:
        return None
    rows: dict[int, list[Cell]] = defaultdict(list)
    for cell in region.cells:
        rows[cell.row].append(cell)
    parts = []
    for row in unstacked([rows[number] for number in range(max(rows) + 1)]):
        cells = "".join(_html_cell(cell) for cell in sorted(row, key=lambda cell: cell.column))
        parts.append(f"<tr>{cells}</tr>")
    return Block("table", f"<table>{''.join(parts)}</table>", region.box, _confidence(pieces))


def _html_cell(cell: Cell) -> str:
    tag = "th" if cell.head else "td"
    spans = "".join(
        f' {name}="{count}"' for name, count in (("rowspan", cell.rows), ("colspan", cell.columns)) if count > 1
    )
    text = "<br/>".join(html.escape(line, quote=False) for line in printed_lines(cell.pieces))
    return f"<{tag}{spans}>{text}</{tag}>"


def _running_or_not(blocks: Sequence[Block], mark: re.Pattern[str]) -> tuple[Block, ...]:
    """A single page cannot show that a line recurs: only what holds a page number stays a header or footer."""
    kept = [
        block
        if block.kind not in ("header", "footer") or _is_running(block, mark)
        else Block("text", block.text, block.bbox, block.confidence)
        for block in blocks
    ]
    if not any(block.text.strip() and block.kind not in ("header", "footer", "picture") for block in kept):
        return tuple(Block("text", block.text, block.bbox, block.confidence) for block in kept)
    return tuple(kept)


def _is_running(block: Block, mark: re.Pattern[str]) -> bool:
    box = block.bbox
    at_edge = box is not None and (box.y1 < RUNNING_ZONE or box.y0 > 1 - RUNNING_ZONE)
    return at_edge and len(block.text) < RUNNING_CHARS and bool(mark.search(block.text))


def _body_height(regions: Iterable[Region]) -> float:
    heights = [
        (height_of(piece), len(piece.text)) for region in regions if region.kind == "text" for piece in region.pieces
    ]
    spread = [height for height, letters in heights for _ in range(letters)]
    return statistics.median(spread) if spread else 0.0


def _confidence(pieces: Sequence[Line]) -> float:
    letters = sum(len(piece.text) for piece in pieces)
    return sum(piece.confidence * len(piece.text) for piece in pieces) / max(1, letters)
