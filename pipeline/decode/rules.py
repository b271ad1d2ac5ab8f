"""Fast layout: MuPDF's blocks put in order by white space, told apart by bullets, fonts and sizes. Some 2 ms a page.

Tables and forms come out as their words. What is made for plain prose is made here as the layout network would have it:
headings apart from the paragraphs that they stand on, items of lists one by one, listings line by line, captions.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pymupdf

from folioscope.model.flow import mend_flow
from folioscope.model.protocol import Block, Box
from folioscope.model.reading_order import reading_order
from folioscope.pipeline.decode.bidi import is_rtl
from folioscope.pipeline.decode.code import code_text, has_even_width, is_code
from folioscope.pipeline.decode.content import Content
from folioscope.pipeline.decode.lines import block_text, heading_level
from folioscope.pipeline.decode.look import BULLET, TITLE_SIZE, Look
from folioscope.pipeline.decode.words import hull

_ITEM = re.compile(r"\s*[·•▪●◦‣⁃■□○➢➤✓\uf0b7\uf0a7]")
_CAPTION = re.compile(
    r"(?:fig(?:ure|\.)|table|tab\.|abb(?:ildung|\.)|tabelle|tableau|figura|tabla|图|表)\s*\d+(?:\.\d+)*\s*[.:|–—]", re.I
)
_LONGEST_CAPTION = 400  # characters
_LONGEST_HEADING = 200
_HEADING_LINES = 3
_SAME_LISTING = 2.5  # line heights of white inside a listing
_WIDEST_LEADING = 1.5  # line heights of white between two lines of a paragraph
_HANGING = 3.0  # font sizes
_SHORT = 0.15  # of the paragraph's width that a line which another follows may leave

Row = list[dict[str, Any]]  # the lines of a block that stand side by side
Span = dict[str, Any]


def rule_blocks(page: pymupdf.Page, content: Content, respaced: dict[str, str], *, vertical: bool) -> tuple[Block, ...]:
    """The blocks of a page in reading order. ``vertical``: most of it is written from top to bottom."""
    look = Look.of(content.spans)
    blocks = []
    for rows in _paragraphs_whole(list(_listings_whole([_rows(raw) for raw in content.blocks])), look):
        for part in _parts(rows, look):
            block = _block(page, part, look, respaced)
            if block is not None:
                blocks.append(block)
    boxes = [block.bbox for block in blocks if block.bbox is not None]
    if vertical:
        # Columns from the right, each from top to bottom: the lines of the page turned a quarter against the clock.
        order = reading_order([Box(box.y0, 1 - box.x1, box.y1, 1 - box.x0) for box in boxes])
    else:
        order = reading_order(boxes, right_to_left=is_rtl(content.text))
    return mend_flow([blocks[i] for i in order])


def share_box(page: pymupdf.Page, bbox: Any) -> Box:
    """A box in the page's own points as shares of the upright page, cut to it."""
    rect = pymupdf.Rect(bbox) * page.rotation_matrix
    width, height = page.rect.width or 1.0, page.rect.height or 1.0
    x0, x1 = sorted((_unit(rect.x0 / width), _unit(rect.x1 / width)))
    y0, y1 = sorted((_unit(rect.y0 / height), _unit(rect.y1 / height)))
    return Box(x0, y0, x1, y1)


def _unit(value: float) -> float:
    return min(1.0, max(0.0, float(value)))


