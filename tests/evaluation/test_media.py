"""Which frames of a video are shown, and which lines of its subtitles stand where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from folioscope.pipeline.decode.child import ChildLimits
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.evaluation.items import Frames, Item, Pages, Text
from folioscope.pipeline.evaluation.media import MediaLoader, frame_times
from folioscope.pipeline.evaluation.subtitle_lines import Line, between_frames, during_frames, read_lines
from folioscope.pipeline.failures import Failure

FPS = 10
SECONDS = 4


@pytest.fixture(scope="module")
def loader() -> Iterator[MediaLoader]:
    children = DecodeChildren(1, ChildLimits())
    yield MediaLoader(children, DecodeSettings(thumbnail_px=0))
    children.close()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty frames, each lighter than the one before."""
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(FPS * SECONDS):
            image = np.full((48, 64, 3), 20 + 5 * number, np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        target.mux(stream.encode())
    return path


def numbers(times: list[float]) -> list[int]:
    return [int(time * FPS) for time in times]


def test_frames_are_spread_from_the_first_to_the_last() -> None:
    assert numbers(frame_times(Frames("v", 4), SECONDS, FPS)) == [0, 13, 26, 39]
    assert numbers(frame_times(Frames("v", 100), SECONDS, FPS)) == list(range(40))


def test_longvideobench_takes_at_most_one_frame_a_second_from_the_start() -> None:
    part = Frames("v", 256, "start", duration_s=4.0)
    assert numbers(frame_times(part, SECONDS, FPS)) == [0, 10, 20, 30]
    part = Frames("v", 3, "start", duration_s=4.0)
    assert numbers(frame_times(part, SECONDS, FPS)) == [0, 13, 26]  # 40 frames in 3: the step is cut to 13


def test_frames_of_a_video_are_shown_in_order(loader: MediaLoader, video: Path) -> None:
    shown = loader.shown(Item("1", (Frames(str(video), 5), Text("What?")), ("x",)))
    lights = [float(one.mean()) for one in shown if not isinstance(one, str)]
    assert len(lights) == 5
    assert lights == sorted(lights)
    assert lights[0] == pytest.approx(20, abs=6)
    assert lights[-1] == pytest.approx(20 + 5 * 39, abs=6)
    assert shown[-1] == "What?"


def test_subtitles_stand_between_the_frames(loader: MediaLoader, video: Path, tmp_path: Path) -> None:
    told = [{"timestamp": [13.1, 14.4], "text": "early"}, {"timestamp": [15.2, None], "text": "late"}]
    path = tmp_path / "s.json"
    path.write_text(json.dumps(told))
    part = Frames(str(video), 256, "start", 4.0, str(path), interleaved=True, subtitle_start_s=13.0)
    shown = loader.shown(Item("1", (part,), ("x",)))
    assert [one if isinstance(one, str) else "frame" for one in shown] == [
        *("frame", "early", "frame"),
        *("frame", "frame", "late"),
    ]


def test_a_line_without_a_frame_in_its_time_is_left_out() -> None:
    lines = [Line(0.2, 0.8, "seen"), Line(4.0, 6.0, "unseen")]
    assert between_frames(lines, [0.5, 10.0], 0.0, 20.0) == [(1, "seen")]
    assert between_frames([Line(1.0, 1.2, "short")], [0.7], 0.0, 20.0) == [(1, "short")]  # widened to a second


def test_video_mme_shows_the_lines_of_sampled_frames(tmp_path: Path) -> None:
    path = tmp_path / "v.srt"
    path.write_text(
        "1\n00:00:01,000 --> 00:00:02,500\n<font color=white>A &amp; B</font>\n\n2\n00:00:05,0 --> 00:00:06,0\nno\n"
    )
    lines = read_lines(path, "v")
    assert lines[0] == Line(1.0, 2.5, "A & B")
    assert during_frames(lines, [0.0, 2.0]) == ["A & B"]


def test_broken_subtitles_are_told_with_their_file(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text("{")
    with pytest.raises(Failure, match=r"s\.json"):
        read_lines(path, "v.mp4")


def test_what_is_no_video_fails_with_its_name(loader: MediaLoader, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"none")
    with pytest.raises(Failure, match=r"v\.mp4"):
        loader.shown(Item("1", (Frames(str(path), 4),), ("x",)))


def test_documents_are_shown_page_by_page(loader: MediaLoader, tmp_path: Path) -> None:
    from layouts import pdf

    path = pdf(tmp_path / "a.pdf", ["one", "two", "three"])
    shown = loader.shown(Item("1", (Pages(str(path), most=2), Text("What?")), ("x",)))
    assert [getattr(one, "shape", one) for one in shown] == [(600, 840, 3), (600, 840, 3), "What?"]
