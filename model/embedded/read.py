"""Reading a page: the text layer where it is usable, else OCR; both end as the same blocks and Markdown.

A sideways or upside-down scan is found by its lines and its confidence, turned, and read again: such pages cost two or
three readings, upright ones a single one. Pictures with words on a page with a usable layer are read as well.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Final

from model.agreement import agreement
from model.embedded import ocr
from model.embedded.markdown import to_markdown
from model.embedded.ocr import Line
from model.embedded.paragraphs import to_blocks
from model.language import language_of
from model.page_images import is_blank, turned
from model.protocol import Block, Box, PageInput, Reading, RgbImage, TextSource, Usage

SETTINGS: Final = {**ocr.SETTINGS, "reader": "2"}
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
            blocks = _with_picture_words(page.image, blocks)
        text = to_markdown(blocks)
        flags = () if text else ("blank",)
        source: TextSource = "text_layer" if text else "none"
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
    if page.image is None or is_blank(page.image):
        return Reading("", "none", flags=(*flags, "blank"), usage=Usage(seconds=time.perf_counter() - begun))
    turn, lines = _read_upright(page.image)
    blocks = to_blocks(lines)
    text = to_markdown(blocks)
    if not text:
        return Reading("", "none", flags=(*flags, "no_words"), usage=Usage(seconds=time.perf_counter() - begun))
    if turn:
        flags.append("turned")
    if _confidence(lines) < LOW_CONFIDENCE:
        flags.append("low_confidence")
    return Reading(
        text,
        "model",
        blocks,
        language=language_of(text),
        layer_agreement=agreement(text, layer.blocks) if layer and layer.verdict == "hidden_ocr" else None,
        flags=tuple(flags),
        turned=turn,
        usage=Usage(seconds=time.perf_counter() - begun),
    )


def _read_upright(image: RgbImage) -> tuple[int, list[Line]]:
    """(clockwise turn, lines) of the direction in which the page reads best."""
    lines = ocr.recognise(image)
    solid = [line for line in lines if len(line.text) >= 4]
    if len(solid) < MIN_LINES_TO_TURN:
        return 0, lines
    if sum(line.tall for line in solid) > len(solid) / 2:
        candidates = [90, 270]
    elif _confidence(solid) < SURE:
        candidates = [180]
    else:
        return 0, lines
    best = (0, lines)
    for turn in candidates:
        attempt = ocr.recognise(turned(image, turn))
        if _worth(attempt) > _worth(best[1]) * (1.0 if turn == 180 else 0.9):
            best = (turn, attempt)
        if turn != 180 and _confidence(attempt) >= SURE and best[0] == turn:
            break
    return best


def _confidence(lines: Sequence[Line]) -> float:
    letters = sum(len(line.text) for line in lines)
    return sum(line.confidence * len(line.text) for line in lines) / letters if letters else 0.0


def _worth(lines: Sequence[Line]) -> float:
    """How much was read, and how surely: what upside-down text yields is little and unsure."""
    return sum(max(0.0, line.confidence - 0.5) * len(line.text) for line in lines if not line.tall)


def _with_picture_words(image: RgbImage, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The layer's blocks, with what is written in the page's pictures where the layer has nothing."""
    lines = [line for line in ocr.recognise(image) if line.confidence >= LOW_CONFIDENCE]
    layer_words = _words(" ".join(block.text for block in blocks))
    fresh = [line for line in lines if not _known(line, layer_words, blocks)]
    return (*blocks, *to_blocks(fresh))


def _known(line: Line, layer_words: set[str], blocks: Sequence[Block]) -> bool:
    """True where the layer holds the line: most of its words, or a block of text over its middle."""
    words = _words(line.text)
    if not words or sum(word in layer_words for word in words) >= 0.5 * len(words):
        return True
    x, y = (line.box.x0 + line.box.x1) / 2, (line.box.y0 + line.box.y1) / 2
    return any(block.text and block.bbox and _inside(block.bbox, x, y) for block in blocks if block.kind != "picture")


def _inside(box: Box, x: float, y: float) -> bool:
    return box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1


def _words(text: str) -> set[str]:
    return {word.casefold() for word in re.findall(r"\w+", text)}
