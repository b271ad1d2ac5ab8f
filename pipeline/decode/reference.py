"""The reference reader: a second look at a page that a model reads, by its text layer or by OCR. In a decode child.

The layer's words cost some 5 ms. Finding the lines of a picture takes about half a second of a CPU core, reading those
of a dense page 1 to 5 more (docs/capacity.md). OCR is loaded when the first page needs it: 1.5 s and 0.5 GB.
"""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pymupdf

from folioscope.model.blocks import Box, TextLayer
from folioscope.model.segments import RgbImage
from folioscope.pipeline.decode.beside import with_states
from folioscope.pipeline.decode.content import page_content
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.decode.paths import drawn_paths
from folioscope.pipeline.decode.words import page_words
from folioscope.pipeline.grounding.reference import NO_REFERENCE, Reference, reference_of

if TYPE_CHECKING:
    from folioscope.model.embedded.ocr import Line

FURNITURE: Final = frozenset({"header", "footer"})
MARGIN: Final = 0.07  # of the page's height: a line that lies within it is a running header or a page number
LOOSE_ABOVE, LOOSE_BELOW = 0.12, 0.06  # of a detected line's height, beyond the line as its layer has it
_DRAWS: Final = 1 << 32


def second_reading(
    page: pymupdf.Page | None,
    layer: TextLayer | None,
    image: RgbImage | None,
    page_number: int,
    settings: DecodeSettings,
) -> Reference:
    """As :func:`page_reference`; a page is not given up where its check fails, but told to be without one."""
    try:
        return page_reference(page, layer, image, page_number, settings)
    except Exception:  # noqa: BLE001  whatever OCR raises on a picture; the row says so
        return replace(NO_REFERENCE, failed=True)


def page_reference(
    page: pymupdf.Page | None,
    layer: TextLayer | None,
    image: RgbImage | None,
    page_number: int,
    settings: DecodeSettings,
) -> Reference:
    """What the reference reader finds on a page, as the settings want it; ``page`` is None of an image file."""
    if settings.reference == "none":
        return NO_REFERENCE
    usable = layer is not None and layer.verdict == "usable" and any(block.text.strip() for block in layer.blocks)
    if usable and page is not None and layer is not None and settings.reference != "ocr":
        found = layer_reference(page, layer)
        wanted = layer.pictures if settings.reference == "auto" else ()
        return with_pictures(found, image, wanted) if image is not None and wanted else found
    if image is None or settings.reference == "layer":
        return NO_REFERENCE
    return ocr_reference(image, in_full=is_drawn(image, page_number, settings.reference_share))


def is_drawn(image: RgbImage, page_number: int, share: float) -> bool:
    """Whether a page is among the share that is recognised in full: its own pixels decide, so every run agrees."""
    if share >= 1:
        return True
    digest = hashlib.blake2b(image[::16, ::16].tobytes(), digest_size=4, salt=str(page_number).encode())
    return int.from_bytes(digest.digest(), "big") < share * _DRAWS


def layer_reference(page: pymupdf.Page, layer: TextLayer) -> Reference:
    """The words of a text layer that passed its gate; the page stands as it was read."""
    begun = _cpu_seconds()
    content = with_states(page, page_content(page), drawn_paths(page))
    matrix = page.rotation_matrix
    size = page.rect.width or 1.0, page.rect.height or 1.0
    words = [(word.text, _share_box(pymupdf.Rect(word.box) * matrix, *size)) for word in page_words(page, content)]
    furniture = [block.bbox for block in layer.blocks if block.kind in FURNITURE and block.bbox is not None]
    optional = [any(_lies_in(at, box) for box in furniture) for _, at in words]
    return reference_of("text_layer", words, optional, _cpu_seconds() - begun)


def ocr_reference(image: RgbImage, *, in_full: bool) -> Reference:
    """The words of a page's picture, or only where its lines stand."""
    from folioscope.model.embedded import ocr
    from folioscope.model.embedded.read import read_upright
    from folioscope.model.embedded.recognition import detector_scale

    begun = _cpu_seconds()
    if not in_full:
        places = ocr.find_lines(image, detector_scale(image))
        height, width = image.shape[:2]
        boxes = [
            ("", _unit_box(quad[:, 0].min() / width, quad[:, 1].min() / height, *(quad.max(axis=0) / (width, height))))
            for quad in places.quads
        ]
        return reference_of("ocr_detection", boxes, seconds=_cpu_seconds() - begun)
    turn, found = read_upright(image)
    if found.unread:  # a script that no engine here can read: what is read of the page proves nothing
        return replace(NO_REFERENCE, seconds=_cpu_seconds() - begun)
    words, optional = _line_words(found.lines)
    reference = reference_of("ocr", words, optional)
    return replace(reference.turned(-turn), seconds=_cpu_seconds() - begun)


