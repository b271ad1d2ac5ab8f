"""Reading a page: the text layer where it is usable, else OCR; both end as the same blocks and Markdown.

A sideways or upside-down scan is found by its lines and its confidence, turned, and read again: such pages cost two or
three readings, upright ones a single one. Pictures on a page with a usable layer are read as well (``picture_words``).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from folioscope.model.agreement import agreement
from folioscope.model.embedded import ocr, tesseract
from folioscope.model.embedded.markdown import to_markdown
from folioscope.model.embedded.ocr import Line
from folioscope.model.embedded.picture_words import with_picture_words
from folioscope.model.embedded.recognition import PageLines, read_lines
from folioscope.model.embedded.scan import page_blocks
from folioscope.model.language import language_of
from folioscope.model.page_images import is_blank, turned
from folioscope.model.protocol import PageInput, Reading, RgbImage, TextSource, Usage

SETTINGS: Final = {**ocr.SETTINGS, "reader": "4", "tesseract": tesseract.describe()}
UNREADABLE = 0.5  # of the writing in scripts that nothing reads: what is left is not the page's text
LOW_CONFIDENCE = 0.75
SURE = 0.88  # a reading as good as this needs no other direction tried
MIN_LINES_TO_TURN = 3


def read_page(page: PageInput) -> Reading:
    """One page. Its text source says where the text comes from; its flags say what is odd."""
    begun = time.perf_counter()
    layer = page.layer
    if layer is not None and layer.verdict == "usable":
        blocks = layer.blocks
        if page.image is not None:
            blocks = with_picture_words(page.image, blocks, layer.pictures)
        text = to_markdown(blocks)
        words = any(block.text.strip() for block in blocks)
        flags = layer.flags if words else (*layer.flags, "blank")
        source: TextSource = "text_layer" if words else "none"
        usage = Usage(seconds=time.perf_counter() - begun)
        return Reading(text, source, blocks, language=layer.language, flags=flags, usage=usage)
    return _read_image(page, begun)


def _read_image(page: PageInput, begun: float) -> Reading:
    layer = page.layer
    flags = [
        flag
        for verdict, flag in (("garbled", "garbled_layer"), ("hidden_ocr", "hidden_ocr"))
        if layer and layer.verdict == verdict
    ]
    flags += layer.flags if layer else ()
    comments = tuple(block for block in layer.blocks if block.kind == "comment") if layer else ()
    if page.image is None or is_blank(page.image):
        return Reading("", "none", comments, flags=(*flags, "blank"), usage=Usage(seconds=time.perf_counter() - begun))
    turn, found = read_upright(page.image)
    lines = found.lines if found.unread_share < UNREADABLE else []
    if found.unread:
        flags.append("unread_script")
    blocks = page_blocks(turned(page.image, turn), lines)
    text = to_markdown(blocks)
    if turn:
        flags.append("turned")
    if not text:
        flags += [] if found.unread else ["no_words"]
    elif _confidence(lines) < LOW_CONFIDENCE:
        flags.append("low_confidence")
    return Reading(
        text,
        "model" if text else "none",
        (*blocks, *comments),
        language=language_of(text),
        layer_agreement=agreement(text, layer.blocks) if text and layer and layer.verdict == "hidden_ocr" else None,
        flags=tuple(flags),
        turned=turn,
        usage=Usage(seconds=time.perf_counter() - begun),
        unread=_what_would_read(found) if found.unread else None,
    )


def _what_would_read(found: PageLines) -> str:
    """What of a page stays unread, and what would read it."""
    scripts = " or ".join(found.unread)
    packages = sorted({package for script in found.unread if (package := tesseract.package_for(script))})
    much = "its text is" if found.unread_share >= UNREADABLE else f"{found.unread_share:.0%} of its text is"
    if not packages:
        return f"{much} in {scripts}, which no engine that folioscope knows can read"
    missing = packages if tesseract.installed() else ["tesseract-ocr", *packages]
    return (
        f"{much} in {scripts}, which no engine here can read; {' and '.join(missing)} (Debian packages) would read it"
    )


def read_upright(image: RgbImage) -> tuple[int, PageLines]:
    """(clockwise turn, lines) of the direction in which the page reads best."""
    engine = tesseract.installed()
    found = read_lines(image, engine)
    if found.upside_down:
        overturned = read_lines(turned(image, 180), engine, turning=False)
        if _confidence(overturned.lines) >= SURE:
            return 180, overturned
        found = read_lines(image, engine, turning=False)  # the look was wrong, or the print is bad
        return (180, overturned) if _worth(overturned.lines) > _worth(found.lines) else (0, found)
    solid = [line for line in found.lines if len(line.text) >= 4]
    if len(solid) < MIN_LINES_TO_TURN:
        return 0, found
    if sum(line.tall for line in solid) > len(solid) / 2:
        candidates = [90, 270]
    elif _confidence(solid) < SURE:
        candidates = [180]
    else:
        return 0, found
    best = (0, found)
    for turn in candidates:
        attempt = read_lines(turned(image, turn), engine, turning=False)
        if _worth(attempt.lines) > _worth(best[1].lines) * (1.0 if turn == 180 else 0.9):
            best = (turn, attempt)
        if turn != 180 and _confidence(attempt.lines) >= SURE and best[0] == turn:
            break
    return best


def _confidence(lines: Sequence[Line]) -> float:
    letters = sum(len(line.text) for line in lines)
    return sum(line.confidence * len(line.text) for line in lines) / letters if letters else 0.0


def _worth(lines: Sequence[Line]) -> float:
    """How much was read, and how surely: what upside-down text yields is little and unsure."""
    return sum(max(0.0, line.confidence - 0.5) * len(line.text) for line in lines if not line.tall)
