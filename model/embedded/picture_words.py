"""Words in the pictures of a page whose text layer is usable: read picture by picture, put where the picture stands.

Costs what the pictures' own area costs, a tenth of a second for a small one; a picture that is flat costs nothing, and
one that comes on page after page (a letterhead) is read once.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from folioscope.model.embedded import tesseract
from folioscope.model.embedded.ocr import Line
from folioscope.model.embedded.paragraphs import to_blocks
from folioscope.model.embedded.recognition import read_lines
from folioscope.model.page_images import is_blank
from folioscope.model.protocol import Block, Box, RgbImage

SURE = 0.75
SHEET = 736  # pixels; the least side that the detector takes as it is
KEPT_READINGS = 256
WHOLE = Box(0.0, 0.0, 1.0, 1.0)
_readings: OrderedDict[bytes, tuple[Line, ...]] = OrderedDict()


def with_picture_words(image: RgbImage, blocks: tuple[Block, ...], pictures: Sequence[Box]) -> tuple[Block, ...]:
    """The layer's blocks, with what is written in the page's pictures where the layer has nothing.

    Without ``pictures`` the whole page is looked over.
    """
    known = _words(" ".join(block.text for block in blocks))
    merged = list(blocks)
    for picture in pictures or (WHOLE,):
        lines = [_on_page(line, picture) for line in _read(_cut(image, picture)) if line.confidence >= SURE]
        fresh = [line for line in lines if not _known(line, known, blocks)]
        if fresh:
            at = _place(merged, picture) if pictures else len(merged)
            merged[at:at] = to_blocks(fresh, running_heads=False)
    return tuple(merged)


def unread_words(image: RgbImage, blocks: Sequence[Block], pictures: Sequence[Box]) -> bool:
    """Whether something is written in one of the pictures that the blocks have not, however surely it is read."""
    known = _words(" ".join(block.text for block in blocks))
    for picture in pictures:
        lines = (_on_page(line, picture) for line in _read(_cut(image, picture)))
        if any(not _known(line, known, blocks) for line in lines):
            return True
    return False


def _cut(image: RgbImage, box: Box) -> RgbImage:
    height, width = image.shape[:2]
    rows = slice(int(box.y0 * height), max(int(box.y0 * height) + 1, round(box.y1 * height)))
    return np.ascontiguousarray(image[rows, int(box.x0 * width) : max(int(box.x0 * width) + 1, round(box.x1 * width))])


def _read(picture: RgbImage) -> tuple[Line, ...]:
    if is_blank(picture):
        return ()
    key = hashlib.blake2b(picture.tobytes() + str(picture.shape).encode(), digest_size=16).digest()
    if key not in _readings:
        _readings[key] = tuple(_read_on_paper(picture))
        while len(_readings) > KEPT_READINGS:
            _readings.popitem(last=False)
    _readings.move_to_end(key)
    return _readings[key]


def _read_on_paper(picture: RgbImage) -> Iterator[Line]:
    """The lines of a small picture, read on a sheet: the detector would blow a small one up until its lines break."""
    height, width = picture.shape[:2]
    below, right = max(0, SHEET - height), max(0, SHEET - width)
    paper = [int(value) for value in np.median(picture.reshape(-1, 3), axis=0)]
    sheet = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT, value=paper)
    tall, wide = sheet.shape[0] / height, sheet.shape[1] / width
    for line in read_lines(np.asarray(sheet, np.uint8), tesseract.installed()).lines:
        box = line.box
        where = Box(box.x0 * wide, box.y0 * tall, min(1.0, box.x1 * wide), min(1.0, box.y1 * tall))
        yield Line(line.text, where, line.confidence, line.tall)


def _on_page(line: Line, picture: Box) -> Line:
    """A line of the picture with its boxes as shares of the page."""
    wide, high = picture.x1 - picture.x0, picture.y1 - picture.y0
    box = line.box
    where = Box(
        picture.x0 + box.x0 * wide, picture.y0 + box.y0 * high, picture.x0 + box.x1 * wide, picture.y0 + box.y1 * high
    )
    return Line(line.text, where, line.confidence, line.tall)


def _place(blocks: Sequence[Block], picture: Box) -> int:
    """Where in the reading order the picture stands: at its own block, else after what ends above its middle."""
    middle = (picture.y0 + picture.y1) / 2
    for number, block in enumerate(blocks):
        if (
            block.kind == "picture"
            and block.bbox is not None
            and _inside(block.bbox, (picture.x0 + picture.x1) / 2, middle)
        ):
            return number + 1
    above = [
        number
        for number, block in enumerate(blocks)
        if block.bbox is not None
        and block.bbox.y1 <= middle
        and min(block.bbox.x1, picture.x1) > max(block.bbox.x0, picture.x0)
        and block.kind != "footer"
    ]
    return max(above) + 1 if above else 0


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
