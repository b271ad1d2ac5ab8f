"""Cuts a page image into small pictures of one to four printed lines, for a model whose eyes are small.

Lines are bands of ink between white rows; a line too wide is cut at white between words. Pictures are scaled so that
letters have the height the nano model was taught, on white, in whole image tokens. Simple printed pages only: one
column, upright, dark on light. 20 ms a page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from folioscope.model.protocol import Box, RgbImage

CELL = 28  # pixels of one image token
LINE_HEIGHT = 18.0  # pixels from ascender to descender that the letters are scaled to: an x-height of about ten
MOST_WIDTH = 15 * CELL
MOST_LINES = 4
MARGIN = 6  # pixels of white around what is cut
INK = 0.35  # of the way from paper to the darkest: darker is ink
FEWEST_INK = 2  # pixels of ink in a row that belongs to a line
PARAGRAPH_PITCH = 1.4  # times the usual distance of lines: more begins a paragraph

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cut:
    """A small picture and what it shows: lines ``first`` to ``last`` of the page, or a piece of one line."""

    image: RgbImage
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class LinesOfPage:
    """``boxes`` of the lines, from the top; ``paragraphs`` the numbers of lines that begin one."""

    cuts: tuple[Cut, ...]
    boxes: tuple[Box, ...]
    paragraphs: frozenset[int]


NO_LINES = LinesOfPage((), (), frozenset())


def cut_page(image: RgbImage) -> LinesOfPage:
    """A page with no ink gives no cuts."""
    ink = _ink(image)
    rows = _spans(ink.sum(axis=1) >= FEWEST_INK, 0)
    rows = _joined_marks([row for row in rows if row[1] - row[0] >= 3])
    if not rows:
        return NO_LINES
    # Most lines have descenders; those without are less high, at the same size of letters.
    scale = LINE_HEIGHT / float(np.percentile([bottom - top for top, bottom in rows], 80))
    columns = [_extent(ink[top:bottom].any(axis=0)) for top, bottom in rows]
    height, width = ink.shape
    boxes = tuple(
        Box(left / width, top / height, right / width, bottom / height)
        for (top, bottom), (left, right) in zip(rows, columns, strict=True)
    )
    pitches = [below[0] - above[0] for above, below in pairwise(rows)]
    starts = {0} | {n for n, pitch in enumerate(pitches, 1) if pitch > PARAGRAPH_PITCH * float(np.median(pitches))}
    cuts = tuple(_cuts(image, ink, rows, columns, scale, starts))
    return LinesOfPage(cuts, boxes, frozenset(starts))


def _cuts(
    image: RgbImage, ink: NDArray[np.bool_], rows: list[Span], columns: list[Span], scale: float, starts: set[int]
) -> Iterator[Cut]:
    number = 0
    while number < len(rows):
        if (columns[number][1] - columns[number][0]) * scale > MOST_WIDTH - 2 * MARGIN:
            for piece in _pieces(ink[slice(*rows[number])], columns[number], scale):
                yield Cut(_picture(image, rows[number], piece, scale, 1), number, number)
            number += 1
            continue
        last = number
        while last + 1 < len(rows) and _goes_with(rows, columns, number, last + 1, scale, starts):
            last += 1
        across = (min(c[0] for c in columns[number : last + 1]), max(c[1] for c in columns[number : last + 1]))
        yield Cut(_picture(image, (rows[number][0], rows[last][1]), across, scale, last - number + 1), number, last)
        number = last + 1


def _goes_with(rows: list[Span], columns: list[Span], first: int, line: int, scale: float, starts: set[int]) -> bool:
    """Whether a line is shown together with those from ``first``: near, and all of them narrow enough."""
    if line in starts or line - first >= MOST_LINES:
        return False
    left = min(column[0] for column in columns[first : line + 1])
    right = max(column[1] for column in columns[first : line + 1])
    fits = (right - left) * scale <= MOST_WIDTH - 2 * MARGIN
    return fits and (rows[line][1] - rows[first][0]) * scale <= MOST_LINES * CELL - 4


def _pieces(ink: NDArray[np.bool_], columns: Span, scale: float) -> list[Span]:
    """A line in pieces that fit, cut at the widest white near the end of each."""
    room = int((MOST_WIDTH - 2 * MARGIN) / scale)
    gaps = _spans(~ink.any(axis=0), columns[0])
    pieces: list[Span] = []
    start, end = columns
    while end - start > room:
        near = [gap for gap in gaps if start + room // 2 < gap[0] and gap[1] <= start + room]
        cut = max(near, key=lambda gap: (gap[1] - gap[0], gap[0])) if near else (start + room, start + room)
        pieces.append((start, cut[0]))
        start = cut[1]
    return [*pieces, (start, end)]


def _picture(image: RgbImage, rows: Span, columns: Span, scale: float, lines: int) -> RgbImage:
    """The region, scaled, in the middle of a white picture of whole image tokens."""
    region = Image.fromarray(image[slice(*rows), slice(*columns)])
    width, height = max(1, round(region.width * scale)), max(1, round(region.height * scale))
    small = region.resize((width, height), Image.Resampling.LANCZOS)
    sheet_width = -(-(width + 2 * MARGIN) // CELL) * CELL
    sheet_height = max(lines * CELL, -(-(height + 4) // CELL) * CELL)
    sheet = Image.new("RGB", (sheet_width, sheet_height), "white")
    sheet.paste(small, (MARGIN, (sheet_height - height) // 2))
    return np.asarray(sheet)


def _ink(image: RgbImage) -> NDArray[np.bool_]:
    grey = image.mean(axis=2)
    paper, darkest = float(np.median(grey)), float(grey.min())
    if paper - darkest < 40:
        return np.zeros(grey.shape, dtype=bool)
    return np.asarray(grey < paper - INK * (paper - darkest))


def _spans(marked: Any, first: int) -> list[Span]:
    """Runs of True that begin at ``first`` or later."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if a >= first]


def _extent(marked: Any) -> Span:
    places = np.flatnonzero(marked)
    return int(places[0]), int(places[-1]) + 1


def _joined_marks(rows: Sequence[Span]) -> list[Span]:
    """Dots and accents that white parts from their line are given back to it."""
    middle = float(np.median([bottom - top for top, bottom in rows])) if rows else 0.0
    joined: list[Span] = []
    for row in rows:
        small = min(row[1] - row[0], joined[-1][1] - joined[-1][0] if joined else row[1]) < 0.5 * middle
        if joined and small and row[0] - joined[-1][1] < 0.25 * middle:
            joined[-1] = (joined[-1][0], row[1])
        else:
            joined.append(row)
    return joined
