"""Listings: lines in a font of even width, kept line by line with their indents."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from typing import Any

import pymupdf

FEWEST_LINES = 2
_SHARE = 0.85  # of a listing's characters that are in such a font
_SIGNS = re.compile(r"[{}()\[\];=<>#/\\|$_&]")
_SIGN_SHARE = 0.06  # of the characters, on a page that is set in such a font throughout
_FONT = re.compile(r"mono|courier|consol|menlo|typewriter|cmtt|sftt|ectt|lmtt|inconsolata|fixed", re.I)

Line = Sequence[dict[str, Any]]


def is_code(lines: Sequence[Line], *, said: bool, page_is_monospaced: bool) -> bool:
    """True where the lines are a listing. ``said``: the layout network holds them for one."""
    spans = [span for line in lines for span in line]
    letters = sum(len(span["text"]) for span in spans)
    if len(lines) < FEWEST_LINES or not letters:
        return False
    if sum(len(span["text"]) for span in spans if has_even_width(span)) < _SHARE * letters:
        return False
    if said or not page_is_monospaced:
        return True
    return sum(len(_SIGNS.findall(span["text"])) for span in spans) >= _SIGN_SHARE * letters


def code_text(lines: Sequence[Line]) -> str:
    """The listing, line by line; a line set in is set in by as many blanks."""
    spans = [span for line in lines for span in line if span["text"].strip()]
    width = statistics.median(_width(span) for span in spans) or 1.0
    left = min(_start(span) for span in spans)
    return "\n".join(_line(line, left, width) for line in lines)


def _line(line: Line, left: float, width: float) -> str:
    text = ""
    for span in line:
        if span["text"].strip():
            text += " " * (round((_start(span) - left) / width) - len(text)) + span["text"].strip()
    return text


def _width(span: dict[str, Any]) -> float:
    """Of a character."""
    return float(span["bbox"][2] - span["bbox"][0]) / len(span["text"].rstrip())


def _start(span: dict[str, Any]) -> float:
    """Where the first letter stands, after blanks that were written."""
    text = span["text"]
    return float(span["bbox"][0]) + (len(text) - len(text.lstrip())) * _width(span)


def has_even_width(span: dict[str, Any]) -> bool:
    """True for a span in a font of even width."""
    return bool(span["flags"] & pymupdf.TEXT_FONT_MONOSPACED or _FONT.search(span["font"]))
