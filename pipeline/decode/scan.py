"""A span of a film looked over frame by frame at a small size: what finding shots and choosing frames needs to know.

Each frame's features depend on it and on the frame before it alone, so a film may be cut into spans in any way. A
span owns the frames after its first key frame up to and including the next span's first key frame: that one it decodes
once more than needed, to know the difference across the seam. The film's first frame belongs to the first span.
Decoding is most of the cost: of a frame of 720p, making it small takes 0.15 ms (shrink.py), measuring it 0.1 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.decode.film import Film
from pipeline.decode.shrink import Shrink
from pipeline.features import EDGE_GRID, LIGHT_GRID, SIGNATURE_BYTES, FrameFeatures, SpanEnd

FRAMES_AT_ONCE = 32


def scan_span(film: Film, start_s: float | None, end_s: float | None) -> Iterator[FrameFeatures | SpanEnd]:
    """A span's features, some frames at a time, then a SpanEnd.

    The span is of frames from the first key frame at or after ``start_s`` (None: from the film's start) up to the first
    at or after ``end_s`` (None: to its end).
    """
    film.damaged.clear()
    gathered = _Gathered()
    for features in _measured(film, start_s, end_s):
        gathered.add(*features)
        if len(gathered.times) == FRAMES_AT_ONCE:
            yield gathered.take()
    if gathered.times:
        yield gathered.take()
    index = film.index
    torn = index.end_s if index.torn else None
    yield SpanEnd(index.end_s, torn, index.declared_s, tuple(film.damaged))


def _measured(
    film: Film, start_s: float | None, end_s: float | None
) -> Iterator[tuple[float, float, float, float, bytes]]:
    index = film.index
    first = None if start_s is None else index.first_key_from(start_s)
    last = None if end_s is None else index.first_key_from(end_s)
    if start_s is not None and (first is None or first == last):
        return
    measure = _Measure(film)
    for stamp, frame in film.frames(first):
        if first is not None and stamp < first:
            continue  # shown before the key frame, decoded after it: the span before owns it
        if last is not None and stamp > last:
            return
        features = measure(frame)
        if first is None or stamp > first:
            yield index.seconds(stamp), *features
        if stamp == last:
            return


class _Measure:
    """Features of one frame after the other."""

    def __init__(self, film: Film) -> None:
        self._shrink = Shrink(max(1, film.stream.width), max(1, film.stream.height))
        self._before: NDArray[np.uint8] | None = None

    def __call__(self, frame: Any) -> tuple[float, float, float, bytes]:
        """(change, light, sharpness, signature)."""
        small = self._shrink(frame)
        colours = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
        change = -1.0
        if self._before is not None:
            change = cv2.norm(colours, self._before, cv2.NORM_L1) / colours.size
        self._before = colours
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        edges = cv2.Laplacian(grey, cv2.CV_16S)
        sharpness = cv2.norm(edges, cv2.NORM_L2) ** 2 / edges.size  # their mean is 0
        signature = _grid(grey, LIGHT_GRID) + _grid(cv2.convertScaleAbs(edges), EDGE_GRID)
        return change, sum(cv2.mean(small)[:3]) / 3, sharpness, signature


def _grid(picture: NDArray[np.uint8], cells: tuple[int, int]) -> bytes:
    return bytes(cv2.resize(picture, cells, interpolation=cv2.INTER_AREA).tobytes())


class _Gathered:
    """Features gathered into arrays."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._numbers: list[tuple[float, float, float]] = []
        self._signatures: list[bytes] = []

    def add(self, time_s: float, change: float, light: float, sharpness: float, signature: bytes) -> None:
        self.times.append(time_s)
        self._numbers.append((change, light, sharpness))
        self._signatures.append(signature)

    def take(self) -> FrameFeatures:
        numbers = np.asarray(self._numbers, np.float32)
        signatures = np.frombuffer(b"".join(self._signatures), np.uint8).reshape(-1, SIGNATURE_BYTES)
        features = FrameFeatures(
            np.asarray(self.times, np.float64),
            numbers[:, 0].copy(),
            numbers[:, 1].copy(),
            numbers[:, 2].copy(),
            signatures,
        )
        self.times, self._numbers, self._signatures = [], [], []
        return features
