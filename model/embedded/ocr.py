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

from model.protocol import Box, RgbImage

SETTINGS: Final = {"engine": "rapidocr", "weights": "PP-OCRv6-small", "settings": "cls off, batch 1, width 240"}
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
    """One recognised line. ``confidence`` is 0..1; ``tall`` says that its box stands on end, as sideways text does."""

    text: str
    box: Box
    confidence: float
    tall: bool


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
    lines = []
    for corners, text, confidence in zip(found.boxes, found.txts, found.scores, strict=True):
        xs, ys = corners[:, 0], corners[:, 1]
        box = Box(
            max(0.0, float(xs.min()) / width),
            max(0.0, float(ys.min()) / height),
            min(1.0, float(xs.max()) / width),
            min(1.0, float(ys.max()) / height),
        )
        across = float(np.linalg.norm(corners[1] - corners[0]))
        down = float(np.linalg.norm(corners[2] - corners[1]))
        lines.append(Line(text, box, float(confidence), down > 1.5 * across))
    return lines
