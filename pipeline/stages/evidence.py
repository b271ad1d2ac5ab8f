"""Evidence is looked up, not believed: a quote is verified where a text that no asserting model wrote holds it.

That is a text layer, OCR, a subtitle or a transcript. Where a model wrote the page, its words count as far as a second
reader found them (``pipeline/grounding``); else the quote is *quoted*: it stands there by a model's word alone.

A long quote may differ by a few slips of OCR, never in a number; a short one must stand there word for word. A quote
with slips is repaired to the page's own words. The box of the block that holds it comes with it. A lookup costs well
under a millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from folioscope.model.plain_text import normal_form, strip_markup
from folioscope.model.protocol import Block, Box, Evidence, PageText, ShotText, VerifiedBy
from folioscope.model.spoken import Passage, tracks_of

SLIPS_FROM = 40  # characters; a shorter quote must match exactly
LIKENESS = 94.0
_LOST = "\ue000"  # stands for a word that no second reader found; no page has it
_NUMBER = re.compile(r"(?<![^\W\d_])\d+(?:[.,]\d+)*(?![^\W\d_])")  # not the 1 that a reader made of an l
_IN_NUMBER = re.compile(r"\d[.,]\d")


def verify(evidence: Evidence, pages: Mapping[int, PageText]) -> Evidence:
    """The evidence with what verifies it, its words as the page has them, and the box of the block that holds them."""
    page = pages.get(evidence.page_number) if evidence.page_number is not None else None
    quote = normal_form(strip_markup(evidence.quote))
    if page is None or not quote:
        return _unfounded(evidence)
    blocks = _with_text(page.blocks)
    found = find_quote(quote, [page.text, " ".join(block.text for block in blocks)])
    if found is None:
        return _unfounded(evidence)
    by: VerifiedBy = "model_text"
    if page.written_by != "model":
        by = page.written_by
    elif page.reference in ("text_layer", "ocr") and _stands_in(_supported(blocks), found.form):
        by = "text_layer" if page.reference == "text_layer" else "ocr"
    return _founded(evidence, found, by, _box_of(found.form, blocks))


def verify_in_video(evidence: Evidence, shots: Sequence[ShotText]) -> Evidence:
    """As :func:`verify`, in the shots that overlap the evidence's seconds, one by one and together.

    Only words that were on the screen, in a subtitle or said are looked up: a caption is what a model said, and proves
    nothing.
    """
    quote = normal_form(strip_markup(evidence.quote))
    if evidence.start_s is None or not quote:
        return _unfounded(evidence)
    end_s = evidence.start_s if evidence.end_s is None else evidence.end_s
    near = [shot for shot in shots if _overlaps(shot, evidence.start_s, end_s)]
    for shot in near:
        blocks = _with_text(shot.blocks)
        cues = [block for block in blocks if block.is_cue]
        seen = [block for block in blocks if not block.is_cue]
        for kind, texts in (
            (_cue_kind(cues), [" ".join(block.text for block in cues)]),
            (_screen_kind(near), [shot.screen_text, " ".join(block.text for block in seen)]),
        ):
            found = find_quote(quote, texts)
            if found is not None:
                return _founded(evidence, found, kind, _box_of(found.form, blocks))
        found = find_quote(quote, [shot.text])
        if found is not None:
            return _founded(evidence, found, _screen_kind(near), _box_of(found.form, blocks))
    if len(near) > 1:
        for (spoken, _), passages in tracks_of(near).items():
            found = find_quote(quote, [Passage(tuple(passages)).text])
            if found is not None:
                return _founded(evidence, found, "speech" if spoken == "speech" else "subtitle", None)
        found = find_quote(quote, [" ".join(shot.text for shot in near)])
        if found is not None:
            return _founded(evidence, found, _screen_kind(near), None)
    return _unfounded(evidence)


@dataclass(frozen=True, slots=True)
class FoundQuote:
    """A quote in normal form as the page has it; ``words`` are the page's own where the quote's differ a little."""

    form: str
    words: str | None = None


def find_quote(quote: str, texts: Sequence[str]) -> FoundQuote | None:
    """Where a quote in normal form stands in one of the texts, word for word or with a few slips."""
    forms = [normal_form(strip_markup(text)) for text in texts]
    if any(_stands_in(form, quote) for form in forms):
        return FoundQuote(quote)
    for text, form in zip(texts, forms, strict=True):
        near = _near(form, quote)
        if near is not None:
            words = _own_words(text, *near)
            return FoundQuote(normal_form(words), words)
    return None


def _founded(evidence: Evidence, found: FoundQuote, by: VerifiedBy, bbox: Box | None) -> Evidence:
    checked = replace(
        evidence, verified=by != "model_text", verified_by=by, bbox=bbox, repaired=found.words is not None
    )
    return checked if found.words is None else replace(checked, quote=found.words)


def _unfounded(evidence: Evidence) -> Evidence:
    return replace(evidence, verified=False, verified_by=None, bbox=None, repaired=False)


def _cue_kind(cues: Sequence[Block]) -> VerifiedBy:
    return "speech" if cues and cues[0].kind == "speech" else "subtitle"


def _screen_kind(shots: Sequence[ShotText]) -> VerifiedBy:
    """Who read what was on the screen; a model's word for it is only its word."""
    return "model_text" if any(shot.written_by == "model" for shot in shots) else "ocr"


