"""Frames made small: every kind and size of frame gives the picture that FFmpeg's own scaler gives, nearly."""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Interpolation
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from folioscope.pipeline.decode.shrink import LEAST_LONGEST, Shrink, small_size


def scene(width: int, height: int) -> NDArray[np.uint8]:
    """A smooth coloured picture with a light square in it."""
    rng = np.random.default_rng(3)
    picture = cv2.resize(rng.integers(20, 200, (4, 4, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    picture[height // 3 : height // 2, width // 3 : width // 2] = 250
    return picture


def frame_of(picture: NDArray[np.uint8], pixel_format: str) -> Any:
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)


def unlike(frame: Any, small: NDArray[np.uint8]) -> float:
    """Mean difference, of 255, from what FFmpeg makes of the frame; its edge is left out, which we may cut."""
    theirs = frame.reformat(small.shape[1], small.shape[0], "rgb24", interpolation=Interpolation.AREA).to_ndarray()
    return float(np.abs(small[2:-2, 2:-2].astype(int) - theirs[2:-2, 2:-2]).mean())


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (720, 576), (321, 243), (100, 60)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv422p", "yuv420p10le", "nv12", "gray", "bgra"])
def test_a_small_picture_is_the_scalers_nearly(pixel_format: str, size: tuple[int, int]) -> None:
    frame = frame_of(scene(*size), pixel_format)
    small = Shrink(*size)(frame)
    assert small.shape == (small_size(*size)[1], small_size(*size)[0], 3)
    assert unlike(frame, small) < 4


def test_a_frame_of_full_range_is_as_light_as_one_of_limited_range() -> None:
    picture = scene(640, 360)
    limited = Shrink(640, 360)(frame_of(picture, "yuv420p")).copy()
    full = frame_of(picture, "yuv420p").reformat(
        format="yuv420p", src_color_range=ColorRange.MPEG, dst_color_range=ColorRange.JPEG
    )
    full.color_range = ColorRange.JPEG
    assert np.abs(Shrink(640, 360)(full).astype(int) - limited).mean() < 4


def test_a_frame_of_another_size_comes_out_in_the_videos() -> None:
    shrink = Shrink(1280, 720)
    own = shrink(frame_of(scene(1280, 720), "yuv420p")).copy()
    other = shrink(frame_of(scene(640, 360), "yuv420p"))
    assert other.shape == own.shape
    assert np.abs(other.astype(int) - own).mean() < 4


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_a_small_size_is_even_and_no_smaller_than_measuring_needs(width: int, height: int) -> None:
    wide, high = small_size(width, height)
    assert wide % 2 == high % 2 == 0
    assert max(wide, high) >= min(LEAST_LONGEST, max(2, max(width, height) - 1))
    assert min(wide, high) >= min(16, max(2, min(width, height) - 1))


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (2, 2), (2048, 34)])
def test_the_tiniest_and_thinnest_frames_do(size: tuple[int, int]) -> None:
    assert Shrink(*size)(frame_of(scene(*size), "yuv420p")).shape[2] == 3
