"""Subtitle tracks, files and captions are read as they stand; damaged ones cost nothing but themselves."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from caption_making import (
    CARRIAGE_RETURN,
    ERASE,
    LAST_ROW,
    POP_ON,
    PUT_UP,
    ROLL_UP,
    as_bytes,
    draw_captioned_video,
    draw_subtitled_video,
    letters,
    srt,
    timed,
)
from hypothesis import given
from hypothesis import strategies as st
from video_making import BLUE, GREEN, RED, draw_video

from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.closed_captions import read_captions
from folioscope.pipeline.decode.subtitle_palettes import Palette, palette_reader
from folioscope.pipeline.decode.subtitles import read_subtitle_file
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.video.cues import Cue
from folioscope.pipeline.video.features import SpanEnd

CUES = [(0.5, 1.5, "Hello <i>there</i>"), (1.6, 2.8, "- Über uns\n- Ja"), (2.0, 3.5, "a < b & c")]


@pytest.fixture(scope="module")
def children() -> DecodeChildren:
    return DecodeChildren(1, ChildLimits())


def told(cues: list[Cue]) -> list[tuple[float, float, str]]:
    return [(round(cue.start_s, 3), round(cue.end_s, 3), cue.text) for cue in cues]


PLAIN = [(0.5, 1.5, "Hello there"), (1.6, 2.8, "- Über uns\n- Ja"), (2.0, 3.5, "a < b & c")]


def test_tracks_of_a_video_with_their_languages(tmp_path: Path, children: DecodeChildren) -> None:
    video = draw_subtitled_video(
        tmp_path / "a.mkv",
        [(RED, 20), (GREEN, 20)],
        [(srt(CUES), "eng", ""), (srt([(1, 2, "Guten Tag")]), "ger", "für Fans"), (srt([]) + "\n", None, "")][:2],
    )
    found = children.cues(video, (), "a.mkv")
    assert told([cue for cue in found.cues if cue.language == "en"]) == PLAIN
    assert [(c.text, c.track, c.language) for c in found.cues if c.language != "en"] == [
        ("Guten Tag", "track:2 für Fans", "de")
    ]
    assert (found.notes, found.pictures) == ((), ())
    assert children.cues(draw_video(tmp_path / "b.mp4", [(RED, 10)]), (), "b.mp4").cues == ()


WEBVTT = """WEBVTT

NOTE not shown

00:00.500 --> 00:01.500 align:start
<v Ada>Hello <i>there</i></v>

second
00:01.600 --> 00:02.800
- Über uns
- Ja

