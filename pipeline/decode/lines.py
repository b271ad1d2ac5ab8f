"""From the spans of a block to its text: words parted and joined again, accents and drop caps put in their place."""

from __future__ import annotations

import re
import statistics
import unicodedata
from itertools import pairwise
from typing import Any

import pymupdf

RAWDICT_FLAGS = pymupdf.TEXTFLAGS_RAWDICT & ~pymupdf.TEXT_PRESERVE_IMAGES
_SUPERSCRIPT = 1
_WORD_GAP = 0.15  # of the font size: white between two spans of a line that parts two words
_NARROW_GAP = 0.1  # the same inside a span whose letters stand without any white
_RUN_ON = re.compile(r"[^\W\d_]{16,}")
_DROP_CAP = 1.8  # times the size of the block's other letters
ACCENTS = {"´": "\u0301", "ˇ": "\u030c", "¨": "\u0308", "˜": "\u0303", "ˆ": "\u0302", "˚": "\u030a", "˘": "\u0306"}
_SPACING_ACCENT = re.compile(f"(?<=[^\\W\\d_])([{''.join(ACCENTS)}]) ?([a-zıȷ])")  # inside a word
_COMPATIBLE = re.compile("[\ufb00-\ufb06\ufb13-\ufb17\ufb1d-\ufdff\ufe10-\ufe19\ufe30-\ufe44\ufe70-\ufefc]")
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\ufeff]")
_HYPHENS = "-\u00ad\u2010"

Span = dict[str, Any]


def block_text(lines: list[list[Span]], respaced: dict[str, str]) -> str:
    """The text of a block from the spans of its lines."""
    cap, lines = _take_drop_cap(lines)
    return clean(cap + join_lines([line_text(spans, respaced) for spans in lines]))


def line_text(spans: list[Span], respaced: dict[str, str]) -> str:
    """The spans of one line with spaces where white stands between them; raised letters and digits marked as such."""
    text = ""
    end: float | None = None
    for span in spans:
        piece = span["text"]
        if respaced:
            piece = "".join(respaced.get(part, part) for part in re.split(r"(\s+)", piece))
        if span["flags"] & _SUPERSCRIPT and piece.strip().isalnum() and text.strip():
            piece = f"<sup>{piece.strip()}</sup>"
        elif end is not None and not text.endswith(" ") and span["bbox"][0] - end > _WORD_GAP * span["size"]:
            text += " "
        text += piece
        end = span["bbox"][2]
    return text


def respaced_spans(page: pymupdf.Page, text: str) -> dict[str, str]:
    """Run-on words, and the words that MuPDF ran together in them; looked for only where ``text`` has any.

    Some fonts have no space and set words a tenth of their size apart, which is less than MuPDF takes for a space.
    """
    if not _RUN_ON.search(text):
        return {}
    blocks = page.get_text("rawdict", flags=RAWDICT_FLAGS)["blocks"]
    spans = [span for block in blocks for line in block.get("lines", ()) for span in line["spans"]]
    words = [(span, "".join(char["c"] for char in span["chars"]).strip()) for span in spans]
    tight_fonts = {span["font"] for span, word in words if _RUN_ON.search(word) and " " in _respace(span).strip()}
    return {
        word: _respace(span).strip()
        for span, word in words
        if span["font"] in tight_fonts and word and not any(c.isspace() for c in word)
    }


def join_lines(lines: list[str]) -> str:
    """Lines of a paragraph as one: a word broken at a line's end is made whole."""
    text = ""
    for line in (" ".join(_printable(line).split()) for line in lines):
        if not line:
            continue
        broken = len(text) > 1 and text[-1] in _HYPHENS and text[-2].isalpha()
        if broken and (line[0].islower() or (text[-1] == "\u00ad" and line[0].isalpha())):
            text = text[:-1] + line
        elif text and _is_cjk(text[-1]) and _is_cjk(line[0]):
            text += line
        else:
            text = f"{text} {line}" if text else line
    return text


def clean(text: str) -> str:
    """Letters as people type them.

    Accents that stand inside a word beside their letter are put on it; ligatures, Arabic presentation forms and forms
    for vertical writing become plain letters; a soft hyphen that is drawn inside a line is a hyphen; doubled single
    quotes are double ones; NFC.
    """
    text = _COMPATIBLE.sub(lambda form: unicodedata.normalize("NFKC", form[0]), text)
    text = _SPACING_ACCENT.sub(_compose, text)
    text = text.replace("‘‘", "“").replace("’’", "”").replace("\u00ad", "-")
    return unicodedata.normalize("NFC", text)


def _printable(text: str) -> str:
    """The text without what no reader sees: control codes and marks of width nought, of which some part words."""
    return _UNSEEN.sub("", text)


def heading_level(ratio: float) -> int:
    """Heading level by how much larger than the body it is set."""
    return 1 if ratio >= 1.6 else 2 if ratio >= 1.3 else 3


def _compose(match: re.Match[str]) -> str:
    accent, letter = match[1], match[2].replace("ı", "i").replace("ȷ", "j")
    composed = unicodedata.normalize("NFC", letter + ACCENTS[accent])
    return composed if len(composed) == 1 else match[0]


def _take_drop_cap(lines: list[list[Span]]) -> tuple[str, list[list[Span]]]:
    """(capital, other spans): a large first letter is found beside the lines it spans, not before the first word."""
    spans = [span for line in lines for span in line if span["text"].strip()]
    if len(lines) < 2 or len(spans) < 3:
        return "", lines
    usual = statistics.median(span["size"] for span in spans)
    caps = [
        s
        for s in spans
        if len(s["text"].strip()) == 1 and s["text"].strip().isupper() and s["size"] > _DROP_CAP * usual
    ]
    if len(caps) != 1:
        return "", lines
    return caps[0]["text"].strip(), [[span for span in line if span is not caps[0]] for line in lines]


def _respace(span: Span) -> str:
    chars = span["chars"]
    if len(chars) < 2:
        return "".join(char["c"] for char in chars)
    gaps = [(b["bbox"][0] - a["bbox"][2]) / span["size"] for a, b in pairwise(chars)]
    if statistics.median(gaps) > _NARROW_GAP / 3:  # letters set apart for looks
        return "".join(char["c"] for char in chars)
    first: str = chars[0]["c"]
    return first + "".join(
        f" {char['c']}" if gap > _NARROW_GAP else char["c"] for gap, char in zip(gaps, chars[1:], strict=True)
    )


def _is_cjk(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef"
