"""What is said in a video as running text: whole sentences with their seconds, and where subtitles stand among frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.embedded.chapters import chapters_of
from folioscope.model.embedded.replica import EmbeddedReplica
from folioscope.model.embedded.sentences import sentences_of
from folioscope.model.kimi.interleaving import interleaved, middle
from folioscope.model.protocol import Block, Evidence, Question, ShotText, VideoText, cue_text
from folioscope.model.spoken import Passage, main_track, passages, tracks_of, when_said
from folioscope.pipeline.stages.evidence import verify_in_video


def cue(
    text: str, start_s: float, end_s: float, kind: str = "subtitle", track: str = "track:1", flags: tuple[str, ...] = ()
) -> Block:
    return Block(kind, text, start_s=start_s, end_s=end_s, track=track, language="en", flags=flags)  # type: ignore[arg-type]


def shot(number: int, start_s: float, end_s: float, *blocks: Block) -> ShotText:
    seen = [block.text for block in blocks if not block.is_cue]
    said = cue_text(block for block in blocks if block.is_cue and not block.flags)
    text = "\n\n".join([*seen, *([said] if said else [])])
    return ShotText(number, start_s, end_s, text, blocks)


def of(*shots: ShotText, sound: str | None = None) -> VideoText:
    return VideoText("v", "talk.mp4", None, shots[-1].end_s, shots, sound_language=sound)


TITLE = Block("text", "Sallow Weir", start_s=1.0, end_s=2.0)
VIDEO = VideoText(
    "v",
    "talk.mp4",
    None,
    60.0,
    (
        shot(1, 0, 20, TITLE, cue("The miller opens", 2.0, 4.0), cue("the gate. At", 4.0, 6.0)),
        shot(
            2,
            20,
            40,
            cue("night he closes it.", 20.1, 22.0),
            cue("Thanks for watching", 30, 31, "speech", "s", ("music",)),
        ),
        shot(3, 40, 60, cue("Bram mends the weir.", 41.0, 43.0), cue("bram mends the weir", 41.0, 43.0, "speech", "s")),
    ),
)


def test_cues_join_to_sentences_over_cuts_with_the_seconds_of_their_own_words() -> None:
    said = [(s.text, s.segment, s.start_s, s.end_s) for s in sentences_of(VIDEO)]
    assert said == [
        ("Sallow Weir", 1, 1.0, 2.0),
        ("The miller opens the gate.", 1, 2.0, 6.0),
        ("At", 1, 4.0, 6.0),
        ("night he closes it.", 2, 20.1, 22.0),
        ("Bram mends the weir.", 3, 41.0, 43.0),
        ("bram mends the weir", 3, 41.0, 43.0),
    ], "a pause of fourteen seconds ends a sentence; what is not to be believed is none"


def test_a_quote_over_a_cut_is_verified_where_it_is_said() -> None:
    shots = (
        shot(1, 0, 20, TITLE, cue("The miller opens the", 18.0, 19.9)),
        shot(2, 20, 40, TITLE, cue("gate in the morning.", 20.0, 22.0)),
    )
    video = VideoText("v", "talk.mp4", None, 40.0, shots)
    [sentence] = [s for s in sentences_of(video) if "miller" in s.text]
    assert sentence.text == "The miller opens the gate in the morning."
    assert verify_in_video(sentence.evidence, shots).verified
    assert not verify_in_video(sentence.evidence, shots[:1]).verified


def test_answers_and_summaries_rest_on_what_is_said_and_flagged_speech_on_nothing() -> None:
    replica = EmbeddedReplica()
    gate, thanks = replica.answer(
        VIDEO, [Question("a", "What does the miller open?"), Question("b", "Thanks for what?")]
    )
    assert (gate.text, gate.evidence[0].start_s) == ("The miller opens the gate.", 2.0)
    assert not thanks.answerable
    assert "Thanks" not in replica.summarize(VIDEO).text
    assert not verify_in_video(Evidence("Thanks for watching", start_s=30, end_s=31), VIDEO.shots).verified


def test_chapters_are_named_and_parted_by_the_screen_not_by_every_new_word_that_is_said() -> None:
    shots = [
        shot(n, 20 * n, 20 * n + 20, TITLE, cue(f"Quite another sentence number {n}.", 20 * n + 1, 20 * n + 2))
        for n in range(3)
    ]
    assert [chapter.title for chapter in chapters_of(shots)] == ["Sallow Weir"]


def test_the_screens_text_is_told_from_what_is_said() -> None:
    first = VIDEO.shots[0]
    assert first.screen_text == "Sallow Weir"
    assert first.text.endswith("The miller opens\nthe gate. At")
    assert VIDEO.shots[1].screen_text == ""


def test_subtitles_go_before_speech_and_the_fuller_track_before_the_poorer() -> None:
    assert main_track(VIDEO) == ("subtitle", "track:1")
    assert main_track(of(shot(1, 0, 9, TITLE))) is None
    two = shot(1, 0, 9, cue("Sign", 1, 2, track="forced"), cue("Everything that is said", 1, 2, track="full"))
    assert main_track(of(two)) == ("subtitle", "full")


ENGLISH, GERMAN = "The miller opens the gate in the morning.", "Der Müller öffnet das Tor am Morgen und geht ins Haus."


def told_in(*tracks: tuple[str, str | None, str], sound: str | None = None, kind: str = "subtitle") -> VideoText:
    """A video of one shot with these tracks (words, language, name)."""
    blocks = [replace(cue(words, 1, 4, kind, name), language=language) for words, language, name in tracks]
    return of(shot(1, 0, 9, *blocks), sound=sound)


@pytest.mark.parametrize(
    ("video", "track"),
    [
        (told_in((GERMAN, "de", "track:1"), (ENGLISH, "en", "track:2"), sound="en"), "track:2"),
        (told_in((GERMAN, "de", "track:1"), (ENGLISH, "en-GB", "track:2"), sound="en-US"), "track:2"),
        (told_in((GERMAN, "de", "track:1"), (ENGLISH, "en", "track:2"), sound="fr"), "track:1"),
        (told_in((ENGLISH, None, "cc1"), (GERMAN, None, "cc3"), sound="de"), "cc3"),
        (told_in((ENGLISH, "en", "track:1"), (GERMAN, "de", "track:2")), "track:1"),
        (told_in(("Tor", "de", "track:1"), (ENGLISH, "en", "track:2")), "track:2"),
    ],
    ids=["the sound's tag", "without regions", "spoken in neither", "read from the words", "the first", "no poor one"],
)
def test_a_video_is_told_in_the_language_that_is_spoken(video: VideoText, track: str) -> None:
    assert main_track(video) == ("subtitle", track)
    words = {block.track: block.text for block in video.shots[0].blocks}
    assert EmbeddedReplica().summarize(video).text == words[track], "in one language, and once"
    assert {sentence.text for sentence in sentences_of(video)} == set(words.values()), "questions are asked of all"


def test_what_was_heard_decides_before_the_screen() -> None:
    spoken = cue(ENGLISH, 1, 4, "speech", "speech:1")
    german = replace(cue(GERMAN, 1, 4), language="de")
    screen = Block("text", "Das Wehr am Fluss wurde im Jahr 1911 gebaut und später erneuert.")
    seen = replace(shot(1, 0, 9, screen, german), language="de")
    assert main_track(of(replace(shot(1, 0, 9, screen, german, spoken), language="de"))) == ("speech", "speech:1")
    assert main_track(of(seen)) == ("subtitle", "track:1")


def test_captions_without_full_stops_are_summed_up_from_speech_that_has_them() -> None:
    captions = [cue(f"and then it went on {n}", 3 * n, 3 * n + 2) for n in range(30)]
    speech = [cue(f"Then it went on to number {n}.", 3 * n, 3 * n + 2, "speech", "speech:1") for n in range(30)]
    video = of(shot(1, 0, 100, *captions, *speech))
    assert main_track(video) == ("subtitle", "track:1")
    assert main_track(video, in_sentences=True) == ("speech", "speech:1")


def test_when_a_quote_is_said() -> None:
    assert when_said("opens the GATE", VIDEO.shots[:1]) == (2.0, 6.0)
    assert when_said("the gate", VIDEO.shots[:1]) == (4.0, 6.0)
    assert when_said("Sallow Weir", VIDEO.shots) is None
    assert when_said("", VIDEO.shots) is None


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 9), st.text("ab. ", min_size=1, max_size=12)), max_size=25))
def test_no_cue_is_lost_in_passages(parts: list[tuple[float, float, str]]) -> None:
    blocks = [cue(text, start, start + length) for start, length, text in parts]
    tracks = tracks_of([shot(1, 0, 120, *blocks)])
    for cues in tracks.values():
        found: list[Passage] = list(passages(cues))
        assert [one for passage in found for one in passage.cues] == cues
        for passage in found:
            first, last = passage.cues[0], passage.cues[-1]
            assert passage.at(0, len(passage.text) - 1) == (1, first.start_s, max(first.end_s, last.end_s))


@given(
    st.lists(st.floats(0, 60), max_size=12).map(sorted),
    st.lists(st.tuples(st.floats(0, 60), st.floats(0, 5)), max_size=12),
)
def test_subtitles_stand_behind_the_frames_up_to_their_middle(
    times: list[float], spans: list[tuple[float, float]]
) -> None:
    cues = [cue("x", start, start + length) for start, length in spans]
    order = list(interleaved(times, cues))
    assert [item for item in order if isinstance(item, int)] == list(range(len(times)))
    shown = [item for item in order if isinstance(item, Block)]
    assert sorted(map(middle, shown)) == [middle(item) for item in shown]
    assert len(shown) == len(cues)
    for place, item in enumerate(order):
        if isinstance(item, Block):
            before = [times[other] for other in order[:place] if isinstance(other, int)]
            after = [times[other] for other in order[place:] if isinstance(other, int)]
            assert all(time <= middle(item) for time in before)
            assert all(time > middle(item) for time in after)


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [(1.0, 3.0, True), (2.0, 4.0, False), (2.1, 2.3, True), (4.0, 4.2, False), (1.5, 2.0, True)],
)
def test_a_benchmarks_prompt_shows_only_lines_that_a_frame_lies_in(start: float, end: float, shown: bool) -> None:
    order = list(interleaved([2.0], [cue("x", start, end)], only_with_frames=True))
    assert any(isinstance(item, Block) for item in order) is shown
