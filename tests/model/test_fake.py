"""The fake replica reads videos as deterministically as pages, so that tests of the pipeline can rely on it."""

from __future__ import annotations

import numpy as np

from folioscope.model.fake import FakeReplica
from folioscope.model.protocol import Frame, PageInput, Question, Reading, ShotInput, ShotText, VideoText


def frame(time_s: float, red: int) -> Frame:
    return Frame(time_s, np.full((4, 6, 3), (red, 20, 30), np.uint8))


def test_a_shot_is_read_by_its_colours() -> None:
    shot = ShotInput(2, 1.0, 5.0, 6, 4, (frame(1.0, 10), frame(2.0, 10), frame(3.0, 99)))
    page = PageInput(1, 6, 4, None, None)
    blank, read = FakeReplica().read([page, shot])
    assert isinstance(blank, Reading)
    assert isinstance(read, Reading)
    assert (blank.text, blank.flags) == ("", ("blank",))
    assert [(block.text, block.start_s, block.end_s) for block in read.blocks] == [
        ("colour 10 20 30", 1.0, 2.0),
        ("colour 99 20 30", 3.0, 3.0),
    ]
    assert read.text_source == "model"
    assert [read] == list(FakeReplica().read([shot]))


def test_a_video_is_summarised_and_asked_by_its_lines() -> None:
    shots = (ShotText(1, 0.0, 2.0, ""), ShotText(2, 2.0, 5.0, "colour 10 20 30\n\ncolour 99 20 30"))
    video = VideoText("video", "a.mp4", None, 5.0, shots)
    summary = FakeReplica().summarize(video)
    assert summary.text == "colour 10 20 30"
    assert [(chapter.start_s, chapter.end_s) for chapter in summary.chapters] == [(0.0, 2.0), (2.0, 5.0)]
    found, absent = FakeReplica().answer(video, [Question("1", "Which colour has 99?"), Question("2", "Who is Ada?")])
    assert (found.text, found.evidence[0].start_s, found.evidence[0].end_s) == ("colour 99 20 30", 2.0, 5.0)
    assert not absent.answerable
