"""Cues fall into shots: none lost, none twice, whatever the units; and sidecars are found by their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.protocol import Block, Reading, Word
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.cue_lists import listed_assets, read_cues, recipe_of, write_cues
from folioscope.pipeline.video.cues import Cue, cues_by_shot, distinct, language_tag, with_cues
from folioscope.pipeline.video.sidecars import match_sidecars


@dataclass(frozen=True)
class Span:
    start_s: float
    end_s: float
    reason: str | None = None


SECONDS = st.floats(-5, 200, allow_nan=False)
CUES = st.lists(
    st.builds(
        lambda start, length, text, track, kind: Cue(start, start + length, text, track, kind=kind),
        SECONDS,
        st.floats(0, 30, allow_nan=False),
        st.text("abc ", min_size=1, max_size=6),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["subtitle", "speech"]),
    ),
    max_size=30,
)
CUTS = st.lists(st.floats(0, 150, allow_nan=False), min_size=1, max_size=12, unique=True).map(sorted)


@given(CUES, CUTS, st.integers(1, 5))
def test_every_cue_is_in_one_shot_whatever_the_units(cues: list[Cue], cuts: list[float], per_unit: int) -> None:
    shots = [Span(start, end) for start, end in zip(cuts, [*cuts[1:], cuts[-1] + 10], strict=True)]
    found: list[Cue] = []
    for first in range(0, len(shots), per_unit):  # a unit looks at all the shots, and takes its own
        for shot, group in list(zip(shots, cues_by_shot(cues, shots), strict=True))[first : first + per_unit]:
            found += group
            for cue in group:
                inside = shot.start_s <= cue.middle_s < shot.end_s
                outside = cue.middle_s < shots[0].start_s or cue.middle_s >= shots[-1].end_s
                assert inside or (outside and shot in (shots[0], shots[-1]))
    assert sorted(found, key=repr) == sorted(cues, key=repr)


@given(CUES, CUTS, st.lists(st.booleans(), min_size=12, max_size=12))
def test_cues_that_begin_before_the_picture_breaks_off_are_in_what_is_left_of_it(
    cues: list[Cue], cuts: list[float], lost: list[bool]
) -> None:
    ends = [*cuts[1:], cuts[-1] + 10]
    shots = [Span(a, b, "no_frames" if gone else None) for a, b, gone in zip(cuts, ends, lost, strict=False)]
    groups = cues_by_shot(cues, shots)
    assert sorted((cue for group in groups for cue in group), key=repr) == sorted(cues, key=repr)
    for shot, group in zip(shots, groups, strict=True):
        for cue in group if shot.reason else ():
            assert not any(
                other.reason is None and min(cue.end_s, other.end_s) > max(cue.start_s, other.start_s)
                for other in shots
            )


@given(CUES)
def test_cues_become_blocks_of_the_reading_and_its_text_keeps_what_was_read(cues: list[Cue]) -> None:
    reading = Reading("on the screen", "model", (Block("text", "on the screen"),), flags=("no_words",))
    taken = with_cues(reading, cues)
    assert [block.text for block in taken.blocks] == ["on the screen", *(cue.text for cue in cues)]
    assert taken.text.startswith("on the screen")
    assert taken.text_source == "model"
    assert [(b.start_s, b.end_s, b.track) for b in taken.blocks[1:]] == [(c.start_s, c.end_s, c.track) for c in cues]


def test_what_is_not_to_be_believed_is_a_block_and_in_no_text() -> None:
    doubtful = Cue(1, 2, "Thanks for watching", "speech:1", kind="speech", flags=("no_speech",))
    taken = with_cues(Reading("", "none", flags=("no_words",)), [doubtful])
    assert (taken.text, taken.text_source, taken.flags) == ("", "none", ("no_words",))
    assert taken.blocks[0].flags == ("no_speech",)
    believed = with_cues(Reading("", "none", flags=("no_words",)), [Cue(1, 2, "Bonjour", "speech:1", "fr", "speech")])
    assert (believed.text, believed.text_source, believed.language, believed.flags) == ("Bonjour", "speech", "fr", ())


def test_the_same_cue_twice_in_a_track_is_one() -> None:
    cue = Cue(1, 2, "twice", "a")
    assert distinct([Cue(3, 4, "late", "a"), cue, cue, Cue(1, 2, "twice", "b")]) == [
        cue,
        Cue(1, 2, "twice", "b"),
        Cue(3, 4, "late", "a"),
    ]


def test_a_list_of_cues_reads_back_as_it_was_written(tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path))
    word = Word("Hello", 1.0, 1.5, 0.5)
    cues = [Cue(1.0, 2.0, "Hello", "speech:1", "en", "speech", 0.25, ("repetition",), (word,)), Cue(2, 3, "x", "cc1")]
    asset = "ab" * 32
    write_cues(store, "recipe", asset, cues, ("subtitles_unread",))
    assert read_cues(store, "recipe", asset) == (cues, ("subtitles_unread",))
    assert listed_assets(store, "recipe") == [asset]
    assert listed_assets(store, "other") == []


def test_a_recipe_changes_with_its_key_alone() -> None:
    assert recipe_of("base", None) == "base"
    assert recipe_of("base", "a") == recipe_of("base", "a") != recipe_of("base", "b")


@pytest.mark.parametrize(
    ("name", "tag"),
    [("eng", "en"), ("ger", "de"), ("pt_BR", "pt-BR"), ("und", None), ("", None), (None, None), ("forced", None)],
)
def test_languages_are_named_by_their_tags(name: str | None, tag: str | None) -> None:
    assert language_tag(name) == tag


@pytest.mark.parametrize(
    ("subtitles", "video", "language", "track"),
    [
        ("a/talk.srt", "a/talk.mp4", None, "sidecar:srt"),
        ("a/talk.en.vtt", "a/talk.mp4", "en", "sidecar:en.vtt"),
        ("a/talk.pt-BR.forced.ass", "a/talk.mp4", "pt-BR", "sidecar:pt-BR.forced.ass"),
        ("a/talk.mp4.srt", "a/talk.mp4", None, "sidecar:srt"),
        ("a/talk.en.hi.srt", "a/talk.mp4", "en", "sidecar:en.hi.srt"),
        ("a/talk.hi.srt", "a/talk.mp4", "hi", "sidecar:hi.srt"),
        ("a/talk.2.srt", "a/talk.2.mkv", None, "sidecar:srt"),
        ("a/talk.German.srt", "a/talk.mp4", "de", "sidecar:German.srt"),
        ("a/talk.2.yue.srt", "a/talk.2.mkv", "yue", "sidecar:yue.srt"),
        ("a/talk.en.3.srt", "a/talk.mp4", "en", "sidecar:en.3.srt"),
    ],
)
def test_a_sidecar_is_found_by_its_name(subtitles: str, video: str, language: str | None, track: str) -> None:
    [found] = match_sidecars(["a/talk.mp4", "a/talk.2.mkv", "b/talk.mp4"], [subtitles])
    assert (found.video, found.language, found.track) == (video, language, track)


def test_subtitles_beside_no_video_and_of_another_name_are_nobodys() -> None:
    videos = ["a/talk.mp4"]
    others = (
        "b/talk.srt a/talks.srt a.talk/x.srt a/talk.1.2.3.4.srt a/talk.2.srt a/talk.part2.srt a/talk.cut.srt".split()
    )
    assert list(match_sidecars(videos, [*others, "a/talk.S01E02.en.srt", "a/talk.new.en.vtt"])) == []
    both = list(match_sidecars(["talk.mp4", "talk.webm"], ["talk.de.srt"]))
    assert [item.video for item in both] == ["talk.mp4", "talk.webm"]
