"""The words of a page with their boxes, and words of one place as text again.

Of a page that needed mending they are made of its mended glyphs, some 10 ms; of others they are MuPDF's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pymupdf

from folioscope.pipeline.decode import bidi
from folioscope.pipeline.decode.content import Content

Bounds = tuple[float, float, float, float]

_BLANK = 0.2  # of the font size: white that parts two words


@dataclass(frozen=True, slots=True)
class Word:
    """``glyphs`` are those of a mended page, from left to right; empty elsewhere."""

    box: Bounds
    text: str
    glyphs: tuple[dict[str, Any], ...] = ()

    @property
    def rtl(self) -> bool:
        return bool(self.glyphs) and bidi.RTL_LETTER.search(self.text) is not None


def page_words(page: pymupdf.Page, content: Content) -> list[Word]:
    """The page's words in content order; of a mended page its mended words."""
    if not content.mended:
        flags = pymupdf.TEXTFLAGS_WORDS & ~pymupdf.TEXT_PRESERVE_LIGATURES
        return [Word((w[0], w[1], w[2], w[3]), w[4]) for w in page.get_text("words", flags=flags)]
    return [word for block in content.blocks for line in block["lines"] for word in _words_of(line["spans"])]


def _words_of(spans: Sequence[dict[str, Any]]) -> Iterable[Word]:
    """The words of a line: glyphs between blanks, and between white as wide as one."""
    rtl = any(bidi.RTL_LETTER.search(span["text"]) for span in spans)
    glyphs = [(char, span["size"]) for span in spans for char in span["chars"] if not (rtl and char.get("synthetic"))]
    if rtl:
        glyphs.sort(key=lambda glyph: glyph[0]["bbox"][0])
    run: list[dict[str, Any]] = []
    reach = 0.0
    for char, size in glyphs:
        blank = char["c"].isspace()
        if run and (blank or char["bbox"][0] - reach > _BLANK * size):
            yield _word(run, size)
            run = []
        if not blank:
            reach = max(reach, char["bbox"][2]) if run else char["bbox"][2]
            run.append(char)
    if run:
        yield _word(run, size)


def _word(glyphs: list[dict[str, Any]], size: float) -> Word:
    text = "".join(char["c"] for char in glyphs)
    if bidi.RTL_LETTER.search(text):
        text = bidi.logical_text(glyphs, size, rtl=True)
    boxes = [char["bbox"] for char in glyphs]
    box = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    return Word(box, text, tuple(glyphs))


def text_of(words: Sequence[Word]) -> str:
    """Words as lines, each from the side where it is read."""
    lines: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (word.box[1] + word.box[3]) / 2):
        middle = (word.box[1] + word.box[3]) / 2
        if lines and lines[-1][0].box[1] < middle < lines[-1][0].box[3]:
            lines[-1].append(word)
        else:
            lines.append([word])
    return "\n".join(_line(line) for line in lines)


def _line(words: list[Word]) -> str:
    words.sort(key=lambda word: word.box[0])
    if not any(word.rtl for word in words):
        return " ".join(word.text for word in words)
    height = words[0].box[3] - words[0].box[1]
    glyphs: list[dict[str, Any]] = []
    for word in words:
        if glyphs:
            edge = word.box[0]
            glyphs.append({"c": " ", "bbox": (edge - 0.1 * height, word.box[1], edge, word.box[3])})
        glyphs.extend(word.glyphs)
    return bidi.logical_text(glyphs, height, rtl=bidi.is_rtl("".join(word.text for word in words)))


def holds(bounds: Sequence[float], box: Sequence[float]) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return bool(bounds[0] <= x < bounds[2] and bounds[1] <= y < bounds[3])


def hull(boxes: Sequence[Any]) -> Bounds:
    """The smallest box around boxes."""
    return (
        min(float(box[0]) for box in boxes),
        min(float(box[1]) for box in boxes),
        max(float(box[2]) for box in boxes),
        max(float(box[3]) for box in boxes),
    )
