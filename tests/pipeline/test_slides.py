"""Slides and screens: shots end where a picture that stands is replaced, the fullest state is read, motion is no slide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folioscope.pipeline.video.features import EDGE_GRID, LIGHT_GRID, FrameFeatures
from folioscope.pipeline.video.shots import Shot, ShotSettings, VideoScan, find_shots

SETTINGS = ShotSettings()
WIDE, HIGH = 160, 90
FPS = 12
DENSE = ["the weir at Sallow", "was built in 1911", "and mended twice", "its gauge stands", "below the bridge"]


def slide(lines: Sequence[str], paper: int = 245) -> Any:
    """A small picture of a slide: lines from top to bottom."""
    image = np.full((HIGH, WIDE, 3), paper, np.uint8)
    for number, line in enumerate(lines):
        cv2.putText(image, line, (6, 14 + 15 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (20, 20, 20), 1, cv2.LINE_AA)
    return image


def measured(pictures: Sequence[Any], fps: float = FPS) -> FrameFeatures:
    """Features of pictures as the scan measures them (decode/scan.py), without encoding them."""
    changes, lights, sharpness, signatures = [], [], [], []
    before = None
    for picture in pictures:
        colours = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
        changes.append(-1.0 if before is None else cv2.norm(colours, before, cv2.NORM_L1) / colours.size)
        before = colours
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        edges = cv2.Laplacian(grey, cv2.CV_16S)
        lights.append(float(picture.mean()))
        sharpness.append(cv2.norm(edges, cv2.NORM_L2) ** 2 / edges.size)
        grids = (
            cv2.resize(grey, LIGHT_GRID, interpolation=cv2.INTER_AREA),
            cv2.resize(cv2.convertScaleAbs(edges), EDGE_GRID, interpolation=cv2.INTER_AREA),
        )
        signatures.append(np.concatenate([grid.reshape(-1) for grid in grids]))
    return FrameFeatures(
        np.arange(len(pictures)) / fps,
        np.asarray(changes, np.float32),
        np.asarray(lights, np.float32),
        np.asarray(sharpness, np.float32),
        np.asarray(signatures, np.uint8),
    )


def shots_of(pictures: Sequence[Any], fps: float = FPS) -> list[Shot]:
    return find_shots(VideoScan(measured(pictures, fps), len(pictures) / fps), SETTINGS)


def lasting(seconds: float, picture: Any, fps: float = FPS) -> list[Any]:
    return [picture] * round(seconds * fps)


def starts(shots: Sequence[Shot]) -> list[float]:
    return [round(shot.start_s, 2) for shot in shots]


def test_a_sparse_slide_is_a_shot_and_is_read_beside_a_full_one() -> None:
    shots = shots_of([*lasting(2, slide(DENSE)), *lasting(2, slide(["Questions?"])), *lasting(2, slide(DENSE[::-1]))])
    assert starts(shots) == [0.0, 2.0, 4.0]
    assert [len(shot.frame_times) for shot in shots] == [1, 1, 1]


def test_a_slide_that_builds_up_is_one_shot_read_in_its_fullest_state() -> None:
    pictures = [picture for n in range(1, 6) for picture in lasting(1, slide(DENSE[:n]))]
    [shot] = shots_of(pictures)
    assert [4.0 <= time_s < 5.0 for time_s in shot.frame_times] == [True]
    assert len(shot.glimpses) == 4, "one of each state before"
    stays = dict(zip((*shot.frame_times, *shot.glimpses), shot.stays, strict=True))
    assert sorted(stays.values()) == [pytest.approx((n, n + 1)) for n in range(5)]


def test_a_slide_that_fades_in_is_cut_within_its_fade() -> None:
    one, other = slide(DENSE), slide(["Part two", "the flood"])
    fade = [cv2.addWeighted(other, n / 6, one, 1 - n / 6, 0) for n in range(1, 6)]
    shots = shots_of([*lasting(2, one), *fade, *lasting(2, other)])
    assert len(shots) == 2
    assert 2.0 <= shots[1].start_s <= 2.5


def test_slides_beside_a_speaker_who_moves_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    pictures = []
    for lines in (DENSE, ["Part two", "the flood", "of 1987"], ["Thanks"]):
        for picture in lasting(2, slide(lines)):
            shown = picture.copy()
            shown[60:, 120:] = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (40, 30))
            pictures.append(shown)
    assert starts(shots_of(pictures)) == [0.0, 2.0, 4.0]


@pytest.mark.parametrize("fps", [1.0, 2.0])
def test_slides_at_a_frame_a_second_are_cut_too(fps: float) -> None:
    parts = [slide(DENSE), slide(["Part two", "the flood"]), slide(["Thanks", "and goodbye", "to all"])]
    assert starts(shots_of([p for part in parts for p in lasting(4, part, fps)], fps)) == [0.0, 4.0, 8.0]


def texture(seed: int, size: int = 400) -> Any:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(30, 225, (size // 20, size // 20, 3), np.uint8), (size, size))
    return cv2.addWeighted(coarse, 0.8, rng.integers(0, 255, (size, size, 3), np.uint8), 0.2, 0)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 1000),
    st.lists(
        st.tuples(st.sampled_from(["rest", "pan", "tilt", "zoom", "flash"]), st.floats(0.8, 2.0)),
        min_size=2,
        max_size=6,
    ),
)
def test_a_camera_that_pans_rests_and_zooms_and_flashes_make_no_cuts(seed: int, moves: list[tuple[str, float]]) -> None:
    scene = texture(seed)
    x, y, wide = 80.0, 80.0, 200.0
    noise = np.random.default_rng(seed)
    pictures = []
    for move, seconds in moves:
        count = round(seconds * FPS)
        # As far as the scene goes, over the whole of the time: what takes half a second is a change of picture.
        right, down, in_ = (max(0.0, far) / count for far in (min(90, 160 - x), min(60, 130 - y), min(60, wide - 105)))
        for number in range(count):
            x += right if move == "pan" else 0
            y += down if move == "tilt" else 0
            wide -= in_ if move == "zoom" else 0
            corner = scene[int(y) : int(y + wide * HIGH / WIDE), int(x) : int(x + wide)]
            shown = cv2.resize(corner, (WIDE, HIGH), interpolation=cv2.INTER_AREA)
            if move == "flash" and number in (2, 3):
                shown = cv2.convertScaleAbs(shown, alpha=0.3, beta=175)
            grain = noise.integers(-2, 3, shown.shape, np.int16)
            pictures.append(np.clip(shown.astype(np.int16) + grain, 0, 255).astype(np.uint8))
    assert len(shots_of(pictures)) == 1


def test_a_blurred_frame_is_not_read() -> None:
    """As a camera swings: the sharpest frames around it are read, not the smear between them."""
    scene = texture(3)
    pictures = []
    for number in range(3 * FPS):
        left = 20 + 4 * number
        shown = cv2.resize(scene[100:190, left : left + 160], (WIDE, HIGH))
        pictures.append(cv2.blur(shown, (9, 9)) if 12 <= number < 24 else shown)
    [shot] = shots_of(pictures)
    assert all(not 1.0 + 0.5 < time_s < 2.0 - 0.5 for time_s in shot.frame_times)
    sharp = [time_s for time_s in shot.frame_times if time_s < 1.0 or time_s >= 2.0]
    assert len(sharp) >= 2
