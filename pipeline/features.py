"""Features of a film's frames: what a scan measures and what shots are found from. Plain arrays, 84 bytes a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

LIGHT_GRID = (4, 4)  # columns, rows: where the frame is light
EDGE_GRID = (8, 6)  # where it has edges, as print has
LIGHT_CELLS = LIGHT_GRID[0] * LIGHT_GRID[1]
SIGNATURE_BYTES = LIGHT_CELLS + EDGE_GRID[0] * EDGE_GRID[1]


@dataclass(frozen=True, slots=True)
class FrameFeatures:
    """Features of consecutive frames, one array element a frame.

    ``change`` is the mean difference from the frame before in hue, saturation and value (0..255; -1 for the film's
    first frame), ``light`` the mean of all colours, ``sharpness`` the variance of the Laplacian, ``signature`` how
    light and how full of edges each part of the frame is.
    """

    times: NDArray[np.float64]
    change: NDArray[np.float32]
    light: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    signature: NDArray[np.uint8]  # (frames, SIGNATURE_BYTES)

    def __len__(self) -> int:
        return len(self.times)

    def part(self, numbers: range) -> FrameFeatures:
        """Consecutive frames of these; nothing is copied."""
        return FrameFeatures(*(getattr(self, field.name)[numbers.start : numbers.stop] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class SpanEnd:
    """What is known at a span's end. ``film_end_s`` is where the film's last frame ends; ``torn_s`` where the film
    breaks off and ``declared_s`` where it should have ended; ``damaged_s`` when packets did not decode."""

    film_end_s: float
    torn_s: float | None = None
    declared_s: float | None = None
    damaged_s: tuple[float, ...] = ()


NO_FRAMES = FrameFeatures(
    np.empty(0, np.float64),
    np.empty(0, np.float32),
    np.empty(0, np.float32),
    np.empty(0, np.float32),
    np.empty((0, SIGNATURE_BYTES), np.uint8),
)


def join_features(parts: Sequence[FrameFeatures]) -> FrameFeatures:
    """The parts one after the other."""
    if not parts:
        return NO_FRAMES
    return FrameFeatures(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(NO_FRAMES))
    )
