"""Features of a video's frames: what a scan measures and what shots are found from. Plain arrays, 172 bytes a frame;
4 KB where a network is to look at them, until it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.failures import Failure

LIGHT_GRID = (4, 4)  # columns, rows: where the frame is light
EDGE_GRID = (16, 9)  # where it has edges, as print has
LIGHT_CELLS = LIGHT_GRID[0] * LIGHT_GRID[1]
SIGNATURE_BYTES = LIGHT_CELLS + EDGE_GRID[0] * EDGE_GRID[1]
MINIATURE = (48, 27)  # columns, rows: what a network looks at
MINIATURE_BYTES = 3 * MINIATURE[0] * MINIATURE[1]


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """Features of consecutive frames, one array element a frame.

    ``change`` is the mean difference from the frame before in hue, saturation and value (0..255; -1 for the video's
    first frame), ``light`` the mean of all colours, ``sharpness`` the variance of the Laplacian, ``signature`` how
    light and how full of edges each part of the frame is. Where a network finds the shots, ``miniature`` is the frame
    as it sees it, and ``transition`` what it says: how likely one shot turns into another there, 0..1.
    """

    times: NDArray[np.float64]
    change: NDArray[np.float32]
    light: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    signature: NDArray[np.uint8]  # (frames, SIGNATURE_BYTES)
    miniature: NDArray[np.uint8] | None = None  # (frames, MINIATURE_BYTES)
    transition: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.times)

    def part(self, numbers: range) -> FrameFeatures:
        """Consecutive frames of these; nothing is copied."""
        whole: list[Any] = [getattr(self, field.name) for field in fields(self)]
        part: list[Any] = [None if column is None else column[numbers.start : numbers.stop] for column in whole]
        return FrameFeatures(*part)


@dataclass(frozen=True, slots=True)
class SpanEnd:
    """What is known at a span's end. ``video_end_s`` is where the video's last frame ends; ``truncated_s`` where it
    breaks off and ``declared_s`` where it should have ended; ``damaged_s`` when packets did not decode. ``captions``
    are the caption bytes that the span's frames carry, each with the frame's time."""

    video_end_s: float
    truncated_s: float | None = None
    declared_s: float | None = None
    damaged_s: tuple[float, ...] = ()
    captions: tuple[tuple[float, bytes], ...] = ()


NO_FRAMES = FrameFeatures(
    np.empty(0, np.float64),
    np.empty(0, np.float32),
    np.empty(0, np.float32),
    np.empty(0, np.float32),
    np.empty((0, SIGNATURE_BYTES), np.uint8),
)


@dataclass(frozen=True, slots=True)
class ScannedSpan:
    """Features of a span's frames, and how it ended: with a SpanEnd, or before its end with a failure."""

    features: FrameFeatures
    end: SpanEnd | Failure


def join_features(parts: Sequence[FrameFeatures]) -> FrameFeatures:
    """The parts one after the other. What one of them lacks, the whole does."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return NO_FRAMES
    joined: list[Any] = []
    for field in fields(NO_FRAMES):
        columns = [getattr(part, field.name) for part in parts]
        joined.append(None if any(column is None for column in columns) else np.concatenate(columns))
    return FrameFeatures(*joined)