def with_pictures(reference: Reference, image: RgbImage, pictures: Sequence[Box]) -> Reference:
    """A layer's words and those that OCR reads in the page's pictures, which no layer holds."""
    from folioscope.model.embedded import tesseract
    from folioscope.model.embedded.recognition import read_lines

    begun = _cpu_seconds()
    height, width = image.shape[:2]
    words: list[tuple[str, Box]] = []
    for picture in pictures:
        x0, x1 = int(picture.x0 * width), max(int(picture.x0 * width) + 1, round(picture.x1 * width))
        y0, y1 = int(picture.y0 * height), max(int(picture.y0 * height) + 1, round(picture.y1 * height))
        crop = np.ascontiguousarray(image[y0:y1, x0:x1])
        for text, box in _line_words(read_lines(crop, tesseract.installed(), turning=False).lines)[0]:
            wide, high = (x1 - x0) / width, (y1 - y0) / height
            corner = x0 / width, y0 / height
            words.append(
                (
                    text,
                    _unit_box(
                        corner[0] + box.x0 * wide,
                        corner[1] + box.y0 * high,
                        corner[0] + box.x1 * wide,
                        corner[1] + box.y1 * high,
                    ),
                )
            )
    read = reference_of("text_layer", words, [True] * len(words))  # a picture's words need not be read
    return reference.and_also(read, _cpu_seconds() - begun)


def _line_words(lines: Sequence[Line]) -> tuple[list[tuple[str, Box]], list[bool]]:
    """The lines' words from top to bottom with their boxes, and which of them a faithful reading may leave out."""
    words: list[tuple[str, Box]] = []
    optional: list[bool] = []
    for line in sorted(lines, key=lambda line: (line.place.y0 + line.place.y1, line.place.x0)):
        parts = _parts(line)
        words += parts
        optional += [line.box.y1 < MARGIN or line.box.y0 > 1 - MARGIN] * len(parts)
    return words, optional


def _trimmed(box: Box) -> Box:
    """A line's box without what the detector adds above and below its letters."""
    high = box.y1 - box.y0
    return Box(box.x0, box.y0 + LOOSE_ABOVE * high, box.x1, box.y1 - LOOSE_BELOW * high)


def _parts(line: Line) -> list[tuple[str, Box]]:
    """A line's words: where the engine tells them apart as it does, else by their share of the line's letters."""
    box = line.box if line.tall else _trimmed(line.box)
    if line.words and not line.tall:
        return [(word.text, Box(word.box.x0, box.y0, word.box.x1, box.y1)) for word in line.words]
    parts, at, length = [], 0, max(1, len(line.text))
    for text in line.text.split():
        start = line.text.index(text, at)
        at = start + len(text)
        first, last = start / length, at / length
        if line.tall:
            high = box.y1 - box.y0
            parts.append((text, Box(box.x0, box.y0 + first * high, box.x1, box.y0 + last * high)))
        else:
            wide = box.x1 - box.x0
            parts.append((text, Box(box.x0 + first * wide, box.y0, box.x0 + last * wide, box.y1)))
    return parts


def _share_box(rect: pymupdf.Rect, width: float, height: float) -> Box:
    x0, x1 = sorted((rect.x0 / width, rect.x1 / width))
    y0, y1 = sorted((rect.y0 / height, rect.y1 / height))
    return _unit_box(x0, y0, x1, y1)


def _cpu_seconds() -> float:
    """CPU seconds of this process and of the programs that it has run and waited for: Tesseract may be one."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _unit_box(*sides: float) -> Box:
    x0, y0, x1, y1 = (min(1.0, max(0.0, float(side))) for side in sides)
    return Box(x0, y0, x1, y1)


def _lies_in(box: Box, other: Box) -> bool:
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return other.x0 <= x <= other.x1 and other.y0 <= y <= other.y1
