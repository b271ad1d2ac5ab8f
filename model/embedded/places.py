"""Where lines and boxes of a scan stand to each other, and printed lines put together again. Plain computation."""

from __future__ import annotations

from collections.abc import Sequence

from folioscope.model.embedded.ocr import Line
from folioscope.model.protocol import Box

SAME_ROW = 0.5


def spaced(texts: Sequence[str]) -> str:
    """Words side by side, with a blank between them unless both are ideographs."""
    line = ""
    for text in texts:
        close = line and text and is_ideograph(line[-1]) and is_ideograph(text[0])
        line = f"{line}{text}" if close or not line else f"{line} {text}"
    return line


def is_ideograph(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef"


def gap(a: Line, b: Line) -> float:
    """White between two lines of a row in line heights, of a square page."""
    return (b.place.x0 - a.place.x1) / max(1e-9, min(height_of(a), height_of(b)))


def height_of(line: Line) -> float:
    return line.place.y1 - line.place.y0


def overlap(a: Box, b: Box) -> float:
    return (min(a.y1, b.y1) - max(a.y0, b.y0)) / max(1e-9, min(a.y1 - a.y0, b.y1 - b.y0))


def shares_column(a: Box, b: Box) -> bool:
    return min(a.x1, b.x1) > max(a.x0, b.x0)


def inside(box: Box, x: float, y: float) -> bool:
    return box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1


def distance(box: Box, x: float, y: float) -> float:
    return max(box.x0 - x, 0.0, x - box.x1) + max(box.y0 - y, 0.0, y - box.y1)


def area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def union(boxes: Sequence[Box]) -> Box:
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )


def rows_of(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines that stand side by side, together; from the top, each row from the left."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (line.place.y0 + line.place.y1) / 2):
        if rows and overlap(rows[-1][-1].place, line.place) > SAME_ROW:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.place.x0) for row in rows]


def printed_lines(pieces: Sequence[Line]) -> list[str]:
    """The printed lines of a place, from top to bottom, the pieces of each from left to right."""
    return [spaced([piece.text for piece in row]) for row in rows_of(pieces)]
