"""A page's text layer as MuPDF gives it, mended where it needs it: blocks of lines of spans, in content order.

Most pages need nothing and cost what MuPDF's own extraction costs. Where something speaks for it (glyphs drawn twice,
codes without letters, fonts of signs, right-to-left or vertical writing, letter-spaced words, blanks inside numbers,
accents beside their letters) the page is taken apart glyph by glyph, which costs some 20 ms more.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pymupdf

from folioscope.pipeline.decode import bidi, fontmaps, repeats, upright
from folioscope.pipeline.decode.lines import ACCENTS
from folioscope.pipeline.decode.symbol_fonts import signs_of

Raw = dict[str, Any]

_DICT_FLAGS = pymupdf.TEXTFLAGS_DICT & ~pymupdf.TEXT_PRESERVE_IMAGES
_RAW_FLAGS = pymupdf.TEXTFLAGS_RAWDICT & ~pymupdf.TEXT_PRESERVE_IMAGES
_NUMBERED = pymupdf.mupdf.FZ_STEXT_UNICODE_IS_CID | pymupdf.mupdf.FZ_STEXT_UNICODE_IS_GID
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TWICE = re.compile(r"(?:(\S)\1){4}")
_SPLIT_NUMBER = re.compile(r"\d[.,] \d")
_LOOSE_ACCENT = re.compile(f"[{''.join(ACCENTS)}]")
_POINT_WIDTH = 0.4  # of the font size: white between two digits that a decimal point fills
_UNDER_ACCENT = 0.5  # of the accent's width that must lie over its letter
_SHADOW = 0.3  # of the font size: how far a copy of a line may lie from it


@dataclass(frozen=True, slots=True)
class Content:
    """``blocks`` are MuPDF's, with the mended text in each span. ``mended`` says that they differ from MuPDF's own;
    their spans then hold ``chars``."""

    blocks: list[Raw]
    mended: bool

    @property
    def spans(self) -> list[Raw]:
        return [span for block in self.blocks for line in block["lines"] for span in line["spans"]]

    @property
    def text(self) -> str:
        """All lines, one below the other."""
        return "\n".join(
            "".join(span["text"] for span in line["spans"]) for block in self.blocks for line in block["lines"]
        )


def page_content(page: pymupdf.Page) -> Content:
    """The page's text blocks, mended where something speaks for it."""
    plain = [block for block in page.get_text("dict", flags=_DICT_FLAGS)["blocks"] if block.get("lines")]
    if not _needs_mending(plain):
        return Content(plain, mended=False)
    blocks = [block for block in page.get_text("rawdict", flags=_RAW_FLAGS)["blocks"] if block.get("lines")]
    fontmaps.map_unknown(page, blocks)
    repeats.drop_repeats(blocks)
    upright.straighten(blocks)
    for block in blocks:
        for line in block["lines"]:
            upright.close_spaced_letters(line)
            for span in line["spans"]:
                close_numbers(span)
                set_accents(span)
                span["text"] = "".join(char["c"] for char in span["chars"])
        _order_rtl(block)
        for line in block["lines"]:
            line["spans"] = [_fitted(span) for span in line["spans"] if span["text"]]
        block["lines"] = [line for line in block["lines"] if line["spans"]]
    return Content([_refitted(block) for block in blocks if block["lines"]], mended=True)


def without_hidden(copy: Content, shown: Content) -> Content:
    """The content of a page's copy without what its own document hides: copies lose the states of optional layers."""
    seen = {span["text"].strip() for span in shown.spans}
    blocks = []
    for block in copy.blocks:
        lines = [
            {**line, "spans": spans}
            for line in block["lines"]
            if (spans := [span for span in line["spans"] if span["text"].strip() in seen])
        ]
        if lines:
            blocks.append({**block, "lines": lines})
    return Content(blocks, copy.mended)


def _needs_mending(blocks: list[Raw]) -> bool:
    seen: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for block in blocks:
        for line in block["lines"]:
            if line["wmode"] == 1:
                return True
            text = "".join(span["text"] for span in line["spans"])
            if (
                _CONTROL.search(text)
                or bidi.RTL_LETTER.search(text)
                or _TWICE.search(text)
                or _SPLIT_NUMBER.search(text)
                or _LOOSE_ACCENT.search(text)
                or upright.is_letter_spaced(text)
            ):
                return True
            for span in line["spans"]:
                if span["char_flags"] & _NUMBERED or "\ufffd" in span["text"]:
                    return True
                if span["text"].strip() and signs_of(span["font"]) is not None:
                    return True
                if _is_copy(span, seen):
                    return True
    return False


def _is_copy(span: Raw, seen: defaultdict[str, list[tuple[float, float]]]) -> bool:
    """True where a span starts with the same letters at nearly the same place as one before it."""
    text = span["text"].strip()
    if not text:
        return False
    x, y = span["origin"]
    places = seen[text[:2]]
    reach = _SHADOW * span["size"]
    if any(abs(x - other_x) <= reach and abs(y - other_y) <= reach for other_x, other_y in places):
        return True
    places.append((x, y))
    return False


