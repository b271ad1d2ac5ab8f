"""Lines and words of a block with boxes, for formats that want them.

Readers give a box for each block. Its lines share the box's height and their words its width, in proportion to their
letters: good enough to highlight a word, not to measure one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from folioscope.model.plain_text import strip_markup
from folioscope.model.protocol import Block, Box

WHOLE_PAGE = Box(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Line:
    words: tuple[Word, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class PixelBox:
    x0: int
    y0: int
    x1: int
    y1: int


def lines_of(block: Block) -> list[Line]:
    """The block's lines, with at least one word each. A table is one line a row."""
    texts = [line for line in map(str.strip, _rows(block)) if line]
    box = block.bbox or WHOLE_PAGE
    height = (box.y1 - box.y0) / max(1, len(texts))
    return [
        _line(text, Box(box.x0, box.y0 + height * number, box.x1, box.y0 + height * (number + 1)))
        for number, text in enumerate(texts)
    ]


def pixels(box: Box, width: int, height: int) -> PixelBox:
    """The box in whole pixels of the page, at least one wide and high."""
    x0, y0 = round(box.x0 * width), round(box.y0 * height)
    return PixelBox(x0, y0, max(x0 + 1, round(box.x1 * width)), max(y0 + 1, round(box.y1 * height)))


def _rows(block: Block) -> list[str]:
    if block.kind == "table":
        return [strip_markup(row) for row in block.text.replace("</tr>", "</tr>\n").split("\n")]
    return block.text.split("\n")


def _line(text: str, box: Box) -> Line:
    return Line(tuple(_words(text.split(), box)), box)


def _words(words: list[str], box: Box) -> Iterator[Word]:
    letters = sum(map(len, words)) + len(words) - 1
    at = 0
    for word in words:
        left, right = at / letters, (at + len(word)) / letters
        width = box.x1 - box.x0
        yield Word(word, Box(box.x0 + left * width, box.y0, box.x0 + right * width, box.y1))
        at += len(word) + 1
