"""Check boxes that are drawn with lines and areas, not written and no fields: each becomes a word beside its label.

A small square counts where words stand beside it, none in it, and no other square at its sides. Squares that are filled
are bullets, signs of a legend or ticked boxes: they count where the page has empty ones of their size, and none of
another shade. A box is ticked where it is filled with ink, or something is drawn over its middle. A page without small
squares costs nothing; one with some, a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pymupdf

from folioscope.pipeline.decode.content import Content
from folioscope.pipeline.decode.opened_pdf import PDF_ERRORS
from folioscope.pipeline.decode.paths import Path
from folioscope.pipeline.decode.words import Bounds, Word, page_words

Colour = tuple[float, ...]

MOST_PATHS = 6000  # drawings of that many lines and areas hold no form
MOST_BOXES = 200
LEAST_SIDE, MOST_SIDE = 5.0, 18.0  # points
_BLACK = (0.0, 0.0, 0.0)
_SQUARE = 0.2  # of the longer side by which the other may be shorter
_LIKE_SIDES = 0.25
_BESIDE = 2.5  # sides of white between a box and its label
_APART = 0.4  # sides of white between two boxes; cells for letters and grids stand closer
_INK, _PAPER = 0.5, 0.85  # brightness
_MARK = 0.35  # of the box's side that a tick is wide or high at the least


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A check box in points of the page as its text has them."""

    bounds: Bounds
    ticked: bool


@dataclass(frozen=True, slots=True)
class _Square:
    bounds: Bounds
    stroked: bool
    fill: Colour | None
    marked: bool = False

    @property
    def side(self) -> float:
        return max(self.bounds[2] - self.bounds[0], self.bounds[3] - self.bounds[1])

    @property
    def filled(self) -> bool:
        return self.fill is not None and _brightness(self.fill) < _INK

    @property
    def empty(self) -> bool:
        return self.stroked and (self.fill is None or _brightness(self.fill) > _PAPER)


def drawn_boxes(page: pymupdf.Page, content: Content, paths: Sequence[Path]) -> list[DrawnBox]:
    """The page's drawn check boxes, among its ``paths``; none where its drawings are damaged."""
    if len(paths) > MOST_PATHS or not any(_is_square(box) for _, box in paths):
        return []
    try:
        squares, others = _drawings(page)
    except PDF_ERRORS:
        return []
    squares = [_with_mark(square, others) for square in _merged(squares)]
    words = page_words(page, content)
    labelled = [square for square in squares if _has_label(square.bounds, words) and _is_alone(square, squares)]
    found = [
        DrawnBox(square.bounds, square.marked or square.filled)
        for square in labelled
        if (square.empty or square.filled) and _among_boxes([other for other in labelled if _alike(square, other)])
    ]
    return found if len(found) <= MOST_BOXES else []


def _among_boxes(alike: Sequence[_Square]) -> bool:
    """True of squares of one size that are boxes to tick: some are empty, the others filled with one colour."""
    fills = {square.fill for square in alike if not square.empty}
    return len(fills) <= 1 and any(square.empty for square in alike)


def _is_square(box: Sequence[float]) -> bool:
    wide, high = box[2] - box[0], box[3] - box[1]
    longer = max(wide, high)
    return min(wide, high) >= LEAST_SIDE and longer <= MOST_SIDE and abs(wide - high) <= _SQUARE * longer


def _drawings(page: pymupdf.Page) -> tuple[list[_Square], list[Bounds]]:
    """Small squares, and the boxes of everything else that is drawn in ink."""
    squares: list[_Square] = []
    others: list[Bounds] = []
    for drawing in page.get_cdrawings():
        if drawing["type"] not in ("f", "s", "fs"):  # clips and groups draw nothing
            continue
        x0, y0, x1, y1 = drawing["rect"]
        box = (float(x0), float(y0), float(x1), float(y1))
        strokes = [item[0] for item in drawing["items"]]
        if _is_square(box) and (strokes[:1] in (["re"], ["qu"]) or (strokes.count("l") >= 3 and "c" not in strokes)):
            squares.append(_Square(box, "s" in drawing["type"], drawing.get("fill"), marked=_crossed(drawing, box)))
        elif _brightness(drawing.get("fill" if drawing["type"] == "f" else "color") or _BLACK) < _INK:
            others.append(box)
    return squares, others


def _brightness(colour: Colour) -> float:
    return sum(colour) / len(colour)


def _crossed(drawing: dict[str, Any], box: Bounds) -> bool:
    """True for a square whose own path goes on through its inside, as a crossed box drawn at one go does."""
    inner = 0
    for item in drawing["items"]:
        if item[0] == "l":
            (ax, ay), (bx, by) = item[1], item[2]
            inner += min(abs(ax - bx), abs(ay - by)) > _MARK * (box[2] - box[0])
    return inner > 0


def _merged(squares: Sequence[_Square]) -> list[_Square]:
    """Squares, those that are filled and outlined in two steps put together."""
    kept: list[_Square] = []
    for square in squares:
        for place, other in enumerate(kept):
            if _same_place(square.bounds, other.bounds):
                fill = square.fill if square.fill is not None else other.fill
                marked = square.marked or other.marked
                kept[place] = _Square(other.bounds, square.stroked or other.stroked, fill, marked=marked)
                break
        else:
            kept.append(square)
    return kept


def _same_place(a: Bounds, b: Bounds) -> bool:
    return all(abs(x - y) <= 0.15 * MOST_SIDE for x, y in zip(a, b, strict=True))


def _with_mark(square: _Square, others: Sequence[Bounds]) -> _Square:
    """The square, marked where something about as large is drawn over its middle."""
    x0, y0, x1, y1 = square.bounds
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    reach = 0.25 * square.side
    for ax0, ay0, ax1, ay1 in others:
        size = max(ax1 - ax0, ay1 - ay0)
        middle = abs((ax0 + ax1) / 2 - x) <= reach and abs((ay0 + ay1) / 2 - y) <= reach
        if middle and _MARK * square.side <= size <= 1.8 * square.side:
            return replace(square, marked=True)
    return square


def _has_label(box: Bounds, words: Sequence[Word]) -> bool:
    """True where words stand beside a box, level with it, and none in it."""
    x0, y0, x1, y1 = box
    side, x, y = max(x1 - x0, y1 - y0), (x0 + x1) / 2, (y0 + y1) / 2
    level = [word for word in words if word.box[1] - 0.3 * side <= y <= word.box[3] + 0.3 * side]
    if any(word.box[0] < x < word.box[2] for word in level):
        return False
    white = (max(word.box[0] - x1, x0 - word.box[2]) for word in level if any(c.isalpha() for c in word.text))
    return any(-0.3 * side <= gap <= _BESIDE * side for gap in white)


def _alike(square: _Square, other: _Square) -> bool:
    return abs(square.side - other.side) <= _LIKE_SIDES * other.side


def _is_alone(square: _Square, squares: Sequence[_Square]) -> bool:
    """False for cells of a row or grid of squares, which stand close side by side or touch one below the other."""
    x0, y0, x1, y1 = square.bounds
    apart = _APART * square.side
    for other in squares:
        beside = max(other.bounds[0] - x1, x0 - other.bounds[2])
        below = max(other.bounds[1] - y1, y0 - other.bounds[3])
        if other is not square and ((beside < apart and below < -1) or (below < 1 and beside < -1)):
            return False
    return True
