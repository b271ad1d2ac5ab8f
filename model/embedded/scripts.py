"""Which script a line of print is in, told from its picture: one of 25, none (digits, signs, noise), or upside down.

A network of four convolutions that lies beside this module (``scripts.onnx``, 0.2 MB; ``examples/script_lines`` draws
its lessons and trains it). It says what no reader here can say of itself: OCR that does not know a script answers with
letters that it knows. About 2 ms a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

SCRIPTS: Final = (
    "None Latin Greek Cyrillic Arabic Hebrew Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam "
    "Sinhala Thai Lao Khmer Myanmar Tibetan Georgian Armenian Ethiopic Hangul CJK Turned"
).split()
CROP: Final = (32, 192)
_WEIGHTS = Path(__file__).with_name("scripts.onnx")


def script_shares(lines: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """(lines, scripts): how likely each line, a grey picture, is in each of SCRIPTS."""
    if not lines:
        return np.zeros((0, len(SCRIPTS)), np.float32)
    crops = np.stack([crop_of(line) for line in lines])[:, None]
    return np.asarray(_session().run(["shares"], {"lines": crops})[0], np.float32)


def crop_of(line: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A line as the network sees it: ink 1 on paper 0, of fixed height, its middle where it is long."""
    height, width = CROP
    scaled = cv2.resize(
        line, (max(8, round(line.shape[1] * height / line.shape[0])), height), interpolation=cv2.INTER_AREA
    )
    excess = scaled.shape[1] - width
    if excess > 0:
        scaled = scaled[:, excess // 2 : excess // 2 + width]
    dark, light = (float(value) for value in np.percentile(scaled, (2, 98)))
    ink = np.clip((light - scaled.astype(np.float32)) / max(16.0, light - dark), 0.0, 1.0)
    if ink.mean() > 0.5:  # light letters on dark
        ink = 1.0 - ink
    crop = np.zeros(CROP, np.float32)
    crop[:, : scaled.shape[1]] = ink
    return crop


@cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(_WEIGHTS), options, providers=["CPUExecutionProvider"])
