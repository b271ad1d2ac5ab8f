"""Time lines as WebVTT: what another parser reads back is what was in the tables, and only changed videos are written."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st
from sample_rows import Row, asset, block, page, publish, summary

from folioscope.pipeline.readers.timelines import export_timelines, file_stem
from folioscope.pipeline.readers.webvtt import Cue, joined, lines_of, render, timestamp
from folioscope.pipeline.storage.store import OutputStore

TABLE = "<table><tr><td>Gauge</td><td>Highest</td></tr><tr><td>Hythe &amp; Sallow</td><td>&lt; 3 m</td></tr></table>"
URI = "s3://videos/The river --> 2024.mp4"


def shot(number: int, start_s: float, *blocks: Row, **changes: Any) -> Row:
    text = "\n\n".join(item["text"] for item in blocks)
    times = {"kind": "shot", "page_number": None, "start_s": start_s, "end_s": start_s + 4.0}
    frames = {"frame_times": [start_s + 0.5, start_s + 1.5, start_s + 2.5]}
    return page("F", number, text=text, blocks=list(blocks), **times, **frames, **changes)


ROWS: dict[str, list[Row]] = {
    "assets": [asset(URI, "F", kind="video"), asset("still.mp4", "S", kind="video"), asset("a.pdf", "A")],
    "segments": [
        page("A", 1),
        shot(1, 0.0, block("The river year", start_s=0.5, end_s=1.5), block("A & <b>", start_s=0.5, end_s=2.5)),
        shot(2, 4.0, block(TABLE, kind="table", start_s=4.5, end_s=4.5), caption="A heron --> in water."),
    ],
    "summaries": [
        summary("F", chapters=[{"title": "Opening\n\n& more", "start_s": 0.0, "end_s": 4.0}, {"title": "Gauges", "start_s": 4.0, "end_s": 8.0}])
    ],
}  # fmt: skip


def read_back(path: Path) -> list[tuple[str, str, str]]:
    return [(cue.start, cue.end, html.unescape(cue.raw_text)) for cue in webvtt.read(str(path))]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return publish(tmp_path, ROWS)


def test_a_player_reads_what_the_tables_hold(output: Path) -> None:
    assert export_timelines(OutputStore(str(output))) == 2
    index = {row["uri"]: row for row in pq.read_table(output / "timelines" / "index.parquet").to_pylist()}
    assert index.keys() == {URI, "still.mp4"}
    assert (index["still.mp4"]["text"], index["still.mp4"]["chapters"]) == (None, None)
    video = index[URI]
    assert video["text"].startswith("timelines/The-river-2024-")
    assert read_back(output / video["text"]) == [
        ("00:00:00.500", "00:00:02.500", "The river year"),
        ("00:00:00.500", "00:00:04.000", "A &"),
        ("00:00:04.500", "00:00:05.500", "Gauge | Highest\nHythe & Sallow | < 3 m"),
    ]
    assert read_back(output / video["captions"]) == [("00:00:04.000", "00:00:08.000", "A heron --> in water.")]
    assert read_back(output / video["chapters"]) == [
        ("00:00:00.000", "00:00:04.000", "Opening\n& more"),
        ("00:00:04.000", "00:00:08.000", "Gauges"),
    ]


def test_only_what_changed_is_written_and_what_left_goes(output: Path) -> None:
    store = OutputStore(str(output))
    export_timelines(store)
    [text] = (output / "timelines").glob("*.text.vtt")
    written = text.stat().st_mtime_ns
    assert export_timelines(store) == 0
    assert text.stat().st_mtime_ns == written
    grown = {**ROWS, "segments": [*ROWS["segments"], shot(3, 8.0, block("Credits", start_s=8.5, end_s=8.5))]}
    publish(output, grown)
    assert export_timelines(store) == 1
    assert "Credits" in text.read_text()
    publish(output, {**grown, "assets": grown["assets"][1:]})
    assert export_timelines(store) == 0
    assert [path.name for path in (output / "timelines").iterdir()] == ["index.parquet"]


def test_copies_of_a_video_share_their_files(output: Path) -> None:
    publish(output, {**ROWS, "assets": [*ROWS["assets"], asset("z.mp4", "F", kind="video")]})
    assert export_timelines(OutputStore(str(output))) == 2
    rows = {row["uri"]: row for row in pq.read_table(output / "timelines" / "index.parquet").to_pylist()}
    assert rows[URI]["text"] == rows["z.mp4"]["text"]


def test_an_archive_without_videos_gets_no_folder(tmp_path: Path) -> None:
    publish(tmp_path, {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1)]})
    assert export_timelines(OutputStore(str(tmp_path))) == 0
    assert not (tmp_path / "timelines").exists()


words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=12)


@given(
    st.lists(st.tuples(st.floats(0, 40_000), st.floats(0, 100), st.lists(words, min_size=1, max_size=4)), max_size=5),
    words,
)
def test_any_words_come_back(cues: list[tuple[float, float, list[str]]], uri: str) -> None:
    made = [Cue(start, start + length, "\n".join(lines)) for start, length, lines in sorted(cues)]
    read = webvtt.from_string(render(uri, made))
    assert [html.unescape(cue.raw_text) for cue in read] == [cue.text for cue in made]
    assert [cue.start for cue in read] == [timestamp(cue.start_s) for cue in made]
    assert all(cue.start < cue.end or len(cue.start) < len(cue.end) for cue in read)


def test_words_that_stand_on_through_a_cut_are_one_cue() -> None:
    cues = [Cue(0.0, 4.0, "Sallow"), Cue(4.0, 8.0, "Sallow"), Cue(4.0, 6.0, "Weir"), Cue(9.0, 10.0, "Sallow")]
    assert joined(cues) == [Cue(0.0, 8.0, "Sallow"), Cue(4.0, 6.0, "Weir"), Cue(9.0, 10.0, "Sallow")]


def test_names_and_times() -> None:
    assert [timestamp(s) for s in (0.0, 59.9996, 3661.5, 360_000)] == [
        "00:00:00.000", "00:01:00.000", "01:01:01.500", "100:00:00.000"
    ]  # fmt: skip
    assert file_stem("a/video.mp4") != file_stem("b/video.mp4")
    assert file_stem("a/video.mp4").startswith("video-")
    assert "/" not in file_stem("s3://bucket/päth/../Ünï çode?.mp4")
    assert lines_of("# Title\n\nBody") == "Title\nBody"
    assert json.dumps(lines_of(TABLE)) == json.dumps("Gauge | Highest\nHythe & Sallow | < 3 m")
