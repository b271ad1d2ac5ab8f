"""Shots: where they are cut, that limits hold, and that no way of cutting a video into units changes them."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from video_making import BLACK, BLUE, GREEN, GREY, RED, draw_video, tear

from folioscope.pipeline.decode.scan import scan_span
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.tables.shot_lists import Span, join_spans, read_scan, scan_bytes, spans_of
from folioscope.pipeline.video.features import SIGNATURE_BYTES, FrameFeatures, ScannedSpan, SpanEnd, join_features
from folioscope.pipeline.video.shots import Gap, Shot, ShotSettings, VideoScan, find_shots

SETTINGS = ShotSettings()
OPEN_GOP = {"bf": "2", "x264-params": "open-gop=1:scenecut=0:keyint=9:min-keyint=9"}
MADE_AS: dict[str, dict[str, Any]] = {
    "a.mp4": {"bf": "2"},
    "open.mp4": OPEN_GOP | {"gop": 9},
    "a.webm": {"codec": "libvpx-vp9", "gop": 10},
    "a.avi": {"codec": "mpeg4", "bf": "2"},
    "a.ts": {"gop": 10},
    "a.gif": {"codec": "gif"},
    "uneven.mkv": {"steps": (1, 3, 1, 1)},
}


def scan(video: Video, seconds: float) -> VideoScan:
    """The video as spans of so many seconds give it, each through its file."""
    count = spans_of(video.index.end_s, seconds)
    spans = []
    for number in range(count):
        span = Span("a" * 64, number, count, seconds)
        *parts, end = scan_span(video, span.start_s, span.end_s)
        assert isinstance(end, SpanEnd)
        spans.append(read_scan(scan_bytes(ScannedSpan(join_features(parts), end))))
    return join_spans(spans, seconds, video.index.end_s, "a video")


@cache
def made(name: str) -> tuple[Video, VideoScan]:
    """A video of five scenes in one container, and what one span over all of it gives."""
    scenes = [(RED, 23), (GREEN, 31), (BLACK, 9), (BLUE, 26), (GREY, 11)]
    video = Video(draw_video(Path(mkdtemp(prefix="shots-")) / name, scenes, **MADE_AS[name]), name)
    return video, scan(video, 1e6)


@pytest.mark.parametrize("name", MADE_AS)
@settings(max_examples=8)
@given(st.floats(0.3, 12.0))
def test_any_cutting_into_units_gives_the_same_shots(name: str, seconds: float) -> None:
    video, whole = made(name)
    parts = scan(video, seconds)
    assert np.array_equal(parts.features.times, whole.features.times)
    assert np.array_equal(parts.features.change, whole.features.change)
    assert np.array_equal(parts.features.signature, whole.features.signature)
    assert find_shots(parts, SETTINGS) == find_shots(whole, SETTINGS)


@pytest.mark.parametrize("name", ["a.mp4", "open.mp4", "a.webm", "a.ts"])
def test_scenes_are_found_to_the_frame_and_black_is_halved(name: str) -> None:
    _, whole = made(name)
    start = float(whole.features.times[0])
    starts = [round(shot.start_s - start, 3) for shot in find_shots(whole, SETTINGS)]
    assert starts == [0.0, 2.3, 5.8, 6.3 + 2.6], "red, green up to the middle of the black, blue, grey"


def synthetic(changes: list[float], fps: float = 10.0) -> FrameFeatures:
    """Features with given changes, the rest drawn from them."""
    rng = np.random.default_rng(len(changes))
    count = len(changes)
    return FrameFeatures(
        np.arange(count) / fps,
        np.asarray([-1.0, *changes[1:]], np.float32),
        np.full(count, 90, np.float32),
        rng.uniform(100, 1000, count).astype(np.float32),
        rng.integers(0, 255, (count, SIGNATURE_BYTES), np.uint8),
    )


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.floats(0, 3), st.floats(20, 120)), min_size=1, max_size=700),
    st.lists(st.tuples(st.floats(0, 60), st.floats(0.1, 5)), max_size=2),
)
def test_shots_partition_the_video_within_their_limits(changes: list[float], holes: list[tuple[float, float]]) -> None:
    features = synthetic(changes)
    end = len(changes) / 10
    gaps = tuple(Gap(start, start + length, Reason.DECODE_CRASHED, "x") for start, length in holes if start < end)
    shots = find_shots(VideoScan(features, end, gaps), SETTINGS)
    assert [shot.number for shot in shots] == list(range(1, len(shots) + 1))
    good = [shot for shot in shots if shot.reason is None]
    assert len(shots) - len(good) == len(gaps)
    assert good[0].start_s == 0
    for shot in good:
        assert shot.end_s - shot.start_s <= SETTINGS.longest_s + 0.2
        assert 1 <= len(shot.frame_times) <= SETTINGS.max_frames
        assert list(shot.frame_times) == sorted(set(shot.frame_times))
        assert all(shot.start_s <= time_s < max(shot.end_s, shot.start_s + 0.1) for time_s in shot.frame_times)
    if not gaps:
        assert all(first.end_s == second.start_s for first, second in pairwise(good))
        assert good[-1].end_s == end
        assert len(good) == 1 or min(shot.end_s - shot.start_s for shot in good) >= SETTINGS.shortest_s - 1e-6


def test_a_flash_is_no_cut_and_a_dissolve_is_one() -> None:
    changes = [0.5] * 60
    changes[30] = changes[31] = 90.0
    flash = synthetic_still(changes)
    flash.signature[30, :16] = 250
    assert len(find_shots(VideoScan(flash, 6.0), SETTINGS)) == 1
    blend = np.clip((np.arange(60) - 27) / 6, 0, 1)[:, None]
    dissolving = synthetic_still([0.5, *[4.0] * 59])
    dissolving.signature[:, :16] = (40 * (1 - blend) + 200 * blend).astype(np.uint8)
    starts = [shot.start_s for shot in find_shots(VideoScan(dissolving, 6.0), SETTINGS)]
    assert starts == pytest.approx([0.0, 3.0], abs=0.11)


def synthetic_still(changes: list[float]) -> FrameFeatures:
    features = synthetic(changes)
    features.signature[:] = 100
    features.sharpness[:] = 500
    return features


def test_frames_are_chosen_sharp_and_unlike_each_other() -> None:
    features = synthetic_still([1.0] * 50)
    assert chosen(features) == ([0], []), "a still shot needs one"
    features.sharpness[7] = 900
    features.signature[20:30, 40] = 190
    features.sharpness[20:29] = 100  # blurred
    assert chosen(features) == ([7, 29], [30]), "the first picture, and the same once more later"


def chosen(features: FrameFeatures) -> tuple[list[int], list[int]]:
    """Numbers of the frames and of the glimpses of frames that are one shot, ten a second."""
    [shot] = find_shots(VideoScan(features, len(features) / 10), SETTINGS)
    frames, glimpses = ([round(10 * time_s) for time_s in times] for times in (shot.frame_times, shot.glimpses))
    return frames, glimpses


def test_a_span_that_failed_and_a_torn_end_are_gaps_that_say_so() -> None:
    good = ScannedSpan(synthetic([1.0] * 20), SpanEnd(6.0, truncated_s=6.0, declared_s=9.0))
    died = ScannedSpan(synthetic([1.0] * 5), Failure(Reason.DECODE_CRASHED, "it crashed"))
    died.features.times[:] += 2
    late = ScannedSpan(synthetic([1.0] * 20), SpanEnd(6.0, truncated_s=6.0, declared_s=9.0))
    late.features.times[:] += 4
    shots = find_shots(join_spans([good, died, late], 2.0, 9.0, "a.mp4"), SETTINGS)
    assert [(round(shot.start_s, 2), round(shot.end_s, 2), shot.reason) for shot in shots] == [
        (0.0, 2.5, None),
        (2.5, 4.0, Reason.DECODE_CRASHED),
        (4.0, 6.0, None),
        (6.0, 9.0, Reason.TRUNCATED_VIDEO),
    ]
    assert "6.00 s of 9.00 s" in str(shots[-1].message)


def test_a_video_without_frames_is_one_failed_part() -> None:
    empty = ScannedSpan(join_features([]), SpanEnd(2.0, damaged_s=(0.0, 1.0)))
    [shot] = find_shots(join_spans([empty], 60.0, 2.0, "a.webm"), SETTINGS)
    assert shot == Shot(1, 0.0, 2.0, reason=Reason.NO_FRAMES, message=shot.message)


def test_a_truncated_video_keeps_the_shots_before_the_tear(tmp_path: Path) -> None:
    whole = draw_video(tmp_path / "a.mp4", [(RED, 40), (GREEN, 40), (BLUE, 40)])
    video = Video(tear(whole, tmp_path / "truncated.mp4", 0.6), "truncated.mp4")
    shots = find_shots(scan(video, 1e6), SETTINGS)
    assert [shot.reason for shot in shots] == [None] * (len(shots) - 1) + [Reason.TRUNCATED_VIDEO]
    assert shots[-1].end_s == pytest.approx(12.0, abs=0.1)
    assert shots[-1].start_s == shots[-2].end_s == video.index.end_s < 12
