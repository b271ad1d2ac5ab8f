"""What a font's codes stand for where the file does not say: TeX fonts without names, fonts of signs, glyph numbers.

Judged font by font, on evidence that the page itself gives. A text font drawn as pictures (Type 3) whose low codes
stand between letters is a TeX font, in one of TeX's two encodings. Glyph numbers (MuPDF marks them) are looked up in
the embedded font's own table, else in the order that TrueType fonts of the common kind share, which is believed only
where the widths of the glyphs are those of its letters. What stays unknown becomes U+FFFD, which the gate counts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any

import pymupdf

from folioscope.pipeline.decode.symbol_fonts import signs_of

UNKNOWN = "\ufffd"
_NUMBERED = pymupdf.mupdf.FZ_STEXT_UNICODE_IS_CID | pymupdf.mupdf.FZ_STEXT_UNICODE_IS_GID
_FEWEST_WIDTHS = 2  # different letters whose widths must speak for a glyph order
_MATCHING_WIDTHS = 0.75  # of them
_WIDTH_ERROR = 0.02  # of the font size
_TEXT_FONT = 0.6  # of a font's codes that are letters and punctuation, from which it is one for text
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

# TeX's encodings below the blank: T1 (Cork) and OT1, with the codes of OT1 that differ from ASCII.
_T1_LOW = "`´ˆ˜¨˝˚ˇ˘¯˙¸˛‚‹›“”„«»–—\u200b₀ıȷ\ufb00\ufb01\ufb02\ufb03\ufb04"
_T1_HIGH = "ĂĄĆČĎĚĘĞĹĽŁŃŇŊŐŔŘŚŠŞŤŢŰŮŸŹŽŻĲİđ§"
_OT1_LOW = "ΓΔΘΛΞΠΣΥΦΨΩ\ufb00\ufb01\ufb02\ufb03\ufb04ıȷ`´ˇ˘¯˚¸ßæœøÆŒØ"
_T1 = {**{chr(code): c for code, c in enumerate(_T1_LOW)}, **{chr(0x80 + i): c for i, c in enumerate(_T1_HIGH)}}
_OT1 = {
    **{chr(code): c for code, c in enumerate(_OT1_LOW)},
    '"': "”",
    "\\": "“",
    "{": "–",
    "|": "—",
    "}": "˝",
    "~": "˜",
    "\x7f": "¨",
    "<": "¡",
    ">": "¿",
}
_OT1_LIGATURE = re.compile(r"[A-Za-z][\x0b-\x0f]|[\x0b-\x0f][a-z]")
_T1_LIGATURE = re.compile(r"[A-Za-z][\x1b-\x1f]|[\x1b-\x1f][a-z]|[\x80-\xff]|[\x10\x11\x15]")

# The glyph order of the 'post' table's format 1: ASCII from glyph 3, Mac Roman's upper half from 98, then these; the
# suits of cards stand at 388 in the fonts that go on after it.
_AFTER_MAC_ROMAN = "ŁłŠšŽž¦ÐðÝýÞþ−×¹²³½¼¾₣ĞğİŞşĆćČčđ"
_SUITS = "♠♣♥♦"


def map_unknown(page: pymupdf.Page, blocks: Sequence[dict[str, Any]]) -> None:
    """Put letters in the place of codes without a meaning, in the raw blocks of a page."""
    numbered: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    named: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for block in blocks:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                (numbered if span["char_flags"] & _NUMBERED else named)[span["font"]].append(span)
    for font, spans in numbered.items():
        _map(spans, _glyph_letters(page, font, spans))
        if (signs := signs_of(font)) is not None:
            _map(spans, partial(_looked_up, signs))
    type3 = {entry[4] for entry in page.get_fonts() if entry[2] == "Type3"} if named else set()
    for font, spans in named.items():
        if (signs := signs_of(font)) is not None:
            _map(spans, partial(_looked_up, signs))
            continue
        table = tex_table(spans) if font in type3 or not type3.isdisjoint((font, font.partition("+")[2])) else None
        if table is not None:
            _map(spans, partial(_looked_up, table))


def _looked_up(table: dict[str, str], code: str) -> str:
    return table.get(code, code)


def _map(spans: Iterable[dict[str, Any]], letter: Callable[[str], str]) -> None:
    for span in spans:
        for char in span["chars"]:
            if not char.get("synthetic"):
                char["c"] = letter(char["c"])


def tex_table(spans: Sequence[dict[str, Any]]) -> dict[str, str] | None:
    text = " ".join("".join(char["c"] for char in span["chars"]) for span in spans)
    if not _CONTROL.search(text):
        return None
    solid = [c for c in text if not c.isspace() or c in "\x0b\x0c\x1c\x1d\x1e\x1f"]
    if sum(c.isascii() and c.isprintable() for c in solid) < _TEXT_FONT * len(solid):
        return None
    return _OT1 if _OT1_LIGATURE.search(text) and not _T1_LIGATURE.search(text) else _T1


def _glyph_letters(page: pymupdf.Page, font: str, spans: Sequence[dict[str, Any]]) -> Callable[[str], str]:
    own = _embedded_letters(page, font)
    if own:
        return lambda code: own.get(ord(code), UNKNOWN)
    widths = {
        char["c"]: (char["bbox"][2] - char["bbox"][0]) / span["size"]
        for span in spans
        for char in span["chars"]
        if not char.get("synthetic") and span["size"] > 0
    }
    for letters in (standard_letter, _same_letter):
        if widths_speak_for(letters, widths):
            return letters
    return lambda _: UNKNOWN


def _embedded_letters(page: pymupdf.Page, font: str) -> dict[int, str]:
    """Glyph number → letter, from the table of the embedded font; empty where it has none."""
    for entry in page.get_fonts():
        if entry[2] == "Type0" and entry[3].rpartition("+")[2] == font.rpartition("+")[2]:
            content = page.parent.extract_font(entry[0])[3]
            if not content:
                continue
            try:
                embedded = pymupdf.Font(fontbuffer=content)
                points = embedded.valid_codepoints()
            except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
                continue  # a font that MuPDF cannot open tells nothing
            if len(points):
                return {embedded.has_glyph(int(point)): chr(int(point)) for point in points}
    return {}


def standard_letter(code: str) -> str:
    glyph = ord(code)
    if 3 <= glyph < 98:
        return chr(glyph + 29)
    if 98 <= glyph < 226:
        return bytes([glyph + 30]).decode("mac_roman")
    if glyph < 226 + len(_AFTER_MAC_ROMAN):
        return _AFTER_MAC_ROMAN[glyph - 226] if glyph >= 226 else UNKNOWN
    return _SUITS[glyph - 388] if 388 <= glyph < 392 else UNKNOWN


def _same_letter(code: str) -> str:
    return code


def widths_speak_for(letter: Callable[[str], str], widths: dict[str, float]) -> bool:
    """True where enough glyphs are as wide as their letters are in one of the base fonts."""
    for name in ("tiro", "tibo", "helv", "hebo", "cour"):
        compared = [
            abs(width - expected) <= _WIDTH_ERROR
            for code, width in widths.items()
            if (given := letter(code)) != UNKNOWN and (expected := _base_width(name, given)) > 0
        ]
        if len(compared) >= _FEWEST_WIDTHS and sum(compared) >= _MATCHING_WIDTHS * len(compared):
            return True
    return False


@lru_cache(maxsize=2048)
def _base_width(font: str, letter: str) -> float:
    """A letter's width in one of MuPDF's base fonts, in font sizes; 0 where it has none."""
    base = _base_font(font)
    return float(base.glyph_advance(ord(letter))) if base.has_glyph(ord(letter)) else 0.0


@lru_cache(maxsize=8)
def _base_font(name: str) -> pymupdf.Font:
    return pymupdf.Font(name)
