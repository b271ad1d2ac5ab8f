"""What of a frame is new since the one before: cell by cell, and as a few parts of the frame to be looked at again.

A cell is a 120th of the frame's width: noise averages out in it, a changed letter does not. Costs 5 ms for 720p.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from folioscope.model.embedded.frame_text import Part
from folioscope.model.protocol import Box, RgbImage

CELLS: Final = 120  # across a frame
CHANGED: Final = 12.0  # grey levels; a cell that differs by more has something new in it
MARGIN: Final = 4  # cells around what changed that are looked at with it
MOST_PARTS: Final = 6
MOST_SHARE: Final = 0.5  # of the frame that is looked at in parts; beyond that all of it is
_AROUND: Final = np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)

Cells = NDArray[np.float32]


def cells_of(image: RgbImage) -> Cells:
    """Mean grey of the cells of a coarse grid."""
    size = _size(image)
    rows, columns = image.shape[0] // size, image.shape[1] // size
    grey = cv2.transform(image[: rows * size, : columns * size], np.full((1, 3), 1 / 3))
    return np.asarray(cv2.resize(grey.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def _size(image: RgbImage) -> int:
    return max(1, int(image.shape[1]) // CELLS)


def changed_cells(before: Cells, after: Cells) -> NDArray[np.bool_]:
    """Cells that hold something new; all where the frames are of different sizes."""
    if before.shape != after.shape:
        return np.ones(after.shape, np.bool_)
    return np.asarray(np.abs(before - after) > CHANGED)


def touched(box: Box, changed: NDArray[np.bool_], image: RgbImage) -> bool:
    """Whether something in the box has changed."""
    size = _size(image)
    height, width = image.shape[:2]
    rows = slice(int(box.y0 * height) // size, -(-int(np.ceil(box.y1 * height)) // size))
    columns = slice(int(box.x0 * width) // size, -(-int(np.ceil(box.x1 * width)) // size))
    return bool(changed[rows, columns].any())


def changed_parts(changed: NDArray[np.bool_], image: RgbImage, known: list[Box]) -> list[Part] | None:
    """The parts of a frame to look at again, with the whole of each known line that they reach; None: all of it."""
    size = _size(image)
    height, width = image.shape[:2]
    marks = changed.astype(np.uint8)
    reach = cv2.dilate(marks, _AROUND).astype(np.bool_)
    for box in known:
        if touched(box, reach, image):
            top, left = int(box.y0 * height) // size, int(box.x0 * width) // size
            marks[top : int(box.y1 * height) // size + 1, left : int(box.x1 * width) // size + 1] = 1
    wide = cv2.dilate(marks, _AROUND)
    count, _, stats, _ = cv2.connectedComponentsWithStats(wide)
    if count - 1 > MOST_PARTS:
        return None
    rows, columns = changed.shape
    parts = [
        Part(
            x * size,
            y * size,
            width if x + across >= columns else (x + across) * size,
            height if y + down >= rows else (y + down) * size,
        )
        for x, y, across, down, _ in (tuple(map(int, row)) for row in stats[1:])
    ]
    return parts if sum(part.area for part in parts) <= MOST_SHARE * width * height else None