00:02.000 --> 00:03.500
a &lt; b &amp; c
"""
ASS = """[Script Info]
ScriptType: v4.00+

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,{\\an8}Hello {\\i1}there{\\i0}{aside}
Comment: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,not shown
Dialogue: 0,0:00:01.60,0:00:02.80,Default,,0,0,0,,- Über uns\\N- Ja
Dialogue: 0,0:00:02.00,0:00:03.50,Default,,0,0,0,,a < b & c
Dialogue: 0,0:00:02.00,0:00:03.50,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}
"""
SAMI = "<SAMI><BODY><SYNC Start=500><P>Hello there<SYNC Start=1500><P>&nbsp;</BODY></SAMI>"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.srt", srt(CUES).encode(), PLAIN),
        ("a.srt", srt(CUES).encode("utf-8-sig"), PLAIN),
        ("a.srt", srt(CUES).encode("utf-16"), PLAIN),
        ("a.srt", srt(CUES).replace("\n", "\r\n").encode(), PLAIN),
        ("a.srt", srt(CUES).encode("cp1252"), PLAIN),
        ("a.vtt", WEBVTT.encode(), PLAIN),
        ("a.srt", WEBVTT.encode(), PLAIN),  # under a wrong ending
        ("a.ass", ASS.encode(), PLAIN),
        ("a.smi", SAMI.encode(), PLAIN[:1]),
        ("a.vtt", b"WEBVTT\n", []),
    ],
)
def test_a_subtitle_file_in_any_form_and_encoding(
    tmp_path: Path, name: str, data: bytes, expected: list[tuple[float, float, str]]
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    cues = read_subtitle_file(path, name, "sidecar:x", "de")
    assert told(cues) == expected
    assert all((cue.track, cue.language) == ("sidecar:x", "de") for cue in cues)


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 900, b"%PDF-1.7 no subtitles", b"only some words\n"])
def test_a_file_that_holds_no_subtitles_is_told(tmp_path: Path, children: DecodeChildren, data: bytes) -> None:
    path = tmp_path / "talk.srt"
    path.write_bytes(data)
    with pytest.raises(Failure) as failure:
        children.subtitle_file(path, "talk.srt", "", None)
    assert failure.value.reason is Reason.DAMAGED_FILE
    assert "talk.srt" in failure.value.message


def test_captions_that_roll_are_a_cue_a_line_with_the_time_of_their_first_letter() -> None:
    frames = [
        *timed([ROLL_UP, LAST_ROW, *letters("FIRST LINE")], 1.0),
        *timed([CARRIAGE_RETURN, LAST_ROW, *letters("SECOND LINE")], 3.0),
        *timed([CARRIAGE_RETURN, LAST_ROW, *letters("THIRD")], 5.0),
    ]
    assert [(round(c.start_s, 1), round(c.end_s, 1), c.text, c.track) for c in read_captions(frames, 9.0)] == [
        (1.1, 5.0, "FIRST LINE", "cc1"),
        (3.1, 9.0, "SECOND LINE", "cc1"),
        (5.1, 9.0, "THIRD", "cc1"),
    ]


def test_captions_that_are_put_up_whole_are_a_cue_a_screen_and_pauses_stay_empty() -> None:
    frames = [
        *timed([POP_ON, LAST_ROW, *letters("HELLO"), PUT_UP], 1.0),
        *timed([ERASE], 3.0),
        *timed([POP_ON, LAST_ROW, *letters("AGAIN"), PUT_UP], 6.0),
        *timed([POP_ON, LAST_ROW, *letters("AT ONCE"), PUT_UP], 7.0),
    ]
    assert [(round(c.start_s, 1), round(c.end_s, 1), c.text) for c in read_captions(frames, 9.0)] == [
        (1.2, 3.0, "HELLO"),
        (6.2, 7.2, "AGAIN"),
        (7.2, 9.0, "AT ONCE"),
    ]


def test_the_second_field_is_a_track_of_its_own_and_programme_data_is_no_caption() -> None:
    xds = [(0x01, 0x03), *letters("TITLE OF SHOW"), (0x0F, 0x2A)]
    frames = [
        *timed([ROLL_UP, LAST_ROW, *letters("ENGLISH")], 1.0),
        *timed([*xds, (0x15, 0x26), (0x15, 0x70), *letters("BONJOUR")], 1.01, field=1),
    ]
    assert [(cue.text, cue.track) for cue in read_captions(sorted(frames), 4.0)] == [
        ("ENGLISH", "cc1"),
        ("BONJOUR", "cc3"),
    ]


def test_captions_come_with_the_frames_of_whatever_spans(tmp_path: Path, children: DecodeChildren) -> None:
    pairs = [
        ROLL_UP,
        LAST_ROW,
        *letters("CAPTIONS TRAVEL WITH FRAMES"),
        CARRIAGE_RETURN,
        LAST_ROW,
        *letters("ALL OF THEM"),
    ]
    captions = {20 + 3 * number: data for number, (_, data) in enumerate(timed(pairs, 0))}
    video = draw_captioned_video(tmp_path / "a.ts", [(RED, 60), (GREEN, 60), (BLUE, 30)], captions)
    whole = children.scan(video, None, None, "a.ts").end
    assert isinstance(whole, SpanEnd)
    assert len(whole.captions) == len(captions)
    parts = [children.scan(video, start, end, "a.ts").end for start, end in ((None, 1.0), (1.0, 2.5), (2.5, None))]
    joined = tuple(pair for part in parts if isinstance(part, SpanEnd) for pair in part.captions)
    assert joined == whole.captions
    assert [cue.text for cue in children.cues(video, joined, "a.ts").cues] == [
        "CAPTIONS TRAVEL WITH FRAMES",
        "ALL OF THEM",
    ]


def test_pictures_of_words_are_read(corpus: Path, children: DecodeChildren) -> None:
    from folioscope.pipeline.stages.picture_cues import recognise_pictures

    shown = {
        "subtitles-pgs-mkv/sample_with_pgs_subtitles.mkv": "This is the first subtitle",
        "wtv-dvb-subtitles/law-and-order-partial.wtv": "Who comforts her when she cries?",
    }
    for name, words in shown.items():
        found = children.cues(corpus / "reports-video" / name, (), name)
        [cue] = recognise_pictures(found.pictures)
        assert words in " ".join(cue.text.split())
        assert cue.language == "en"


@pytest.mark.parametrize(("language", "encoding", "words"), [("ru", "cp1251", "Привет"), ("ja", "cp932", "こんにちは")])
def test_old_encodings_go_by_the_language_in_the_name(tmp_path: Path, language: str, encoding: str, words: str) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(srt([(1, 2, words)]).encode(encoding))
    assert [cue.text for cue in read_subtitle_file(path, "a.srt", "", language)] == [words]


def segment(kind: int, body: bytes, mark: bytes = b"") -> bytes:
    return mark + bytes((kind,)) + (b"\x00\x01" if mark else b"") + len(body).to_bytes(2, "big") + body


def palette_of(codec: str, packet: bytes, header: bytes = b"") -> Palette:
    reader = palette_reader(SimpleNamespace(name=codec, extradata=header))
    assert reader is not None
    found = reader.of(packet)
    assert found is not None
    return found


def test_colours_of_pictures_are_told_by_their_packets() -> None:
    white, clear = (235, 128, 128), (16, 128, 128)
    blu_ray = segment(0x16, bytes(9) + b"\x02\x00") + segment(0x14, bytes((2, 0, 1, *white, 255, 3, *clear, 0)))
    dvb = segment(0x12, bytes((0, 0, 1, 0xE1, *white, 0, 3, 0xE1, *clear, 255)), b"\x0f")
    dvd_header = b"size: 720x576\npalette: 000000, ffffff, " + b", ".join([b"102030"] * 14) + b"\n"
    dvd = b"\x00\x0e\x00\x04" + b"\x00\x00\x00\x00" + b"\x03\x00\x10\x04\x00\xf0\xff"
    for palette in (palette_of("pgssub", blu_ray), palette_of("dvbsub", dvb), palette_of("dvdsub", dvd, dvd_header)):
        assert (palette[1] >= (250, 250, 250, 250)).all()
        assert palette[3][3] == 0


def test_packets_that_are_damaged_have_no_colours() -> None:
    for codec in ("pgssub", "dvbsub", "dvdsub"):
        reader = palette_reader(SimpleNamespace(name=codec, extradata=b""))
        assert reader is not None
        for packet in (b"", b"\x14", b"\x0f\x12", b"\x00\xff\xff\xff\xff", bytes(range(256))):
            reader.of(packet)
    assert palette_reader(SimpleNamespace(name="srt", extradata=b"")) is None


@pytest.mark.parametrize(
    ("name", "track", "lines"),
    [
        (
            "captions-608-h264/multi-channel-608-captions.ts",
            "cc1",
            ["RT QUESTION", "PERIOD, FOLKS.", "WE’RE LOSING TIME FROM QUESTION", "PERIOD."],
        ),
        (
            "captions-608-mpeg2/scte20.ts",
            "cc1",
            ["BESIDES THE", "SPENDING AND THIS, IS THAT CAR", "MANUFACTURERS ARE ABOUT AS", "QUALIFIED TO BUILD AN"],
        ),
        (
            "subtitles-srt-mkv/sample_with_overlapping_srt.mkv",
            "track:1",
            [
                "First subtitle - end overlaps second",
                "Third subtitle - fully encompasses second",
                "Second subtitle - beginning overlaps first",
            ],
        ),
    ],
)
def test_the_reports_subtitles(corpus: Path, children: DecodeChildren, name: str, track: str, lines: list[str]) -> None:
    path = corpus / "reports-video" / name
    end = children.scan(path, None, None, name).end
    assert isinstance(end, SpanEnd)
    found = [cue for cue in children.cues(path, end.captions, name).cues if cue.track == track]
    assert [cue.text for cue in found] == lines
    assert all(0 <= cue.start_s < cue.end_s <= end.video_end_s + 0.1 for cue in found)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 127), st.integers(0, 127)), max_size=150))
def test_captions_of_noise_end_after_they_start(pairs: list[tuple[int, int, int]]) -> None:
    frames = [(n / 30, as_bytes((first, second), field)) for n, (field, first, second) in enumerate(pairs)]
    for cue in read_captions(frames, 6.0):
        assert 0 <= cue.start_s <= cue.end_s <= 6.0
        assert cue.text


@given(st.one_of(st.binary(max_size=300), st.text("0123456789:,.->\n WEBVTT[]{}\\N<>", max_size=300).map(str.encode)))
def test_files_of_noise_are_read_or_told(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.srt"
        path.write_bytes(data)
        cues: list[Cue] = []
        with suppress(Failure):
            cues = read_subtitle_file(path, "a.srt", "", None)
        assert all(cue.start_s <= cue.end_s and cue.text for cue in cues)