def close_numbers(span: Raw) -> None:
    """Take out a blank that lies under a decimal point: the digits stand no further apart than a point is wide."""
    chars = span["chars"]
    bogus = {
        i
        for i in range(2, len(chars) - 1)
        if chars[i]["c"] == " "
        and chars[i - 1]["c"] in ".,"
        and chars[i - 2]["c"].isdigit()
        and chars[i + 1]["c"].isdigit()
        and chars[i + 1]["bbox"][0] - chars[i - 2]["bbox"][2] < _POINT_WIDTH * span["size"]
    }
    for i in bogus:
        x0, y0, _, y1 = chars[i - 1]["bbox"]
        chars[i - 1]["bbox"] = (x0, y0, chars[i + 1]["bbox"][0], y1)
    if bogus:
        span["chars"] = [char for i, char in enumerate(chars) if i not in bogus]


def set_accents(span: Raw) -> None:
    """Put an accent that was drawn over a letter onto it; one that stands beside it stays what it is."""
    chars = span["chars"]
    result: list[Raw] = []
    skip = False
    for char, following in pairwise([*chars, None]):
        if skip:
            skip = False
            continue
        assert char is not None
        if char["c"] in ACCENTS and following is not None and following["c"].isalpha() and _over(char, following):
            letter = following["c"].replace("ı", "i").replace("ȷ", "j")
            composed = unicodedata.normalize("NFC", letter + ACCENTS[char["c"]])
            if len(composed) == 1:
                result.append({**following, "c": composed})
                skip = True
                continue
        result.append(char)
    span["chars"] = result


def _over(accent: Raw, letter: Raw) -> bool:
    a0, _, a1, _ = accent["bbox"]
    b0, _, b1, _ = letter["bbox"]
    return bool(min(a1, b1) - max(a0, b0) >= _UNDER_ACCENT * min(a1 - a0, b1 - b0) and b1 > b0)


def _order_rtl(block: Raw) -> None:
    """Join the pieces of right-to-left lines that MuPDF parted, and set each in logical order."""
    if not bidi.RTL_LETTER.search("".join(span["text"] for line in block["lines"] for span in line["spans"])):
        return
    rtl = bidi.is_rtl("".join(span["text"] for line in block["lines"] for span in line["spans"]))
    rows: list[list[Raw]] = []
    for line in block["lines"]:
        if rows and _same_row(rows[-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    block["lines"] = [_rtl_line(piece, rtl=rtl) for row in rows for piece in _pieces(row, rtl=rtl)]


def _same_row(row: list[Raw], line: Raw) -> bool:
    top, bottom = row[0]["bbox"][1], row[0]["bbox"][3]
    shared = min(bottom, line["bbox"][3]) - max(top, line["bbox"][1])
    return bool(shared > 0.5 * min(bottom - top, line["bbox"][3] - line["bbox"][1]))


def _pieces(row: list[Raw], *, rtl: bool) -> list[list[Raw]]:
    """Lines of one row that touch, from the side where reading starts; what stands apart is a column of its own."""
    row = sorted(row, key=lambda line: line["bbox"][0])
    pieces = [[row[0]]]
    for line in row[1:]:
        size = max(span["size"] for span in line["spans"])
        if line["bbox"][0] - pieces[-1][-1]["bbox"][2] < size:
            pieces[-1].append(line)
        else:
            pieces.append([line])
    return pieces[::-1] if rtl else pieces


def _rtl_line(pieces: list[Raw], *, rtl: bool) -> Raw:
    spans = [span for piece in pieces for span in piece["spans"] if span["chars"]]
    if not spans:
        return pieces[0]
    chars = [char for span in spans for char in span["chars"]]
    text = "".join(span["text"] for span in spans)
    own = rtl if bidi.RTL_LETTER.search(text) is None or not _has_latin(text) else bidi.is_rtl(text)
    size = max(span["size"] for span in spans)
    longest = max(spans, key=lambda span: len(span["chars"]))
    boxes = [piece["bbox"] for piece in pieces]
    box = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    whole = {**longest, "size": size, "chars": chars, "bbox": box, "rtl": own}
    whole["text"] = bidi.logical_text(chars, size, rtl=own)
    return {**pieces[0], "spans": [whole], "bbox": box}


def _has_latin(text: str) -> bool:
    return any("a" <= c.lower() <= "z" for c in text)


def _fitted(span: Raw) -> Raw:
    """The span with the width of the glyphs that are left of it."""
    solid = [char["bbox"] for char in span["chars"] if not char["c"].isspace()] or [
        char["bbox"] for char in span["chars"]
    ]
    _, y0, _, y1 = span["bbox"]
    if span.get("rtl") is not None or not solid:
        return span
    box = (min(box[0] for box in solid), y0, max(box[2] for box in solid), y1)
    return {**span, "bbox": box, "text": span["text"].lstrip() or span["text"]}


def _refitted(block: Raw) -> Raw:
    boxes = [line["bbox"] for line in block["lines"]]
    box = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    return {**block, "bbox": box}
