"""The gate: may a page's text layer be taken as its text?

Four verdicts: ``usable``; ``absent`` (no text worth the name: a scan or a blank page); ``hidden_ocr`` (invisible text
laid over a scan by some earlier OCR); ``garbled`` (a broken ToUnicode map: the page looks right and its text is a
cipher). Language is judged by an identifier that knows text without language, so no word list favours one language.
Costs about 3 ms a page, 10 ms where pictures have to be measured.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from folioscope.model.language import NO_LANGUAGE, Identified, identify
from folioscope.model.protocol import LayerVerdict

FEW_CHARS = 50
BAD_SHARE = 0.05
SCAN_COVERAGE = 0.5
TRACE_COVERAGE = 0.05
HIDDEN_SHARE = 0.5
CIPHER_LETTERS = 150
CIPHER_MARGIN = 0.15
FONT_MARGIN = 0.25  # the same for one font of a page
CAPITALS = 0.6  # of the letters, from which a text is judged in small ones: lists in capitals look like no language


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """What the gate looks at. ``coverage`` is the share of the page under its pictures, 0..1."""

    text: str
    visible_chars: int
    hidden_chars: int
    coverage: float
    fonts: tuple[str, ...] = ()  # what each font of the page has to say that sets letters of their own width


@dataclass(frozen=True, slots=True)
class LayerClass:
    verdict: LayerVerdict
    reason: str
    language: str | None = None


def classify_text_layer(facts: LayerFacts) -> LayerClass:
    """The verdict on a text layer, by the first rule that fits."""
    chars = facts.visible_chars + facts.hidden_chars
    if chars == 0:
        return LayerClass("absent", "no text")
    if chars < FEW_CHARS and facts.coverage > TRACE_COVERAGE:
        return LayerClass("absent", f"{chars} characters beside pictures over {facts.coverage:.0%} of the page")
    bad = _bad_share(facts.text)
    if bad > BAD_SHARE:
        return LayerClass("garbled", f"{bad:.0%} of the characters stand for nothing")
    if facts.coverage >= SCAN_COVERAGE and facts.hidden_chars > HIDDEN_SHARE * chars:
        return LayerClass("hidden_ocr", f"{facts.hidden_chars / chars:.0%} of the text is invisible, over a picture")
    found = _identified(facts.text)
    if found is not None and found.code == NO_LANGUAGE:
        if found.letters >= CIPHER_LETTERS and found.margin > CIPHER_MARGIN:
            return LayerClass("garbled", "the letters spell no language: a broken character map")
        return LayerClass("usable", "visible text")
    if len(facts.fonts) > 1 and any(_is_cipher(text) for text in facts.fonts):
        return LayerClass("garbled", "the letters of one font spell no language: a broken character map")
    return LayerClass("usable", "visible text", found.code if found else None)


def _is_cipher(text: str) -> bool:
    found = _identified(text)
    if found is None or found.code != NO_LANGUAGE:
        return False
    return found.letters >= CIPHER_LETTERS and found.margin > FONT_MARGIN


def _identified(text: str) -> Identified | None:
    letters = [c for c in text if c.isalpha()]
    return identify(text.lower() if sum(c.isupper() for c in letters) > CAPITALS * len(letters) else text)


def _bad_share(text: str) -> float:
    """Share of characters that no reader can name: replacement, private use, control, unassigned."""
    solid = [c for c in text if not c.isspace()]
    bad = sum(c == "\ufffd" or unicodedata.category(c) in ("Co", "Cn", "Cc", "Cs") for c in solid)
    return bad / len(solid) if solid else 0.0
