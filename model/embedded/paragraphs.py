"""From recognised lines to blocks: columns in turn, lines gathered to paragraphs, large lines taken for headings."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from itertools import pairwise

from folioscope.model.embedded.ocr import Line
from folioscope.model.flow import mend_flow
from folioscope.model.protocol import Block, BlockKind, Box
from folioscope.model.reading_order import reading_order

SAME_PARAGRAPH_GAP = 0.8  # of the line height
SAME_LINE_OVERLAP = 0.5
HEADING_HEIGHT = 1.45  # times the page's middle line height
HEAD_ZONE = 0.22  # of the page's height: a scan has margins of its own
HEAD_GAP = 0.5  # of the line height
HEAD_CHARS = 80
HEAD_SPREAD = 0.08  # of the page's width
_FOLIO = re.compile(r"\b(?:\d{1,4}|[ivxlc]{2,7}|[IVXLC]{1,7})\b")
_BULLET = re.compile(r"^\s*(?:[-*•◦▪●○■□‣·]|\(?\d{1,2}[.)])\s+")


def to_blocks(lines: Sequence[Line], middle: float | None = None, *, running_heads: bool = True) -> tuple[Block, ...]:
    """Blocks in reading order, with the lines' mean confidence.

    ``middle`` is the height of an ordinary line where others than these tell it. Pages have running heads, videos none.
    """
    if not lines:
        return ()
    middle = middle or statistics.median(_height(line) for line in lines)
    head, lines = running_head(lines, middle) if running_heads else ([], list(lines))
    ordered = [lines[i] for i in reading_order([line.box for line in lines])]
    groups: list[list[Line]] = []
    for line in _side_by_side(ordered):
        if groups and _continues(groups[-1], line):
            groups[-1].append(line)
        else:
            groups.append([line])
    blocks = mend_flow([_block(group, middle) for group in groups])
    return (*(Block("header", line.text, line.box, line.confidence) for line in head), *blocks)


def running_head(lines: Sequence[Line], middle: float) -> tuple[list[Line], list[Line]]:
    """(running head, other lines): one printed line across the top with a number in it, set apart.

    Apart means white below it, or pieces at the edges of the page with white between them.
    """
    top = min(lines, key=lambda line: line.box.y0)
    row = sorted(
        (line for line in lines if _overlap(top.box, line.box) > SAME_LINE_OVERLAP), key=lambda line: line.box.x0
    )
    rest = [line for line in lines if line not in row]
    text = " ".join(line.text for line in row)
    foot = max(line.box.y1 for line in row)
    apart = bool(rest) and min(line.box.y0 for line in rest) - foot > HEAD_GAP * middle
    spread = any(right.box.x0 - left.box.x1 > HEAD_SPREAD for left, right in pairwise(row))
    if foot < HEAD_ZONE and len(text) < HEAD_CHARS and (apart or spread) and _FOLIO.search(text):
        return row, rest
    return [], list(lines)


def _height(line: Line) -> float:
    return line.box.y1 - line.box.y0


def _side_by_side(lines: list[Line]) -> list[Line]:
    """Pieces of one printed line, found apart, put together from left to right."""
    joined: list[Line] = []
    for line in lines:
        last = joined[-1] if joined else None
        if last is not None and _overlap(last.box, line.box) > SAME_LINE_OVERLAP and line.box.x0 >= last.box.x0:
            gap = line.box.x0 - last.box.x1
            if gap < 2 * _height(last):
                confidence = (last.confidence * len(last.text) + line.confidence * len(line.text)) / max(
                    1, len(last.text) + len(line.text)
                )
                joined[-1] = Line(f"{last.text} {line.text}", _union([last.box, line.box]), confidence, last.tall)
                continue
        joined.append(line)
    return joined


def _overlap(a: Box, b: Box) -> float:
    """Share of the lower box's height at which both stand side by side."""
    shared = min(a.y1, b.y1) - max(a.y0, b.y0)
    return shared / max(1e-9, min(a.y1 - a.y0, b.y1 - b.y0))


def _continues(group: list[Line], line: Line) -> bool:
    last = group[-1]
    height = min(_height(last), _height(line))
    gap = line.box.y0 - last.box.y1
    alike = max(_height(last), _height(line)) < 1.35 * height
    overlaps = min(last.box.x1, line.box.x1) > max(last.box.x0, line.box.x0)
    return alike and overlaps and -0.7 * height < gap < SAME_PARAGRAPH_GAP * height and not _BULLET.match(line.text)


def _block(group: list[Line], middle: float) -> Block:
    text = join_lines([line.text for line in group])
    box = _union([line.box for line in group])
    letters = sum(len(line.text) for line in group)
    confidence = sum(line.confidence * len(line.text) for line in group) / max(1, letters)
    kind: BlockKind = "text"
    level = 0
    tall = statistics.median(_height(line) for line in group) / middle
    if tall >= HEADING_HEIGHT and len(group) <= 3 and len(text) < 120 and any(c.isalpha() for c in text):
        kind, level = "heading", 1 if tall >= 2 else 2
    elif _BULLET.match(text) and not text[0].isdigit():
        kind, text = "list_item", _BULLET.sub("", text)
    return Block(kind, text, box, confidence, level)


def join_lines(lines: list[str]) -> str:
    text = ""
    for line in lines:
        if text.endswith("-") and line[:1].islower() and text[-2:-1].isalpha():
            text = text[:-1] + line
        else:
            text = f"{text} {line}" if text else line
    return text


def _union(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )
