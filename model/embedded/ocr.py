"""The OCR engine behind one function: RapidOCR, its weights inside its package, one thread a process.

Settings are those measured against the package's own: no direction classifier, crops one at a time without padding (a
third of the time saved at the same text). About 7 CPU-seconds for a dense page, 0.5 to 1 GB.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.protocol import Box, RgbImage

SETTINGS: Final = {"engine": "rapidocr", "weights": "PP-OCRv6-small", "settings": "cls off, batch 1, width 240"}
TALL = 1.5  # times as high as wide
LONG_LINE = 5.0  # times as wide as high: long enough to tell how it leans
MIN_LONG_LINES = 3
MAX_SKEW = 0.15  # radians, 8.6 degrees; beyond it nothing was scanned askew, it was set so

Quads = NDArray[np.float64]  # (…, 4, 2): corners in pixels, clockwise from the top left

_PARAMS: Final = {
    "Global.use_cls": False,
    "Global.log_level": "error",
    "Rec.rec_batch_num": 1,
    "Rec.rec_img_shape": [3, 48, 240],
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One recognised line. ``confidence`` is 0..1; ``tall`` says that its box stands on end, as sideways text does.

    ``box`` is where the line lies on the picture; ``straight`` where it would lie were the picture not skewed.
    """

    text: str
    box: Box
    confidence: float
    tall: bool
    straight: Box | None = None

    @property
    def place(self) -> Box:
        """The box by which lines are compared: columns and rows stand upright in it."""
        return self.straight or self.box


@cache
def _engine() -> Any:
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    from rapidocr import RapidOCR

    return RapidOCR(params=_PARAMS)


def recognise(image: RgbImage) -> list[Line]:
    """The lines on a picture, (height, width, 3) RGB, in no particular order."""
    found = _engine()(np.ascontiguousarray(image[:, :, ::-1]))
    if getattr(found, "txts", None) is None or found.boxes is None:
        return []
    height, width = image.shape[:2]
    quads = np.asarray(found.boxes, np.float64)
    sides = np.linalg.norm(np.diff(quads[:, :3], axis=1), axis=2)  # (lines, 2): along the top, down the right side
    tall = sides[:, 1] > TALL * sides[:, 0]
    level = _levelled(quads, skew(quads[~tall]), (width / 2, height / 2))
    return [
        Line(text, _share_box(quad, width, height), float(confidence), bool(stands), _share_box(flat, width, height))
        for quad, flat, stands, text, confidence in zip(quads, level, tall, found.txts, found.scores, strict=True)
    ]


def skew(quads: Quads) -> float:
    """The angle in radians by which the lines in (lines, 4, 2) corners lean, clockwise positive; 0 where unsure."""
    if len(quads) == 0:
        return 0.0
    along = quads[:, 1] - quads[:, 0]
    wide = np.linalg.norm(along, axis=1) > LONG_LINE * np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    if wide.sum() < MIN_LONG_LINES:
        return 0.0
    angle = float(np.median(np.arctan2(along[wide, 1], along[wide, 0])))
    return angle if abs(angle) < MAX_SKEW else 0.0


def _levelled(quads: Quads, angle: float, centre: tuple[float, float]) -> Quads:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray((quads - centre) @ np.array([[cos, -sin], [sin, cos]]) + centre, np.float64)


def _share_box(quad: Quads, width: int, height: int) -> Box:
    xs, ys = np.clip(quad[:, 0] / width, 0.0, 1.0), np.clip(quad[:, 1] / height, 0.0, 1.0)
    return Box(float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))
