"""A span of a video looked over frame by frame at a small size: what finding shots and choosing frames needs to know.

Each frame's features depend on it and on the frame before it alone, so a video may be cut into spans in any way. A
span owns the frames after its first key frame up to and including the next span's first key frame: that one it decodes
once more than needed, to know the difference across the seam. The video's first frame belongs to the first span.
Decoding is most of the cost: of a frame of 720p, making it small takes 0.15 ms (shrink.py), measuring it 0.1 ms.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.decode.closed_captions import CaptionBytes, caption_bytes
from folioscope.pipeline.decode.shrink import Shrink
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.video.features import (
    EDGE_GRID,
    LIGHT_GRID,
    MINIATURE,
    MINIATURE_BYTES,
    SIGNATURE_BYTES,
    FrameFeatures,
    SpanEnd,
)

FRAMES_AT_ONCE = 32
FRAMES_HELD = 16  # a frame whose side data was asked for refers to itself: only the collector lets its pixels go


def scan_span(
    video: Video, start_s: float | None, end_s: float | None, *, miniatures: bool = False
) -> Iterator[FrameFeatures | SpanEnd]:
    """A span's features, some frames at a time, then a SpanEnd. ``miniatures``: what a network needs to see, too.

    The span is of frames from the first key frame at or after ``start_s`` (None: from the video's start) up to the
    first at or after ``end_s`` (None: to its end).
    """
    video.damaged.clear()
    gathered = _Gathered()
    measure = _Measure(video, miniatures=miniatures)
    captions: list[CaptionBytes] = []
    for features in _measured(video, measure, start_s, end_s, captions):
        gathered.add(*features)
        if len(gathered.times) == FRAMES_AT_ONCE:
            yield gathered.take()
    if gathered.times:
        yield gathered.take()
    index = video.index
    truncated = index.end_s if index.truncated else None
    yield SpanEnd(index.end_s, truncated, index.declared_s, tuple(video.damaged), tuple(captions))


def _measured(
    video: Video, measure: _Measure, start_s: float | None, end_s: float | None, captions: list[CaptionBytes]
) -> Iterator[tuple[float, float, float, float, bytes, bytes]]:
    index = video.index
    first = None if start_s is None else index.first_key_from(start_s)
    last = None if end_s is None else index.first_key_from(end_s)
    if start_s is not None and (first is None or first == last):
        return
    _leave_modules_to_themselves()
    for number, (stamp, frame) in enumerate(video.frames(first)):
        if number % FRAMES_HELD == 0:
            gc.collect()
        if first is not None and stamp < first:
            continue  # shown before the key frame, decoded after it: the span before owns it
        if last is not None and stamp > last:
            return
        features = measure(frame)
        if first is None or stamp > first:
            if pairs := caption_bytes(frame):
                captions.append((index.seconds(stamp), pairs))
            yield index.seconds(stamp), *features
        if stamp == last:
            return


@cache
def _leave_modules_to_themselves() -> None:
    """Take what is loaded out of the collector's rounds, so that one costs a fraction of a millisecond."""
    gc.collect()
    gc.freeze()


class _Measure:
    """Features of one frame after the other."""

    def __init__(self, video: Video, *, miniatures: bool) -> None:
        self._miniatures = miniatures
        self._shrink = Shrink(max(1, video.stream.width), max(1, video.stream.height))
        self._before: NDArray[np.uint8] | None = None

    def __call__(self, frame: Any) -> tuple[float, float, float, bytes, bytes]:
        """(change, light, sharpness, signature, miniature or nothing)."""
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
        miniature = _grid(small, MINIATURE) if self._miniatures else b""
        return change, sum(cv2.mean(small)[:3]) / 3, sharpness, signature, miniature


def _grid(picture: NDArray[np.uint8], cells: tuple[int, int]) -> bytes:
    return bytes(cv2.resize(picture, cells, interpolation=cv2.INTER_AREA).tobytes())


def _rows(parts: list[bytes], length: int) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, length)


class _Gathered:
    """Features gathered into arrays."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._numbers: list[tuple[float, float, float]] = []
        self._signatures: list[bytes] = []
        self._miniatures: list[bytes] = []

    def add(
        self, time_s: float, change: float, light: float, sharpness: float, signature: bytes, miniature: bytes
    ) -> None:
        self.times.append(time_s)
        self._numbers.append((change, light, sharpness))
        self._signatures.append(signature)
        if miniature:
            self._miniatures.append(miniature)

    def take(self) -> FrameFeatures:
        numbers = np.asarray(self._numbers, np.float32)
        signatures = _rows(self._signatures, SIGNATURE_BYTES)
        features = FrameFeatures(
            np.asarray(self.times, np.float64),
            numbers[:, 0].copy(),
            numbers[:, 1].copy(),
            numbers[:, 2].copy(),
            signatures,
            _rows(self._miniatures, MINIATURE_BYTES) if self._miniatures else None,
        )
        self.times, self._numbers, self._signatures, self._miniatures = [], [], [], []
        return features
