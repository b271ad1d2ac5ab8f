"""The screen of a video as it changes: the lines that stand on it, of which only new ones are found and read.

It goes on from shot to shot: a slide that stands for a minute is read once. What changes beside a line is no change of
it: where the coarse grid cannot tell, the line's own pixels do. Memory is a thumbnail, and the lines with theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from folioscope.model.embedded import frame_text
from folioscope.model.embedded.changes import Cells, cells_of, changed_cells, changed_parts, touched
from folioscope.model.embedded.frame_text import box_of
from folioscope.model.embedded.ocr import Line
from folioscope.model.page_images import is_blank
from folioscope.model.protocol import Box, RgbImage

PATCH_ROWS: Final = 16
PATCH_COLUMNS: Final = 640
LETTER_CHANGED: Final = 12.0  # grey levels, on average over half a letter's height and width
SAME_EXTENT: Final = 0.5  # of a line's height

Patch = NDArray[np.float32]


class Screen:
    """What stood there last: its cells, and the lines that were read."""

    def __init__(self) -> None:
        self._cells: Cells | None = None
        self._lines: list[Line] = []
        self._patches: dict[Line, Patch] = {}  # of each line, as it was read

    def look(self, image: RgbImage) -> tuple[list[Line], list[Line]]:
        """(lines that stand where they stood, lines that are new) on the next frame, in no particular order."""
        cells = cells_of(image)
        if self._cells is None or self._cells.shape != cells.shape:
            changed, kept = np.ones(cells.shape, np.bool_), []
        else:
            changed = changed_cells(self._cells, cells)
            kept = [line for line in self._lines if self._stands(line, changed, image)]
            cells = np.where(changed, cells, self._cells)  # what changes little by little is seen in time
        new = self._new(image, changed, kept) if changed.any() else []
        kept = [line for line in kept if not any(same_place(line.box, grown.box) for grown in new)]
        self._cells, self._lines = cells, kept + new
        patches = self._patches
        self._patches = {line: patches[line] for line in kept} | {line: patch_of(image, line.box) for line in new}
        return kept, new

    def _stands(self, line: Line, changed: NDArray[np.bool_], image: RgbImage) -> bool:
        if not touched(line.box, changed, image):
            return True
        return alike(self._patches[line], patch_of(image, line.box))

    def _new(self, image: RgbImage, changed: NDArray[np.bool_], kept: Sequence[Line]) -> list[Line]:
        if is_blank(image):
            return []
        parts = changed_parts(changed, image, [line.box for line in self._lines])
        height, width = image.shape[:2]
        quads = frame_text.find_text(image, parts)
        wanted = []
        for quad in quads:
            box = box_of(quad, width, height)
            known = parts is not None or any(same_place(box, line.box) for line in kept)
            as_read = any(same_extent(box, line.box, image) for line in kept)
            wanted.append(not as_read and (touched(box, changed, image) or not known))
        return frame_text.read_text(image, quads[np.asarray(wanted, np.bool_)])


def patch_of(image: RgbImage, box: Box) -> Patch:
    """A line's pixels in grey, made small."""
    height, width = image.shape[:2]
    rows = slice(int(box.y0 * height), max(int(box.y0 * height) + 1, round(box.y1 * height)))
    columns = slice(int(box.x0 * width), max(int(box.x0 * width) + 1, round(box.x1 * width)))
    grey = image[rows, columns].mean(axis=2, dtype=np.float32)
    wide = min(PATCH_COLUMNS, max(1, round(PATCH_ROWS * grey.shape[1] / grey.shape[0])))
    return np.asarray(cv2.resize(grey, (wide, PATCH_ROWS), interpolation=cv2.INTER_AREA), np.float32)


def alike(a: Patch, b: Patch) -> bool:
    """True where no letter has changed: nowhere in a letter's width do the pixels differ by more than noise does."""
    if a.shape != b.shape:
        return False
    return float(cv2.blur(np.abs(a - b), (PATCH_ROWS // 2, PATCH_ROWS // 2)).max()) < LETTER_CHANGED


def same_extent(a: Box, b: Box, image: RgbImage) -> bool:
    """Both boxes begin and end at the same letters."""
    height, width = image.shape[:2]
    near = (b.y1 - b.y0) * height * SAME_EXTENT
    across = max(abs(a.x0 - b.x0), abs(a.x1 - b.x1)) * width
    return bool(across <= near and max(abs(a.y0 - b.y0), abs(a.y1 - b.y1)) * height <= near)


def same_place(a: Box, b: Box) -> bool:
    """Half of the smaller box lies in the other one."""
    across = min(a.x1, b.x1) - max(a.x0, b.x0)
    down = min(a.y1, b.y1) - max(a.y0, b.y0)
    return across > 0 and down > 0 and across * down > 0.5 * min(_area(a), _area(b))


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
