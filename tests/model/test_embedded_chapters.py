"""What the embedded replica makes of what stood on a screen: chapters, summaries and answers with their seconds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.embedded.chapters import chapters_of
from folioscope.model.embedded.replica import EmbeddedReplica
from folioscope.model.protocol import Block, Box, Question, ShotText, VideoText


def seen(number: int, start_s: float, end_s: float, *texts: str, height: float = 0.05) -> ShotText:
    blocks = tuple(
        Block(
            "text",
            text,
            Box(0.1, 0.1 + 0.2 * n, 0.1 + 0.02 * len(text), 0.1 + 0.2 * n + height),
            0.95,
            0,
            start_s,
            end_s,
        )
        for n, text in enumerate(texts)
    )
    return ShotText(number, start_s, end_s, "\n\n".join(texts), blocks, language="en")


def video(*shots: ShotText) -> VideoText:
    return VideoText("f" * 64, "video.mp4", None, shots[-1].end_s if shots else 0.0, shots)


RIVER = video(
    seen(1, 0.0, 4.0, "The Alder River in 2024", height=0.15),
    seen(2, 4.0, 12.0),
    seen(3, 12.0, 18.0, "Ines Farrow, chief engineer"),
    seen(4, 18.0, 30.0, "The fish counter recorded 1,874 salmon in 2024."),
    seen(5, 30.0, 33.0, "Part two: the flood", height=0.15),
    seen(6, 33.0, 50.0, "Ninety-six homes were flooded on 9 February."),
    seen(7, 50.0, 60.0),
)


def test_chapters_cover_the_video_and_are_called_by_its_largest_words() -> None:
    chapters = chapters_of(RIVER.shots)
    assert chapters[0].title == "The Alder River in 2024"
    assert "Part two: the flood" in [chapter.title for chapter in chapters]
    assert (chapters[0].start_s, chapters[-1].end_s) == (0.0, 60.0)


def test_a_watermark_names_no_chapter_and_shots_without_words_are_called_by_their_numbers() -> None:
    marked = [seen(n, 10.0 * n, 10.0 * n + 10, "www.example.org") for n in range(1, 7)]
    assert [chapter.title for chapter in chapters_of(marked)][:1] == ["Shot 1"]
    assert [chapter.title for chapter in chapters_of([seen(1, 0, 1), seen(2, 1, 2), seen(3, 2, 2.5)])] == ["Shots 1–3"]
    assert chapters_of([]) == ()


@given(
    lengths=st.lists(st.floats(0.1, 400), min_size=1, max_size=60),
    texts=st.lists(
        st.sampled_from(["", "", "The weir", "The weir at Sallow", "Flood of 1987", "Credits"]),
        min_size=60,
        max_size=60,
    ),
)
def test_chapters_meet_and_are_few_and_long_enough(lengths: list[float], texts: list[str]) -> None:
    times = [0.0, *np.cumsum(lengths).tolist()]
    shots = [
        seen(n + 1, times[n], times[n + 1], *([text] if text else [])) for n, text in enumerate(texts[: len(lengths)])
    ]
    chapters = chapters_of(shots)
    assert chapters[0].start_s == 0.0
    assert chapters[-1].end_s == times[-1]
    assert all(a.end_s == b.start_s for a, b in pairwise(chapters))
    assert len(chapters) <= 24
    assert all(chapter.title for chapter in chapters)
    assert len(chapters) == 1 or min(c.end_s - c.start_s for c in chapters) >= max(3.0, times[-1] / 24) - 1e-6


def test_a_summary_is_words_of_the_screen_with_their_seconds() -> None:
    summary = EmbeddedReplica().summarize(RIVER)
    assert summary.method == "extractive"
    assert "The fish counter recorded 1,874 salmon in 2024." in summary.text
    assert len(summary.key_points) == 5
    for point in summary.key_points:
        [evidence] = point.evidence
        [source] = [shot for shot in RIVER.shots if shot.start_s == evidence.start_s]
        assert point.text in source.text
        assert (evidence.page_number, evidence.end_s) == (None, source.end_s)
    assert EmbeddedReplica().summarize(video()).text == ""


@pytest.mark.parametrize(
    ("question", "words", "start_s"),
    [
        ("How many salmon did the fish counter record in 2024?", "1,874", 18.0),
        ("When were homes flooded?", "9 February", 33.0),
        ("Who is the chief engineer?", "Ines Farrow", 12.0),
        ("How many salmon did the fish counter record in 1987?", None, 0.0),
        ("Who is the mayor of Millbridge?", None, 0.0),
    ],
)
def test_an_answer_is_words_of_the_screen_or_not_found(question: str, words: str | None, start_s: float) -> None:
    [found] = EmbeddedReplica().answer(RIVER, [Question("q", question)])
    if words is None:
        assert (found.answerable, found.text, found.evidence) == (False, None, ())
        return
    assert found.text is not None
    assert words in found.text
    assert (found.evidence[0].start_s, found.evidence[0].quote) == (start_s, found.text)
