"""Videos in decode children: what a look tells, and that a shot's frames are the right ones, upright, however got."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_making import BLUE, GREEN, RED, SIZE, draw_video, picture

from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.containers import is_video
from folioscope.pipeline.decode.frames import BY_PYAV, FrameReader, groups_by_key
from folioscope.pipeline.decode.pages import DecodedShot, DecodeSettings, FailedSegment
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.video.features import SpanEnd
from folioscope.pipeline.video.shots import DAMAGED, Shot, ShotSettings, VideoScan, find_shots

SETTINGS = DecodeSettings(thumbnail_px=64)
BY_DECORD = replace(SETTINGS, video_decoder="decord")


@pytest.fixture(scope="module")
def children() -> Iterator[DecodeChildren]:
    pool = DecodeChildren(1, ChildLimits())
    yield pool
    pool.close()


@pytest.mark.parametrize(
    ("name", "made_as", "told"),
    [
        ("a.mp4", {"sound": True}, ("mp4", "h264", 10.0, False, 0, True)),
        ("a.mov", {}, ("mov", "h264", 10.0, False, 0, False)),
        ("a.mkv", {"steps": (1, 3)}, ("matroska", "h264", 5.05, True, 0, False)),
        ("a.webm", {"codec": "libvpx-vp9"}, ("webm", "vp9", 10.0, False, 0, False)),
        ("a.avi", {"codec": "mpeg4"}, ("avi", "mpeg4", 10.0, False, 0, False)),
        ("a.ts", {}, ("mpegts", "h264", 10.0, False, 0, False)),
        ("a.3gp", {}, ("3gp", "h264", 10.0, False, 0, False)),
        ("a.gif", {"codec": "gif"}, ("gif", "gif", 10.0, False, 0, False)),
        ("turned.mp4", {"turn": -90}, ("mp4", "h264", 10.0, False, 90, False)),
    ],
)
def test_a_look_tells_what_a_video_is(
    tmp_path: Path, children: DecodeChildren, name: str, made_as: dict[str, Any], told: tuple[Any, ...]
) -> None:
    probe = children.probe(draw_video(tmp_path / name, [(RED, 25), (GREEN, 25)], **made_as), name)
    video = probe.video
    assert probe.kind == "video"
    assert video is not None
    assert (
        video.container,
        video.codec,
        round(video.fps or 0, 2),
        video.variable_fps,
        video.rotation,
        video.has_audio,
    ) == told
    assert video.duration_s == pytest.approx(9.8 if video.variable_fps else 5.0, abs=0.11)
    assert (probe.width_px, probe.height_px) == (SIZE if video.rotation == 0 else SIZE[::-1])


def test_a_single_picture_gif_is_a_video_of_one_frame(tmp_path: Path, children: DecodeChildren) -> None:
    path = draw_video(tmp_path / "one.gif", [(RED, 1)], codec="gif")
    assert children.probe(path, "one.gif").kind == "video"
    scanned = children.scan(path, None, None, "one.gif")
    assert isinstance(scanned.end, SpanEnd)
    [shot] = find_shots(VideoScan(scanned.features, scanned.end.video_end_s), ShotSettings())
    assert shot.frame_times == (0.0,)


def test_sound_alone_text_and_torn_headers_are_told(tmp_path: Path, children: DecodeChildren) -> None:
    import av

    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        tone = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(tone.encode(frame))
        container.mux(tone.encode(None))
    whole = draw_video(tmp_path / "a.mp4", [(RED, 20)])
    (tmp_path / "head.mp4").write_bytes(whole.read_bytes()[:64])
    (tmp_path / "code.ts").write_text("export const answer: number = 42;\n" * 40)
    assert children.probe(tmp_path / "sound.mp4", "sound.mp4").kind == "audio", "whatever its name is made for"
    (tmp_path / "sound.m4a").write_bytes((tmp_path / "sound.mp4").read_bytes())
    found = children.probe(tmp_path / "sound.m4a", "sound.m4a")
    assert (found.kind, found.video and found.video.container) == ("audio", "mov")
    reasons = {}
    for name in ("head.mp4", "code.ts"):
        with pytest.raises(Failure) as failure:
            children.probe(tmp_path / name, name)
        reasons[name] = failure.value.reason
        assert str(tmp_path) not in failure.value.message
    assert reasons == {
        "head.mp4": Reason.DAMAGED_FILE,
        "code.ts": Reason.TYPE_MISMATCH,
    }


def test_photographs_in_a_video_container_are_no_videos() -> None:
    assert not is_video(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    assert is_video(b"\x00\x00\x00\x18ftypisom" + bytes(100))


def nearest(image: Any) -> int:
    """The number of the drawn frame that a decoded one is most like."""
    drawn = [picture([RED, GREEN, BLUE][number // 20], number) for number in range(60)]
    return int(np.argmin([np.abs(image.astype(int) - other).mean() for other in drawn]))


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.ts", "a.avi"])
def test_frames_are_those_of_their_times(tmp_path: Path, children: DecodeChildren, name: str) -> None:
    codec = {"a.webm": "libvpx-vp9", "a.avi": "mpeg4"}.get(name, "libx264")
    path = draw_video(tmp_path / name, [(RED, 20), (GREEN, 20), (BLUE, 20)], codec=codec, gop=9)
    index = Video(path, name).index
    wanted = [3, 4, 19, 20, 44, 59]
    times = tuple(index.seconds(int(index.stamps[number])) for number in wanted)
    [shot] = children.decode_shots(path, [Shot(1, 0.0, 6.0, times)], SETTINGS, name)
    assert isinstance(shot, DecodedShot)
    for number, frame in zip(wanted, shot.frames, strict=True):
        assert nearest(frame.image) == number
    assert shot.thumbnail is not None


def test_where_decord_gives_other_frames_than_asked_for_pyav_reads(tmp_path: Path) -> None:
    open_gop = {"bf": "2", "x264-params": "open-gop=1:scenecut=0:keyint=9:min-keyint=9"}
    path = draw_video(tmp_path / "a.mp4", [(RED, 20), (GREEN, 20), (BLUE, 20)], gop=9, **open_gop)
    shot = FrameReader(path, "a").read_shot(Shot(1, 0.0, 6.0, (0.8, 0.9, 1.7, 2.6)), BY_DECORD)
    assert shot.flags == (BY_PYAV,)
    assert [nearest(frame.image) for frame in shot.frames] == [8, 9, 17, 26]


def test_decord_and_pyav_give_the_same_frames(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "a.mp4", [(RED, 30), (GREEN, 30)], gop=9, bf="2")
    shot = Shot(1, 0.0, 6.0, (0.0, 0.8, 0.9, 1.7, 2.6, 5.9))
    by_decord = FrameReader(path, "a").read_shot(shot, BY_DECORD)
    by_pyav = FrameReader(path, "a").read_shot(shot, SETTINGS)
    assert by_decord.flags == by_pyav.flags == ()
    for ours, theirs in zip(by_decord.frames, by_pyav.frames, strict=True):
        assert ours.time_s == theirs.time_s
        assert np.abs(ours.image.astype(int) - theirs.image).max() <= 2


@pytest.mark.parametrize(("turn", "clockwise"), [(-90, 1), (90, 3), (180, 2)])
def test_turned_videos_come_upright_and_say_who_read_them(
    tmp_path: Path, children: DecodeChildren, turn: int, clockwise: int
) -> None:
    path = draw_video(tmp_path / "a.mp4", [(RED, 10)], turn=turn)
    [shot] = children.decode_shots(path, [Shot(1, 0.0, 1.0, (0.5,))], BY_DECORD, "a.mp4")
    assert isinstance(shot, DecodedShot)
    drawn = np.rot90(picture(RED, 5), -clockwise)
    assert (shot.width_px, shot.height_px) == (drawn.shape[1], drawn.shape[0])
    assert np.abs(shot.frames[0].image.astype(int) - drawn).mean() < 12
    assert shot.flags == (BY_PYAV,), "decord gives turned frames in broken lines"


def test_large_frames_are_scaled_under_the_cap(tmp_path: Path, children: DecodeChildren) -> None:
    path = draw_video(tmp_path / "a.mp4", [(RED, 5)], size=(640, 384))
    shot = Shot(1, 0.0, 0.5, (0.2,))
    [small] = children.decode_shots(path, [shot], DecodeSettings(max_pixels=20_000), "a.mp4")
    assert isinstance(small, DecodedShot)
    assert small.width_px * small.height_px <= 20_000
    assert small.width_px / small.height_px == pytest.approx(640 / 384, rel=0.02)


def test_frames_between_key_frames_are_got_in_one_pass() -> None:
    stamps, keys = np.arange(40), np.asarray([0, 10, 20])
    assert list(groups_by_key([3, 12, 14, 19, 35], stamps, keys)) == [(None, [3]), (10, [12, 14, 19]), (20, [35])]


def test_damage_inside_a_video_is_passed_over_and_flagged(tmp_path: Path, children: DecodeChildren) -> None:
    path = draw_video(tmp_path / "a.mp4", [(RED, 40), (GREEN, 40)], gop=10)
    data = bytearray(path.read_bytes())
    middle = len(data) * 6 // 10
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    scanned = children.scan(path, None, None, "a.mp4")
    assert isinstance(scanned.end, SpanEnd)
    assert len(scanned.features) > 60
    assert scanned.end.damaged_s
    shots = find_shots(VideoScan(scanned.features, scanned.end.video_end_s, (), scanned.end.damaged_s), ShotSettings())
    assert DAMAGED in {flag for shot in shots for flag in shot.flags}


def test_a_video_that_lost_its_end_since_fails_shot_by_shot(tmp_path: Path, children: DecodeChildren) -> None:
    path = draw_video(tmp_path / "a.mp4", [(RED, 30), (GREEN, 30)])
    shots = [Shot(1, 0.0, 1.0, (0.5,)), Shot(2, 1.0, 6.0, (5.5,))]
    path.write_bytes(path.read_bytes()[:1500])
    for shot in children.decode_shots(path, shots, SETTINGS, "a.mp4"):
        assert isinstance(shot, FailedSegment)
        assert "a.mp4 shot" in shot.failure.message
