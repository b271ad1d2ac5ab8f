"""The ruled lines of a scanned page, found in its picture: what tables are drawn with. About 20 ms a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from folioscope.model.protocol import Box, RgbImage

SHORTEST = 0.018  # of the page's longer side
THICKEST = 0.006  # of the page's longer side
CONTRAST = 12  # grey levels that ink stands out from the paper round it
STEM = 1.2  # line heights that a letter's stem may have
STRAIGHTEN = 0.002  # radians; a page that leans less is taken as it is


@dataclass(frozen=True, slots=True)
class Ruling:
    """A line from side to side or from top to bottom; its box is as thick as the line."""

    box: Box
    across: bool


def find_rulings(image: RgbImage, lean: float = 0.0, lines: Sequence[Box] = ()) -> list[Ruling]:
    """The rulings of a page that leans by so many radians, as they would stand on the page set straight.

    ``lines`` are where its lines of writing stand: what is no higher than the line round it is a letter's stem.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    if abs(lean) > STRAIGHTEN:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(np.degrees(lean)), 1.0)
        grey = cv2.warpAffine(grey, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    block = max(3, max(height, width) // 50) | 1
    ink = cv2.adaptiveThreshold(255 - grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block, -CONTRAST)
    down = [ruling for ruling in _along(ink, across=False) if not any(_is_stem(ruling.box, line) for line in lines)]
    return [*_along(ink, across=True), *down]


def _is_stem(box: Box, line: Box) -> bool:
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return line.x0 <= x <= line.x1 and line.y0 <= y <= line.y1 and box.y1 - box.y0 < STEM * (line.y1 - line.y0)


def _along(ink: NDArray[np.uint8], *, across: bool) -> list[Ruling]:
    height, width = ink.shape
    longer = max(height, width)
    least, most = max(12, round(SHORTEST * longer)), max(5, round(THICKEST * longer))
    strokes = cv2.morphologyEx(
        ink, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_RECT, (least, 1) if across else (1, least))
    )
    strokes = cv2.dilate(strokes, np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(strokes)
    found = []
    for x, y, w, h, _ in stats[1:].tolist():
        if (h if across else w) <= most + 2 and (w if across else h) >= least:
            found.append(Ruling(Box(x / width, y / height, (x + w) / width, (y + h) / height), across))
    return found