def _supported(blocks: Sequence[Block]) -> str:
    """The blocks' text in normal form, with a mark in the place of words that no second reader found."""
    parts = []
    for block in blocks:
        text = block.text if block.support is not None else ""
        for span in reversed(block.unsupported):
            text = f"{text[: span.start]}{_LOST}{text[span.end :]}"
        parts.append(strip_markup(text))
    return normal_form(" ".join(parts))


def _own_words(text: str, start: int, end: int) -> str:
    """The text's own words between two characters of its normal form, whole ones."""
    words, at = [], 0
    for word in strip_markup(text).split():
        length = len(normal_form(word))
        inside = min(end, at + length) - max(start, at)
        if length and inside * 2 > length:
            words.append(word)
        at += length + (length > 0)
    return " ".join(words)


def _overlaps(shot: ShotText, start_s: float, end_s: float) -> bool:
    """A shot ends where the next one starts: that moment is the next one's."""
    return shot.start_s <= end_s and (start_s < shot.end_s or start_s == shot.start_s)


def _with_text(blocks: Sequence[Block]) -> list[Block]:
    """Blocks that hold words, without speech that is not to be believed."""
    return [block for block in blocks if block.text.strip() and not block.flags]


def holds(text: str, quote: str) -> bool:
    """True where ``text`` holds ``quote``, with a few slips in a long one; both in normal form."""
    return _stands_in(text, quote) or _near(text, quote) is not None


def _near(text: str, quote: str) -> tuple[int, int] | None:
    """Where a long quote stands in a text but for a few slips of a reader, never in a number."""
    if len(quote) < SLIPS_FROM or len(quote) > len(text):
        return None
    match = fuzz.partial_ratio_alignment(quote, text, score_cutoff=LIKENESS)
    if match is None:
        return None
    window = text[max(0, match.dest_start - 1) : match.dest_end + 1]
    same = _numbers(quote) == _numbers(window[1:-1]) or _numbers(quote) == _numbers(window)
    return (match.dest_start, match.dest_end) if same else None


def _stands_in(text: str, quote: str) -> bool:
    """The quote as whole words: ``cat`` does not stand in ``catalogue``, nor ``12`` in ``1,123``."""
    start = text.find(quote)
    while start >= 0:
        end = start + len(quote)
        cut = _joined(text[max(0, start - 1) : start], quote[0]) or _joined(quote[-1], text[end : end + 1])
        if not (
            cut or _IN_NUMBER.match(text[max(0, start - 2) : start + 1]) or _IN_NUMBER.match(text[end - 1 : end + 2])
        ):
            return True
        start = text.find(quote, start + 1)
    return False


def _joined(left: str, right: str) -> bool:
    """True where two neighbouring characters belong to one word; scripts without spaces part anywhere."""
    return bool(left and right and left.isalnum() and right.isalnum() and max(left, right) < "\u2e80")


def _numbers(text: str) -> list[str]:
    return _NUMBER.findall(text)


def _box_of(quote: str, blocks: Sequence[Block]) -> Box | None:
    texts = [normal_form(strip_markup(block.text)) for block in blocks]
    for block, text in zip(blocks, texts, strict=True):
        if holds(text, quote):
            return block.bbox
    parts = [block.bbox for block, text in zip(blocks, texts, strict=True) if block.bbox and _shares(text, quote)]
    return _union(parts)


def _shares(text: str, quote: str) -> bool:
    """True where a block holds a piece of a quote that runs over several blocks."""
    return len(text) >= 8 and (text in quote or quote.startswith(text[-24:]) or quote.endswith(text[:24]))


def _union(boxes: Sequence[Box]) -> Box | None:
    if not boxes:
        return None
    return Box(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )
