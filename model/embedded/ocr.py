"""RapidOCR behind one function: Chinese, Japanese and Latin letters, its weights inside its package, one thread.

Settings are those measured against the package's own: no direction classifier, crops one at a time without padding (a
third of the time saved at the same text). About 7 CPU-seconds for a dense page, 0.5 to 1 GB.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from folioscope.model.protocol import Box, RgbImage

SETTINGS: Final = {"engine": "rapidocr", "weights": "PP-OCRv6-small", "settings": "cls off, batch 1, width 240"}
TALL = 1.5  # times as high as wide
LONG_LINE = 5.0  # times as wide as high: long enough to tell how it leans
MIN_LONG_LINES = 3
LEAST_CONFIDENCE = 0.5  # below it a line is not read at all
MAX_SKEW = 0.15  # radians, 8.6 degrees; beyond it nothing was scanned askew, it was set so

Quads = NDArray[np.float64]  # (…, 4, 2): corners in pixels, clockwise from the top left

_PARAMS: Final = {
    "Global.use_cls": False,
    "Global.return_word_box": True,
    "Global.log_level": "error",
    "Rec.rec_batch_num": 1,
    "Rec.rec_img_shape": [3, 48, 240],
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a line, or a single ideograph. ``box`` is where it would lie were the picture not skewed."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Line:
    """One recognised line. ``confidence`` is 0..1; ``tall`` says that its box stands on end, as sideways text does.

    ``box`` is where the line lies on the picture; ``straight`` where it would lie were the picture not skewed by
    ``lean`` radians, clockwise. ``words`` are empty where the engine does not tell them apart.
    """

    text: str
    box: Box
    confidence: float
    tall: bool
    straight: Box | None = None
    words: tuple[Word, ...] = ()
    lean: float = 0.0

    @property
    def place(self) -> Box:
        """The box by which lines are compared: columns and rows stand upright in it."""
        return self.straight or self.box


@dataclass(frozen=True, slots=True)
class Places:
    """Where lines stand on a picture: (lines, 4, 2) corners, which of them stand on end, and how the picture leans."""

    quads: Quads
    tall: NDArray[np.bool_]
    lean: float


@cache
def _engine() -> Any:
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    from rapidocr import RapidOCR

    return RapidOCR(params=_PARAMS)


def recognise(image: RgbImage) -> list[Line]:
    """The lines on a picture, (height, width, 3) RGB, in no particular order."""
    places = find_lines(image)
    return [line for line in read_lines(image, places, range(len(places.quads))) if line is not None]


def find_lines(image: RgbImage, scale: float = 1.0) -> Places:
    """Where lines of writing stand, in any script. ``scale`` shrinks the picture first."""
    seen = image if scale == 1.0 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = _engine()(np.ascontiguousarray(seen[:, :, ::-1]), use_det=True, use_rec=False, use_cls=False).boxes
    if found is None or not len(found):
        return Places(np.zeros((0, 4, 2)), np.zeros(0, np.bool_), 0.0)
    quads = np.asarray(found, np.float64) * (np.array(image.shape[1::-1]) / np.array(seen.shape[1::-1]))
    sides = np.linalg.norm(np.diff(quads[:, :3], axis=1), axis=2)  # (lines, 2): along the top, down the right side
    tall = sides[:, 1] > TALL * sides[:, 0]
    return Places(quads, tall, skew(quads[~tall]))


def read_lines(image: RgbImage, places: Places, which: Iterable[int]) -> list[Line | None]:
    """RapidOCR's reading of some of the lines, in their order; None where it reads nothing worth the name."""
    chosen = list(which)
    if not chosen:
        return []
    engine = _engine()
    reversed_colours = np.ascontiguousarray(image[:, :, ::-1])
    quads = places.quads[chosen].astype(np.float32)
    crops = engine.crop_text_regions(reversed_colours, quads)
    engine.return_word_box = True
    found = engine.recognize_txt(crops)
    lines: list[Line | None] = []
    for n, text, score, crop, quad, of_words in zip(
        chosen, found.txts, found.scores, crops, quads, found.word_results, strict=True
    ):
        if not text.strip() or score < LEAST_CONFIDENCE:
            lines.append(None)
            continue
        placed = _word_quads(engine, crop, quad, (text,), (score,), (of_words,))
        lines.append(line_at(image, places, n, text, float(score), placed))
    return lines


def _word_quads(
    engine: Any, crop: Any, quad: Any, texts: tuple[str], scores: tuple[float], words: tuple[Any]
) -> list[tuple[str, Quads]]:
    """(word, corners) of one line; none where the engine cannot tell its words apart."""
    from rapidocr.ch_ppocr_rec import TextRecOutput

    if not words[0]:
        return []
    result = TextRecOutput(imgs=[crop], txts=texts, scores=scores, word_results=words)
    placed = engine.calc_word_boxes([crop], quad[None], result)
    return [(text, np.asarray(box, np.float64)) for text, _, box in placed[0]] if placed else []


def line_at(
    image: RgbImage, places: Places, number: int, text: str, confidence: float, words: Sequence[tuple[str, Quads]]
) -> Line:
    """A line that was read at one of the places; ``words`` with their corners on the picture."""
    height, width = image.shape[:2]
    centre = (width / 2, height / 2)
    quad = places.quads[number]
    return Line(
        text,
        _share_box(quad, width, height),
        confidence,
        bool(places.tall[number]),
        _share_box(_levelled(quad, places.lean, centre), width, height),
        tuple(Word(word, _share_box(_levelled(box, places.lean, centre), width, height)) for word, box in words),
        places.lean,
    )


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


def engine() -> Any:
    """The engine itself, its recogniser loaded: for videos, which find and read lines at sizes of their own."""
    return _engine()


def recogniser() -> Any:
    """The engine's recogniser of lines, loaded."""
    return _engine()._load_rec_model()


def detector() -> Any:
    """The engine's detector of text, loaded."""
    return _engine()._load_det_model()
