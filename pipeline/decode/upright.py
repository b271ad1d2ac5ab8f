"""Lines whose glyphs were placed one by one: upright lines in a font for vertical writing, and letter-spaced words.

Both come out of MuPDF as single letters with blanks between them. Here the letters of a line are put together again,
and parted into words where the white is wider than that between letters.
"""

from __future__ import annotations

import re
import statistics
from itertools import pairwise
from typing import Any

_MOST = 0.6  # of the steps from glyph to glyph
_SAME_ROW = 0.4  # of the font size
_LYING = (0.8, 0.7)  # of the font size: how far a glyph on its side is seen from its box, to the left and down
_PITCH = 2.2  # of the font size: how far apart the lines of a paragraph may stand
_SPACED_LETTERS = 8  # single letters, from which a line may be letter-spaced
_SPACED_RUN = re.compile(rf"(?:\b[^\W\d_] ){{{_SPACED_LETTERS - 1}}}")
_SPACED_SHARE = 0.75  # of its words
_WORDS_APART = 1.5  # times the white between letters

Char = dict[str, Any]
Line = dict[str, Any]


def straighten(blocks: list[dict[str, Any]]) -> None:
    """Set glyphs of a vertical font that advance from left to right as the horizontal lines that they are."""
    glyphs = [
        (_unturned(char, span["size"]) if line["dir"][0] else char, span)
        for block in blocks
        for line in block.get("lines", ())
        if line["wmode"] == 1
        for span in line["spans"]
        for char in span["chars"]
        if not char.get("synthetic")
    ]
    steps = [_step(a, b) for (a, _), (b, _) in pairwise(glyphs)]
    if len(steps) < _SPACED_LETTERS or sum(dx > abs(dy) for dx, dy in steps) < _MOST * len(steps):
        return
    glyphs.sort(key=lambda glyph: _level(glyph[0]))
    rows: list[list[tuple[Char, dict[str, Any]]]] = []
    for char, span in glyphs:
        if rows and _level(char) - _level(rows[-1][0][0]) <= _SAME_ROW * span["size"]:
            rows[-1].append((char, span))
        else:
            rows.append([(char, span)])
    blocks[:] = [block for block in blocks if not _is_vertical(block)] + _paragraphs([_row(row) for row in rows])


def close_spaced_letters(line: Line) -> None:
    """Put the letters of letter-spaced words together; words are where the white is clearly wider."""
    text = "".join(char["c"] for span in line["spans"] for char in span["chars"])
    words = text.split()
    single = sum(len(word) == 1 and word.isalpha() for word in words)
    if single < _SPACED_LETTERS or single < _SPACED_SHARE * len(words):
        return
    chars = [(char, span) for span in line["spans"] for char in span["chars"] if not char["c"].isspace()]
    gaps = [(b["bbox"][0] - a["bbox"][2]) / span["size"] for (a, _), (b, span) in pairwise(chars)]
    usual = statistics.median(gaps)
    for span in line["spans"]:
        span["chars"] = []
    chars[0][1]["chars"].append(chars[0][0])
    for gap, (char, span) in zip(gaps, chars[1:], strict=True):
        if gap > max(_WORDS_APART * usual, usual + 0.1):
            span["chars"].append({**char, "c": " ", "bbox": (char["bbox"][0],) * 2 + tuple(char["bbox"][2:])})
        span["chars"].append(char)


def is_letter_spaced(text: str) -> bool:
    """True where a text has a line of single letters."""
    return _SPACED_RUN.search(text) is not None


def _step(a: Char, b: Char) -> tuple[float, float]:
    return b["origin"][0] - a["origin"][0], b["origin"][1] - a["origin"][1]


def _is_vertical(block: dict[str, Any]) -> bool:
    lines = block.get("lines", ())
    return bool(lines) and all(line["wmode"] == 1 for line in lines)


def _row(row: list[tuple[Char, dict[str, Any]]]) -> Line:
    """A horizontal line of glyphs, each as wide as its step to the next: in a vertical font all are as wide as high."""
    row.sort(key=lambda glyph: _middle(glyph[0]))
    span = max((span for _, span in row), key=lambda span: span["size"])
    starts = [char["bbox"][0] for char, _ in row] + [row[-1][0]["bbox"][2]]
    chars = [
        {**char, "bbox": (start, char["bbox"][1], max(start, end), char["bbox"][3])}
        for (char, _), start, end in zip(row, starts, starts[1:], strict=False)
    ]
    box = (starts[0], min(c["bbox"][1] for c in chars), starts[-1], max(c["bbox"][3] for c in chars))
    return {"spans": [{**span, "chars": chars, "bbox": box}], "bbox": box, "wmode": 0, "dir": (1.0, 0.0)}


def _paragraphs(rows: list[Line]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for row in rows:
        last = blocks[-1] if blocks else None
        pitch = row["bbox"][1] - last["lines"][-1]["bbox"][1] if last else 0.0
        if last is not None and pitch < _PITCH * row["spans"][0]["size"]:
            last["lines"].append(row)
        else:
            blocks.append({"type": 0, "lines": [row], "bbox": row["bbox"]})
    for block in blocks:
        boxes = [line["bbox"] for line in block["lines"]]
        block["bbox"] = (min(b[0] for b in boxes), boxes[0][1], max(b[2] for b in boxes), boxes[-1][3])
    return blocks


def _unturned(char: Char, size: float) -> Char:
    """A glyph that lies on its side, as brackets of vertical fonts do, where it is seen: left of and below its box."""
    x0, y0, x1, y1 = char["bbox"]
    left, down = _LYING[0] * size, _LYING[1] * size
    return {**char, "bbox": (x0 - left, y0 + down, x1 - left, y1 + down)}


def _level(char: Char) -> float:
    return float(char["bbox"][1] + char["bbox"][3]) / 2


def _middle(char: Char) -> float:
    return float(char["bbox"][0] + char["bbox"][2]) / 2
