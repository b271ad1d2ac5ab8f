"""Real videos beside this checkout, where there are any: exact times, right pictures, known scenes, told damage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedShot, DecodeSettings
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.tables.shot_lists import join_spans
from folioscope.pipeline.video.features import SpanEnd
from folioscope.pipeline.video.shots import Shot, ShotSettings, find_shots

SETTINGS = DecodeSettings(thumbnail_px=0)
SUFFIXES = {".mp4", ".webm", ".mkv", ".avi", ".ts", ".flv", ".gif"}
NO_VIDEO = {"sample.text.mp4"}
SOUND_ALONE = {"sample_ac3.mp4", "sample_with_opus_audio.mkv"}
BY_PYAV_ALONE = {"sample_h264_mpeg_audio.ts", "no_duration.webm"}


@pytest.fixture(scope="module")
def children() -> Iterator[DecodeChildren]:
    pool = DecodeChildren(1, ChildLimits())
    yield pool
    pool.close()


def shots_of(children: DecodeChildren, path: Path) -> list[Shot]:
    scanned = children.scan(path, None, None, path.name)
    return find_shots(join_spans([scanned], 1e9, 0.0, path.name), ShotSettings())


def images(children: DecodeChildren, path: Path, times: list[float]) -> list[Any]:
    [shot] = children.decode_shots(path, [Shot(1, times[0], times[-1], tuple(times))], SETTINGS, path.name)
    assert isinstance(shot, DecodedShot)
    return [frame.image for frame in shot.frames]


def test_every_video_gives_shots_or_says_why_not(corpus: Path, children: DecodeChildren) -> None:
    paths = sorted(path for path in (corpus / "video").rglob("*") if path.suffix in SUFFIXES)
    assert len(paths) > 30
    for path in paths:
        if path.name in NO_VIDEO:
            with pytest.raises(Failure) as failure:
                children.probe(path, path.name)
            assert failure.value.reason is Reason.NO_VIDEO
            continue
        if path.name in SOUND_ALONE:
            assert children.probe(path, path.name).kind == "audio"
            continue
        assert children.probe(path, path.name).video is not None
        shots = shots_of(children, path)
        if path.name == "invalid-bitstream.webm":
            assert [shot.reason for shot in shots] == [Reason.NO_FRAMES]
            continue
        assert all(shot.reason is None for shot in shots), path.name
        decoded = children.decode_shots(path, shots[:1], SETTINGS, path.name)
        assert all(isinstance(shot, DecodedShot) for shot in decoded), path.name
        decoded = children.decode_shots(path, shots[:1], replace(SETTINGS, video_decoder="decord"), path.name)
        if path.name in BY_PYAV_ALONE:
            assert "decoded_by_pyav" in decoded[0].flags  # type: ignore[union-attr]


def test_times_are_those_of_the_container(corpus: Path) -> None:
    path = corpus / "video" / "torchcodec" / "nasa_13013.mp4"
    listed = json.loads((path.parent / f"{path.name}.stream3.all_frames_info.json").read_text())
    index = Video(path, path.name).index
    times = [index.seconds(int(stamp)) for stamp in index.stamps]
    assert times == pytest.approx([float(frame["pts_time"]) for frame in listed], abs=1e-6)


@pytest.mark.parametrize(
    ("video", "pictures", "fps"),
    [
        ("PySceneDetect/tests/resources/counter.mp4", {0: "frame001", 15: "frame016", 29: "frame030"}, 10.0),
        ("ExoPlayer/testvid_1022ms.mp4", {0: "000", 15: "015", 29: "029"}, 29.917),
    ],
)
def test_the_frame_at_a_time_is_the_picture_known_for_it(
    corpus: Path, children: DecodeChildren, video: str, pictures: dict[int, str], fps: float
) -> None:
    path = corpus / "video" / video
    index = Video(path, path.name).index
    times = [index.seconds(int(index.stamps[number])) for number in pictures]
    assert times == pytest.approx([number / fps for number in pictures], abs=1e-3)
    for image, name in zip(images(children, path, times), pictures.values(), strict=True):
        [known] = path.parent.rglob(f"*{name}.png")
        expected = np.asarray(Image.open(known).convert("RGB"), int)
        assert np.abs(image.astype(int) - expected).mean() < 4, name


def test_known_scenes_are_found(corpus: Path, children: DecodeChildren) -> None:
    folder = corpus / "video" / "PySceneDetect" / "tests" / "resources"
    lines = (folder / "testvideo" / "testvideo_scenes.csv").read_text().splitlines()
    known = [float(line.split(",")[-1]) / 1000 for line in lines[1:] if line[:1].isdigit() and line.count(",") == 3]
    found = [shot.start_s for shot in shots_of(children, folder / "testvideo.mp4")]
    assert known == [0.0, 6.706, 12.746]
    assert found == pytest.approx(known, abs=0.25), "a cut stands somewhere in the black between two scenes"
    assert len(shots_of(children, folder / "fades.mp4")) == 3


def test_the_truncated_video_is_told(corpus: Path, children: DecodeChildren) -> None:
    path = corpus / "hostile" / "derived" / "truncated50-nasa.mp4"
    with pytest.raises(Failure) as failure:
        children.probe(path, path.name)
    assert failure.value.reason is Reason.DAMAGED_FILE


def test_a_span_of_a_video_without_duration_ends(corpus: Path, children: DecodeChildren) -> None:
    path = corpus / "video" / "moviepy" / "no_duration.webm"
    assert children.probe(path, path.name).video.duration_s == pytest.approx(4.94, abs=0.01)  # type: ignore[union-attr]
    assert isinstance(children.scan(path, 2.0, 4.0, path.name).end, SpanEnd)


def test_slides_and_screens_of_the_corpus(corpus: Path, children: DecodeChildren) -> None:
    folder = corpus / "reports-video"
    if not folder.is_dir():
        pytest.skip("an older corpus")
    opencast = shots_of(children, folder / "slides-opencast" / "test-optimization.mp4")
    assert [shot.start_s for shot in opencast] == [0.0, 7.0, 16.0, 17.0, 24.0, 27.0, 29.0]
    docker = shots_of(children, folder / "slides-that-build-up" / "docker-lecture.mp4")
    looked_at = {int(time_s // 2) for shot in docker for time_s in (*shot.frame_times, *shot.glimpses)}
    assert len(looked_at) == 62, "a frame of each slide, which stand for two seconds each"
    screen = shots_of(children, folder / "avi-skipped-frames" / "oneminute.avi")
    assert screen[-1].end_s == pytest.approx(56.6, abs=0.01)
    assert max(time_s for shot in screen for time_s in (*shot.frame_times, *shot.glimpses)) > 54
    card = shots_of(children, folder / "sidecar-and-speech" / "manifesto.mp4")
    assert [stay for shot in card for stay in shot.stays] == [(shot.start_s, shot.end_s) for shot in card]


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("wmv-screen-capture/ScreenCapture.wmv", "asf", "mts2"),
        ("mxf-broadcast/Meridian-ProResProxy.mxf", "mxf", "prores"),
        ("wtv-dvb-subtitles/law-and-order-partial.wtv", "wtv", "mpeg2video"),
        ("captions-608-mpeg2/scte20.ts", "mpegts", "mpeg2video"),
    ],
)
def test_odd_containers_of_the_corpus(
    corpus: Path, children: DecodeChildren, name: str, container: str, codec: str
) -> None:
    path = corpus / "reports-video" / name
    if not path.is_file():
        pytest.skip("an older corpus")
    video = children.probe(path, "called.mp4").video
    assert video is not None
    assert (video.container, video.codec) == (container, codec)
    assert shots_of(children, path)[0].start_s < 1
    expected = {"mxf": ("00:01:15;26", 1.0, False), "wtv": (None, 64 / 45, False), "mpegts": (None, 10 / 11, True)}
    if container in expected:
        assert (video.timecode, video.pixel_aspect, video.interlaced) == pytest.approx(expected[container])