def _rows(raw: dict[str, Any]) -> list[Row]:
    """The lines of a block; those that follow each other at one height together."""
    rows: list[Row] = []
    for line in raw["lines"]:
        if rows and line["wmode"] == 0 and _level(rows[-1][-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return rows


def _level(line: dict[str, Any], following: dict[str, Any]) -> bool:
    top, bottom = line["bbox"][1], line["bbox"][3]
    return bool(top < (following["bbox"][1] + following["bbox"][3]) / 2 < bottom)


def _listings_whole(blocks: list[list[Row]]) -> Iterator[list[Row]]:
    """Blocks of rows, listings that a blank line parts put together."""
    held: list[Row] = []
    for rows in blocks:
        if held and not (_is_even(held) and _is_even(rows) and _close_below(held[-1], rows[0])):
            yield held
            held = []
        held = held + rows
    if held:
        yield held


def _paragraphs_whole(blocks: list[list[Row]], look: Look) -> Iterator[list[Row]]:
    """Blocks of rows, lines of a paragraph that wide leading parts put together."""
    gaps = [_gap(a, b) for rows in blocks for a, b in pairwise(rows)] + [
        gap for a, b in pairwise(blocks) if 0 < (gap := _gap(a[-1], b[0])) < _WIDEST_LEADING * _height(a[-1])
    ]
    usual = statistics.median(gaps) if gaps else 0.0
    held: list[Row] = []
    for rows in blocks:
        if held and not (_gap(held[-1], rows[0]) <= usual + 1.0 and _runs_on(held, rows, look)):
            yield held
            held = []
        held = held + rows
    if held:
        yield held


def _runs_on(rows: list[Row], following: list[Row], look: Look) -> bool:
    """True where a block's last row is full, and what stands below it looks like its next."""
    last, first = rows[-1], following[0]
    if look.is_title(_spans([last]), "x") or look.is_title(_spans([first]), "x") or BULLET.match(_text(first)):
        return False
    left, right = last[0]["bbox"][0], last[-1]["bbox"][2]
    start, end = first[0]["bbox"][0], max(row[-1]["bbox"][2] for row in following)
    size = last[0]["spans"][0]["size"]
    hangs = len(rows) == 1 and 0 < start - left < _HANGING * size  # as entries of a list of references do
    alike = abs(size - first[0]["spans"][0]["size"]) < 0.1 * size and (hangs or abs(start - left) < size)
    return bool(alike and _gap(last, first) >= -0.5 * size and right >= end - _SHORT * (end - start))


def _gap(row: Row, following: Row) -> float:
    return float(following[0]["bbox"][1] - row[0]["bbox"][3])


def _height(row: Row) -> float:
    return float(row[0]["bbox"][3] - row[0]["bbox"][1])


def _is_even(rows: Sequence[Row]) -> bool:
    return all(has_even_width(span) for span in _spans(rows) if span["text"].strip())


def _close_below(row: Row, following: Row) -> bool:
    return 0 <= _gap(row, following) < _SAME_LISTING * _height(row)


def _parts(rows: list[Row], look: Look) -> Iterator[list[Row]]:
    """A block of rows cut before its bullets, and below a heading that it starts with."""
    cuts = {0, len(rows)}
    cuts |= {i for i, row in enumerate(rows) if _ITEM.match(_text(row))}
    heading = next((i for i, row in enumerate(rows) if not _stands_out(row, look)), len(rows))
    if 0 < heading <= _HEADING_LINES:
        cuts.add(heading)
    for start, end in pairwise(sorted(cuts)):
        yield rows[start:end]


def _stands_out(row: Row, look: Look) -> bool:
    spans = [span for span in _spans([row]) if span["text"].strip()]
    return look.is_title(spans, _text(row))


def _block(page: pymupdf.Page, rows: list[Row], look: Look, respaced: dict[str, str]) -> Block | None:
    box = share_box(page, hull([line["bbox"] for row in rows for line in row]))
    lines = [line["spans"] for row in rows for line in row]
    if is_code([_spans([row]) for row in rows], said=False, page_is_monospaced=look.monospaced):
        return Block("code", code_text([_spans([row]) for row in rows]), box)
    text = block_text(lines, respaced)
    if not text:
        return None
    if BULLET.match(text) and (item := BULLET.sub("", text)):
        return Block("list_item", item, box)
    if len(text) <= _LONGEST_CAPTION and _CAPTION.match(text):
        return Block("caption", text, box)
    if _is_heading(rows, text, look):
        size = max(span["size"] for span in _spans(rows) if span["text"].strip())
        return Block("heading", text, box, level=heading_level(size / look.body))
    return Block("text", text, box)


def _is_heading(rows: list[Row], text: str, look: Look) -> bool:
    """True for short large lines, and for a short line in bold that does not end as a sentence or a label does."""
    sizes = [span["size"] for span in _spans(rows) if span["text"].strip()]
    if not look.body or not any(c.isalpha() for c in text):
        return False
    if len(text) < _LONGEST_HEADING and len(rows) <= _HEADING_LINES and max(sizes) >= TITLE_SIZE * look.body:
        return True
    return len(rows) == 1 and text[-1] not in ".:,;" and _stands_out(rows[0], look)


def _text(row: Row) -> str:
    return "".join(span["text"] for span in _spans([row]))


def _spans(rows: Sequence[Row]) -> list[Span]:
    return [span for row in rows for line in row for span in line["spans"]]
