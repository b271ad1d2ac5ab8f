"""Frames of a video made small, for measuring: RGB, the longest side 128 to 255 pixels (more where the video is thin).

Scaling was two thirds of a scan. A power of two makes it cheap: the planes of 8-bit 4:2:0, which nearly all videos
are, are halved by averages of 2×2 some times before their colours are mixed, 0.15 ms for 720p where FFmpeg's scaler
takes 0.9. Frames of other formats, of full range, or of another size than the video's go through FFmpeg's to the same
small size.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

LEAST_LONGEST = 128
LEAST_SHORTEST = 16


def halvings(width: int, height: int) -> int:
    """How often a picture of this size is halved: until another time would make it too small."""
    times = 0
    while max(width, height) >> times >= 2 * LEAST_LONGEST and min(width, height) >> times >= 2 * LEAST_SHORTEST:
        times += 1
    return times


def small_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the small picture, both even, since two pixels share a colour."""
    times = halvings(width, height)
    return max(2, width >> times & ~1), max(2, height >> times & ~1)


class Shrink:
    """Makes a video's frames small. What it gives is overwritten by the next frame."""

    def __init__(self, width: int, height: int) -> None:
        self._of = (width, height)
        self._times = halvings(width, height)
        self.size = small_size(width, height)
        wide, high = self.size
        self._planar = np.empty((high * 3 // 2, wide), np.uint8)  # as OpenCV has 4:2:0: all of Y, then U, then V
        light, colour = wide * high, wide * high // 4
        flat = self._planar.reshape(-1)
        self._planes = (
            flat[:light].reshape(high, wide),
            flat[light : light + colour].reshape(high // 2, wide // 2),
            flat[light + colour :].reshape(high // 2, wide // 2),
        )
        self._rgb = np.empty((high, wide, 3), np.uint8)
        self._scaler = VideoReformatter()  # one for all frames: it keeps its tables

    def __call__(self, frame: Any) -> NDArray[np.uint8]:
        """The frame as RGB uint8 (height, width, 3)."""
        times = self._times
        if not self._halves(frame):
            times = 0
            frame = self._scaler.reformat(
                frame,
                *self.size,
                "yuv420p",
                interpolation=Interpolation.AREA,
                dst_color_range=ColorRange.MPEG,
                threads=1,
            )
        for plane, small in zip(frame.planes, self._planes, strict=True):
            _halve(plane, small, times)
        cv2.cvtColor(self._planar, cv2.COLOR_YUV2RGB_I420, dst=self._rgb)
        return self._rgb

    def _halves(self, frame: Any) -> bool:
        """True where the frame's planes can be halved as they are."""
        return (
            frame.format.name == "yuv420p"
            and frame.color_range != ColorRange.JPEG
            and (frame.width, frame.height) == self._of
            and min(self._of) >= 2 << self._times
        )


def _halve(plane: Any, small: NDArray[np.uint8], times: int) -> None:
    """Halve a plane into ``small``; columns and rows left over at the end are let go."""
    high, wide = small.shape
    picture: Any = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: high << times, : wide << times]
    if not times:
        small[:] = picture
        return
    for left in range(times - 1, 0, -1):
        picture = cv2.resize(picture, (wide << left, high << left), interpolation=cv2.INTER_AREA)
    cv2.resize(picture, (wide, high), dst=small, interpolation=cv2.INTER_AREA)
