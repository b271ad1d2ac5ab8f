"""Text on a frame of a video: whether there is any, where it stands, and its words, each at no more cost than it needs.

Most frames hold no text: a look at 480 pixels says so in a third of the time, and where there may be some. There places
are found at 960 pixels, and at more only where many small ones come back; words are read from the frame's own pixels.
Costs some 0.06 CPU-seconds for a frame without text, 0.1 to 0.3 for one with, and 0.04 a line; unsure lines are looked
at twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from folioscope.model.embedded import ocr
from folioscope.model.embedded.ocr import Line, Quads
from folioscope.model.protocol import Box, RgbImage

SETTINGS: Final = {"frame_text": "2", "sides": "480, 960, 1600"}
GLANCE: Final = 480  # pixels of the longer side
USUAL: Final = 960
FINE: Final = 1600
MANY: Final = 12  # places of
LEAST_FINE: Final = 1280
SURE: Final = 0.85  # of a line's words
SMALL: Final = 15.0  # pixels in height, at the usual size: what is finer still may have been missed
FAINT: Final = 0.2  # likelihood that makes a pixel look like text, and so many of them, when a frame is glanced at
FEW_PIXELS: Final = 12
FAINTEST: Final = 0.05  # the same of a place that is looked at more finely, once a frame may hold text
ROWS_AROUND: Final = 16  # pixels of the frame that was glanced at, which are looked at with such a place
COLUMNS_AROUND: Final = 32
MOST_PARTS: Final = 6
MOST_SHARE: Final = 0.4  # of the frame; beyond it all of it is looked at
LEAST_CONFIDENCE: Final = 0.5
TALL: Final = 1.5
LEAST_SIDE: Final = 64  # of a part that is looked at, which the network needs
_NONE: Final = np.zeros((0, 4, 2))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a frame, in pixels: columns ``x0`` up to ``x1``, rows ``y0`` up to ``y1``."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def area(self) -> int:
        return (self.x1 - self.x0) * (self.y1 - self.y0)


def whole(image: RgbImage) -> Part:
    return Part(0, 0, image.shape[1], image.shape[0])


def find_text(image: RgbImage, parts: Sequence[Part] | None = None) -> Quads:
    """Corners of the lines of text, (lines, 4, 2) in pixels: of the whole frame, or of parts of it alone."""
    if parts is None:
        parts = _glanced_at(image)
    return np.concatenate([_NONE, *(_found(image, part) for part in parts)])


def read_text(image: RgbImage, quads: Quads) -> list[Line]:
    """The words at these places; places that hold none worth the name are left out.

    Where the words are unsure the place may be wrong, as of a plate taken for a line: it is looked at more finely.
    """
    height, width = image.shape[:2]
    lines: list[Line] = []
    for line in _read(image, quads):
        finer = [] if line.confidence >= SURE else _read(image, _finely(image, _around(line.box, width, height)))
        better = max((other.confidence for other in finer), default=0.0) > line.confidence
        lines += finer if better else [line]
    return lines


def _read(image: RgbImage, quads: Quads) -> list[Line]:
    if not len(quads):
        return []
    from rapidocr.ch_ppocr_rec import TextRecInput

    crops = ocr.engine().crop_text_regions(np.ascontiguousarray(image[:, :, ::-1]), quads.astype(np.float32))
    read = ocr.recogniser()(TextRecInput(img=crops, return_word_box=False))
    height, width = image.shape[:2]
    return [
        Line(text, box_of(quad, width, height), float(score), _stands(quad))
        for quad, text, score in zip(quads, read.txts, read.scores, strict=True)
        if text.strip() and score >= LEAST_CONFIDENCE
    ]


def box_of(quad: NDArray[np.float64], width: int, height: int) -> Box:
    xs, ys = np.clip(quad[:, 0] / width, 0.0, 1.0), np.clip(quad[:, 1] / height, 0.0, 1.0)
    return Box(float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))


def _around(box: Box, width: int, height: int) -> Part:
    """The box with half its height more on each side."""
    more = (box.y1 - box.y0) * height / 2
    return Part(
        max(0, int(box.x0 * width - more)),
        max(0, int(box.y0 * height - more)),
        min(width, int(box.x1 * width + more) + 1),
        min(height, int(box.y1 * height + more) + 1),
    )


def _finely(image: RgbImage, part: Part) -> Quads:
    longest = max(image.shape[:2])
    picture = image[part.y0 : part.y1, part.x0 : part.x1]
    scale = min(FINE, max(longest, LEAST_FINE)) / longest
    return np.asarray(_detected(picture, scale) + np.array([part.x0, part.y0]), np.float64)


def _found(image: RgbImage, part: Part) -> Quads:
    longest = max(image.shape[:2])
    picture = image[part.y0 : part.y1, part.x0 : part.x1]
    quads = _detected(picture, USUAL / longest)
    if len(quads) >= MANY and longest > USUAL:
        heights = np.minimum(
            np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1), np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1)
        )
        if np.median(heights) * USUAL / longest < SMALL:
            return _finely(image, part)
    return np.asarray(quads + np.array([part.x0, part.y0]), np.float64)


def _glanced_at(image: RgbImage) -> list[Part]:
    """The parts of a frame that look at all like text when it is made small: less will do than makes a line.

    None where nothing does; the whole frame where much of it does.
    """
    height, width = image.shape[:2]
    likely = _likelihood(image, GLANCE / max(height, width))[0, 0]
    if int((likely > FAINT).sum()) < FEW_PIXELS:
        return []
    around = np.ones((2 * ROWS_AROUND + 1, 2 * COLUMNS_AROUND + 1), np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate((likely > FAINTEST).astype(np.uint8), around))
    down, across = height / likely.shape[0], width / likely.shape[1]
    parts = [
        Part(int(x * across), int(y * down), round((x + wide) * across), round((y + high) * down))
        for x, y, wide, high, _ in (tuple(map(int, row)) for row in stats[1:])
    ]
    few = count - 1 <= MOST_PARTS and sum(part.area for part in parts) <= MOST_SHARE * height * width
    return parts if few else [whole(image)]


def _detected(picture: RgbImage, scale: float) -> Quads:
    """Corners in the picture's own pixels, found on it made larger or smaller."""
    height, width = picture.shape[:2]
    quads, _ = ocr.detector().postprocess_op(_likelihood(picture, scale), (height, width))
    return np.asarray(quads, np.float64).reshape(-1, 4, 2)


def _likelihood(picture: RgbImage, scale: float) -> NDArray[np.float32]:
    """How much like text each pixel of the scaled picture is, 0..1: (1, 1, rows, columns)."""
    from rapidocr.ch_ppocr_det.utils import DetPreProcess

    height, width = picture.shape[:2]
    size = max(LEAST_SIDE, round(width * scale)), max(LEAST_SIDE, round(height * scale))
    shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    detector: Any = ocr.detector()
    prepared = DetPreProcess(max(size), "max", detector.mean, detector.std)(np.ascontiguousarray(shown[:, :, ::-1]))
    return np.asarray(detector.session(prepared), np.float32)


def _stands(quad: NDArray[np.float64]) -> bool:
    across, down = np.linalg.norm(quad[1] - quad[0]), np.linalg.norm(quad[2] - quad[1])
    return bool(down > TALL * across)
