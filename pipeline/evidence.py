"""Evidence is looked up, not believed: a quote is verified where the page's or shot's own text holds it, by no model.

A long quote may differ by a few slips of OCR, never in a number; a short one must stand there word for word. The box of
the block that holds it comes with it. A lookup costs well under a millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rapidfuzz import fuzz

from model.plain_text import normal_form, strip_markup
from model.protocol import Block, Box, Evidence, PageText, ShotText

SLIPS_FROM = 40  # characters; a shorter quote must match exactly
LIKENESS = 94.0
_NUMBER = re.compile(r"(?<![^\W\d_])\d+(?:[.,]\d+)*(?![^\W\d_])")  # not the 1 that a reader made of an l
_IN_NUMBER = re.compile(r"\d[.,]\d")


def verify(evidence: Evidence, pages: Mapping[int, PageText]) -> Evidence:
    """The evidence with ``verified`` set, and the box of the block that holds the quote."""
    page = pages.get(evidence.page_number) if evidence.page_number is not None else None
    quote = normal_form(strip_markup(evidence.quote))
    if page is None or not quote:
        return replace(evidence, verified=False, bbox=None)
    blocks = _with_text(page.blocks)
    found = _found(quote, page.text, blocks)
    return replace(evidence, verified=found, bbox=_box_of(quote, blocks) if found else None)


def verify_in_film(evidence: Evidence, shots: Sequence[ShotText]) -> Evidence:
    """As :func:`verify`, in the shots that overlap the evidence's seconds, one by one and together.

    Only words that were on the screen are looked up: a caption is what a model said, and proves nothing.
    """
    quote = normal_form(strip_markup(evidence.quote))
    if evidence.start_s is None or not quote:
        return replace(evidence, verified=False, bbox=None)
    end_s = evidence.start_s if evidence.end_s is None else evidence.end_s
    near = [shot for shot in shots if _overlaps(shot, evidence.start_s, end_s)]
    for shot in near:
        blocks = _with_text(shot.blocks)
        if _found(quote, shot.text, blocks):
            return replace(evidence, verified=True, bbox=_box_of(quote, blocks))
    found = len(near) > 1 and holds(normal_form(" ".join(strip_markup(shot.text) for shot in near)), quote)
    return replace(evidence, verified=found, bbox=None)


def _overlaps(shot: ShotText, start_s: float, end_s: float) -> bool:
    """A shot ends where the next one starts: that moment is the next one's."""
    return shot.start_s <= end_s and (start_s < shot.end_s or start_s == shot.start_s)


def _with_text(blocks: Sequence[Block]) -> list[Block]:
    return [block for block in blocks if block.text.strip()]


def _found(quote: str, text: str, blocks: Sequence[Block]) -> bool:
    return holds(normal_form(strip_markup(text)), quote) or holds(
        normal_form(" ".join(strip_markup(block.text) for block in blocks)), quote
    )


def holds(text: str, quote: str) -> bool:
    """True where ``text`` holds ``quote``; both in normal form."""
    if _stands_in(text, quote):
        return True
    if len(quote) < SLIPS_FROM or len(quote) > len(text):
        return False
    match = fuzz.partial_ratio_alignment(quote, text, score_cutoff=LIKENESS)
    if match is None:
        return False
    window = text[max(0, match.dest_start - 1) : match.dest_end + 1]
    return _numbers(quote) == _numbers(window[1:-1]) or _numbers(quote) == _numbers(window)


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
