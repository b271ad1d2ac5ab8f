"""Videos of many codecs and containers: own times for all frames, what containers say, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from speech_making import RATE, draw_talking_video
from video_making import BLUE, GREEN, RED, draw_video, picture

from folioscope.model.protocol import Chapter
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.frames import FrameReader
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.decode.probe import probe
from folioscope.pipeline.decode.scan import scan_span
from folioscope.pipeline.decode.sound import read_sound
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.decode.video_facts import Lie
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.tables.shot_lists import join_spans
from folioscope.pipeline.video.features import FrameFeatures, SpanEnd
from folioscope.pipeline.video.shots import Shot, ShotSettings, find_shots

SETTINGS = DecodeSettings(thumbnail_px=0)
NO_PICTURE = bytes(
    [0, 0, 0, 1, 9, 0xF0]
)  # an access unit's delimiter alone, as some encoders write for a dropped frame
SCENES = [(RED, 20), (GREEN, 20), (BLUE, 20)]
MADE_AS: dict[str, dict[str, Any]] = {
    "h264.mp4": {"bf": "2"},
    "h264.mkv": {"bf": "2", "steps": (1, 3, 2)},
    "h264.avi": {"bf": "2"},
    "mpeg4.avi": {"codec": "mpeg4", "bf": "2"},
    "plain.avi": {"codec": "mpeg4"},
    "dropped.avi": {"tune": "zerolatency", "nothing_at": dict.fromkeys((*range(7, 13), 30, 31, 45), NO_PICTURE)},
    "ffv1.avi": {"codec": "ffv1"},
    "screen.avi": {"codec": "zmbv", "pix_fmt": "bgr0"},
    "screen.flv": {"codec": "flashsv", "pix_fmt": "bgr24"},
    "hevc.mp4": {"codec": "libx265", "bf": "2", "x265-params": "log-level=none"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "a.gif": {"codec": "gif"},
    "a.wmv": {"codec": "wmv2"},
    "a.rm": {"codec": "rv10", "size": (176, 144)},
    "a.mxf": {"codec": "mpeg2video", "fps": 25, "bf": "2"},
    "a.mpg": {"codec": "mpeg2video", "fps": 25, "bf": "2"},
    "a.vob": {"codec": "mpeg2video", "fps": 25},
    "a.ts": {"bf": "2"},
    "a.m2ts": {"bf": "2"},
    "late.ts": {"bf": "2", "clock": 3560},
    "late.wtv": {"codec": "mpeg2video", "fps": 25, "clock": 8906},
    "late.mkv": {"bf": "2", "clock": 3560},
    "a.nut": {"codec": "mpeg4", "bf": "2"},
    "stream.h264": {"bf": "2"},
    "stream.m2v": {"codec": "mpeg2video", "fps": 25},
    "a.y4m": {"codec": "wrapped_avframe"},
}
# Frames that the encoder holds back come late in containers that tell no presentation times.
LATE = {"a.nut"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, FrameReader]]:
    folder = tmp_path_factory.mktemp("videos")
    readers = {
        name: FrameReader(draw_video(folder / name, SCENES, **({"gop": 9} | options)), name)
        for name, options in MADE_AS.items()
    }
    yield readers
    for reader in readers.values():
        reader.close()


def scanned(video: Video) -> tuple[list[float], SpanEnd]:
    *parts, end = scan_span(video, None, None)
    assert isinstance(end, SpanEnd)
    return [float(t) for part in parts if isinstance(part, FrameFeatures) for t in part.times], end


def nearest(image: Any) -> int:
    """The number of the drawn frame that a decoded one is most like."""
    size = image.shape[1], image.shape[0]
    drawn = [picture([RED, GREEN, BLUE][number // 20], number, size) for number in range(60)]
    return int(np.argmin([np.abs(image.astype(int) - other).mean() for other in drawn]))


def true_times(name: str) -> dict[int, float]:
    """Frame number → seconds, as encoded."""
    options = MADE_AS[name]
    steps, fps = options.get("steps", (1,)), options.get("fps", 10)
    ticks = np.cumsum([0, *(steps[number % len(steps)] for number in range(59))])
    dropped = options.get("nothing_at", {})
    return {number: float(tick) / fps for number, tick in enumerate(ticks) if number not in dropped}


@pytest.mark.parametrize("name", MADE_AS)
def test_each_frame_has_its_own_time(made: dict[str, FrameReader], name: str) -> None:
    times, end = scanned(made[name].video)
    true = true_times(name)
    late = times[0] if name in LATE else 0.0
    assert late < 0.3
    assert times == pytest.approx([time_s + late for time_s in true.values()], abs=0.002)
    assert end.video_end_s == pytest.approx(max(true.values()) + late + true_times(name)[1], abs=0.35)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(MADE_AS)), st.lists(st.integers(0, 59), min_size=1, max_size=5, unique=True))
def test_the_picker_gives_the_pictures_of_the_times_that_the_scan_tells(
    made: dict[str, FrameReader], name: str, wanted: list[int]
) -> None:
    reader = made[name]
    numbers = list(true_times(name))
    times, _ = scanned(reader.video)
    places = sorted({place % len(numbers) for place in wanted})
    shot = Shot(1, 0.0, 6.0, tuple(times[place] for place in places))
    frames = reader.read_shot(shot, SETTINGS).frames
    assert [nearest(frame.image) for frame in frames] == [numbers[place] for place in places]


@pytest.mark.parametrize("name", ["h264.mp4", "dropped.avi", "late.wtv", "late.mkv", "stream.h264", "a.mpg"])
def test_the_last_shot_ends_where_the_video_does(made: dict[str, FrameReader], name: str) -> None:
    path = made[name].video.path
    facts = probe(path, name, ()).video
    pool = DecodeChildren(1, ChildLimits())
    try:
        shots = find_shots(join_spans([pool.scan(path, None, None, name)], 1e9, 0.0, name), ShotSettings())
    finally:
        pool.close()
    assert facts is not None
    assert shots[-1].end_s == facts.duration_s
    assert facts.duration_s < 12


def test_sound_that_goes_on_keeps_the_last_picture(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "a.mkv", [(RED, 1)], sound=True)
    video = Video(path, "a.mkv")
    assert video.index.end_s == video.index.duration_s == pytest.approx(0.1, abs=0.05)


@pytest.mark.parametrize("name", ["a.wmv", "a.mxf", "a.rm", "late.wtv", "stream.h264", "a.y4m", "a.mpg", "stream.m2v"])
@pytest.mark.parametrize("called", ["a.mp4", "a.pdf"])
def test_a_video_under_a_wrong_name_is_still_a_video(made: dict[str, FrameReader], name: str, called: str) -> None:
    assert probe(made[name].video.path, called, ()).kind == "video"


@pytest.mark.parametrize(
    "text",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"1\n00:00:01,000 --> 00:00:02,000\nWords\n" * 20,
        bytes(range(256)) * 64,
        b"\x47 is no packet" * 40,
    ],
)
def test_playlists_and_other_texts_are_no_videos(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(text)
    with pytest.raises(Failure) as failure:
        probe(tmp_path / "a.mp4", "a.mp4", ())
    assert failure.value.reason is Reason.TYPE_MISMATCH


def remuxed(source: Path, target: Path, **options: str) -> Path:
    with av.open(str(source)) as read, av.open(str(target), "w", options=options) as written:
        stream = read.streams.video[0]
        copy = written.add_stream_from_template(stream)
        for packet in read.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                written.mux(packet)
    return target


def encrypted(folder: Path) -> Path:
    source = draw_video(folder / "clear.mp4", [(RED, 20)])
    keys = {"encryption_key": "00" * 16, "encryption_kid": "11" * 16}
    return remuxed(source, folder / "protected.mp4", encryption_scheme="cenc-aes-ctr", **keys)


def scrambled_broadcast(folder: Path) -> Path:
    path = draw_video(folder / "protected.ts", [(RED, 40)])
    data = bytearray(path.read_bytes())
    for start in range(0, len(data), 188):
        if (data[start + 1] & 0x1F) << 8 | data[start + 2] == 256 and data[start + 3] & 0x10:
            data[start + 3] |= 0x80
            data[start + 180 : start + 188] = bytes(8)
    path.write_bytes(data)
    return path


def scrambled_disc(folder: Path) -> Path:
    path = draw_video(folder / "protected.vob", [(RED, 40)], codec="mpeg2video", fps=25)
    data = bytearray(path.read_bytes())
    start = data.find(b"\0\0\1\xe0")
    while start >= 0:
        data[start + 6] |= 0x10
        start = data.find(b"\0\0\1\xe0", start + 4)
    path.write_bytes(data)
    return path


def encrypted_sound(folder: Path) -> Path:
    """Pictures in the clear, sound encrypted: its sample table calls the track by another name."""
    path = draw_talking_video(folder / "protected.mp4", [RED], (8000 * np.sin(np.arange(RATE))).astype(np.int16))
    data = path.read_bytes()
    assert data.count(b"mp4a") == 1
    path.write_bytes(data.replace(b"mp4a", b"enca"))
    return path


def test_encrypted_sound_is_told_as_protected_and_the_pictures_are_read(tmp_path: Path) -> None:
    path = encrypted_sound(tmp_path)
    assert probe(path, path.name, ()).kind == "video"
    with pytest.raises(Failure) as failure:
        list(read_sound(path, path.name, 0.0))
    assert failure.value.reason is Reason.PROTECTED


@pytest.mark.parametrize("make", [encrypted, scrambled_broadcast, scrambled_disc])
def test_encrypted_tracks_are_told_as_protected(tmp_path: Path, make: Any) -> None:
    path = make(tmp_path)
    with pytest.raises(Failure) as failure:
        probe(path, path.name, ())
    assert failure.value.reason is Reason.PROTECTED


def test_chapters_tracks_and_dates_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    tags = {"timecode": "01:02:03:04", "title": "The harbour", "creation_time": "2019-05-04T12:30:00.000000Z"}
    source = draw_video(tmp_path / "source.mkv", [(RED, 60)], sound=True)
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        copies = [written.add_stream_from_template(stream) for stream in read.streams]
        copies[1].metadata.update({"language": "ger", "title": "Kommentar"})
        written.metadata.update(tags)
        thousandths = Fraction(1, 1000)
        written.set_chapters(
            [
                {"id": 1, "start": 0, "end": 2500, "time_base": thousandths, "metadata": {"title": "Boats"}},
                {"id": 2, "start": 2500, "end": 9000, "time_base": thousandths, "metadata": {}},
            ]
        )
        for packet in read.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                written.mux(packet)
    found = probe(path, "a.mkv", ())
    facts = found.video
    assert facts is not None
    assert found.title == "The harbour"
    assert facts.created_at == datetime(2019, 5, 4, 12, 30, tzinfo=UTC)
    assert facts.timecode == "01:02:03:04"
    assert facts.chapters == (Chapter("Boats", 0.0, 2.5), Chapter("Chapter 2", 2.5, facts.duration_s))
    assert [(track.kind, track.codec, track.language, track.title) for track in facts.tracks] == [
        ("video", "h264", None, None),
        ("audio", "aac", "ger", "Kommentar"),
    ]


@pytest.mark.parametrize("turn", [0, -90, 90, 180])
@pytest.mark.parametrize("mirrored", [False, True])
def test_frames_come_turned_and_mirrored_as_the_container_says(tmp_path: Path, turn: int, mirrored: bool) -> None:
    path = draw_video(tmp_path / "a.mp4", [(RED, 6)], turn=turn, mirrored=mirrored)
    reader = FrameReader(path, "a.mp4")
    facts = probe(path, "a.mp4", ()).video
    assert facts is not None
    [frame] = reader.read_shot(Shot(1, 0.0, 0.6, (0.3,)), SETTINGS).frames
    shown = np.rot90(picture(RED, 3), turn // 90)
    shown = shown[:, ::-1] if mirrored else shown
    assert frame.image.shape == shown.shape
    assert np.abs(frame.image.astype(int) - shown).mean() < 12
    stored = np.rot90(picture(RED, 3), -facts.rotation // 90)
    assert np.array_equal(stored[:, ::-1] if facts.mirrored else stored, shown), "what is told says how"
    assert Lie(facts.rotation, facts.mirrored) == reader._lie


def test_pixels_that_are_not_square_are_shown_as_they_are_meant(tmp_path: Path) -> None:
    path = draw_video(
        tmp_path / "a.mpg", [(RED, 50)], codec="mpeg2video", fps=25, size=(352, 288), aspect=Fraction(12, 11)
    )
    facts = probe(path, "a.mpg", ())
    assert facts.video is not None
    aspect = facts.video.pixel_aspect
    assert aspect != 1
    assert (facts.width_px, facts.height_px) == (352, 288), "as stored"
    shot = FrameReader(path, "a.mpg").read_shot(Shot(1, 0.0, 2.0, (1.0,)), SETTINGS)
    assert shot.width_px / shot.height_px == pytest.approx(352 * aspect / 288, rel=0.01)


def test_interlaced_frames_are_made_whole(tmp_path: Path) -> None:
    """A square that moves between two fields has combed edges; what stands still keeps its lines."""
    path = tmp_path / "a.mkv"
    width, height = 320, 240
    still = np.zeros((height, width), np.uint8)
    still[20:60:2, 20:120] = 200  # lines one pixel high, as small print has

    def field(moment: int) -> Any:
        image = still.copy()
        image[100:180, 20 + 8 * moment : 100 + 8 * moment] = 255
        return image

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25, options={"flags": "+ildct+ilme", "qscale": "1", "g": "12"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(12):
            woven = field(2 * number)
            woven[1::2] = field(2 * number + 1)[1::2]
            frame = av.VideoFrame.from_ndarray(np.repeat(woven[:, :, None], 3, axis=2), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    facts = probe(path, "a.mkv", ()).video
    assert facts is not None
    assert facts.interlaced
    [shown] = FrameReader(path, "a.mkv").read_shot(Shot(1, 0.0, 0.48, (0.2,)), SETTINGS).frames
    grey = shown.image[:, :, 1].astype(int)
    edge = grey[104:176, 20 + 80 - 4 : 20 + 80 + 12]
    assert np.abs(np.diff(edge, axis=0)).mean() < 8, "no comb"
    print_ = grey[22:58, 30:110]
    assert np.abs(np.diff(print_, axis=0)).mean() > 100, "small print is as sharp as it was"


def test_a_scan_holds_a_few_frames_whatever_the_length(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "a.mp4", [(RED, 150), (GREEN, 150)], size=(1280, 720), preset="ultrafast")
    pool = DecodeChildren(1, ChildLimits())
    try:
        pool.scan(path, None, 2.0, "a.mp4")
        before = psutil.Process(pool.pids()[0]).memory_info().rss
        assert len(pool.scan(path, None, None, "a.mp4").features) == 300
        grown = psutil.Process(pool.pids()[0]).memory_info().rss - before
    finally:
        pool.close()
    assert grown < 120 * 1280 * 720 * 3 / 2, "bytes of 120 frames"
