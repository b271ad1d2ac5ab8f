"""Whole runs over videos with subtitles: cues are searchable rows, and a changed sidecar makes one reading stale."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from caption_making import draw_subtitled_video, srt
from test_run import query
from test_video_run import run
from video_making import BLUE, GREEN, RED, draw_video

from folioscope.pipeline.config import QuestionSpec
from folioscope.pipeline.readers.search import ArchiveSearch
from folioscope.pipeline.readers.timelines import INDEX, export_timelines
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.accounting import Counts

ASKED = QuestionSpec(id="who", question="Who mends the weir")
FIRST = [(0.5, 1.5, "Ada opens the gate"), (2.0, 2.8, "Bram mends the weir"), (3.0, 4.0, "The river rises")]


def said(output: Path, name: str) -> list[tuple[Any, ...]]:
    """(shot, start, end, words, language, track) of the cues of a video."""
    return query(
        output,
        "SELECT segment, b.start_s, b.end_s, b.text, b.language, b.track FROM "
        f"(SELECT segment, unnest(blocks) AS b FROM shots WHERE uri LIKE '%{name}') WHERE b.kind = 'subtitle' ORDER BY 1, 2",
    )


@pytest.mark.usefixtures("local_ray")
def test_subtitles_are_rows_and_a_changed_sidecar_makes_its_video_stale(tmp_path: Path) -> None:
    archive, output = tmp_path / "archive", tmp_path / "out"
    draw_video(archive / "a.mp4", [(RED, 23), (GREEN, 27)])
    sidecar = archive / "a.en.srt"
    sidecar.write_text(srt(FIRST))
    draw_subtitled_video(archive / "b.mkv", [(BLUE, 20)], [(srt([(0.5, 1.5, "Guten Tag")]), "ger", "")])
    (archive / "stray.srt").write_text(srt(FIRST))
    options: dict[str, Any] = {"questions": (ASKED,), "replicas": 1}

    first = run(archive, output, **options)
    assert first.accounting.balanced
    assert first.accounting.assets == Counts(4, 3, 0, 0, 1), "two videos and a sidecar; the stray one is nobody's"
    track = ("en", "sidecar:en.srt")
    told = [
        (1, 0.5, 1.5, "Ada opens the gate", *track),
        (2, 2.0, 2.8, "Bram mends the weir", *track),
        (2, 3.0, 4.0, "The river rises", *track),
    ]
    assert said(output, "a.mp4") == told
    assert said(output, "b.mkv") == [(1, 0.5, 1.5, "Guten Tag", "de", "track:1")]
    assert query(output, "SELECT uri[-8:], kind, status FROM current_assets WHERE kind = 'subtitles'") == [
        ("a.en.srt", "subtitles", "done")
    ]
    [answer] = query(
        output, "SELECT answer, evidence[1].verified FROM current_answers WHERE uri LIKE '%a.mp4' AND answerable"
    )
    assert answer == ("Bram mends the weir", True)

    search = ArchiveSearch(OutputStore(str(output)), tmp_path / "cache")
    [hit] = search.find("mends weir", 1)
    assert (hit.source, hit.start_s, hit.end_s, hit.quote) == ("subtitle", 2.0, 2.8, "Bram mends the weir")

    export_timelines(OutputStore(str(output)))
    [(paths,)] = query(output, f"SELECT subtitles FROM '{output / INDEX}' WHERE uri LIKE '%a.mp4'")
    assert [(item["kind"], item["language"], item["track"]) for item in paths] == [("subtitle", *track)]
    vtt = (output / paths[0]["path"]).read_text()
    assert "00:00:02.000 --> 00:00:02.800\nBram mends the weir" in vtt
    assert "Bram" not in "".join(path.read_text() for path in (output / "timelines").glob("*.text.vtt"))

    again = run(archive, output, **options)
    assert (again.accounting.segments.done, again.accounting.assets) == (0, Counts(4, 0, 3, 0, 1))

    os.utime(sidecar, (1, 1))
    touched = run(archive, output, **options)
    assert (touched.accounting.segments.done, touched.accounting.balanced) == (0, True), "the same words as before"

    sidecar.write_text(srt([*FIRST[:1], (2.0, 2.8, "Carla mends the weir")]))
    changed = run(archive, output, **options)
    assert (changed.accounting.segments.done, changed.accounting.segments.reused) == (2, 1)
    assert (changed.accounting.summaries.done, changed.accounting.balanced) == (1, True)
    assert [row[3] for row in said(output, "a.mp4")] == ["Ada opens the gate", "Carla mends the weir"]
    assert query(output, "SELECT answer FROM current_answers WHERE answerable") == [("Carla mends the weir",)]

    sidecar.write_bytes(b"\x00\xff no subtitles at all")
    damaged = run(archive, output, **options)
    assert damaged.accounting.balanced
    assert query(output, "SELECT uri[-8:], stage, reason FROM failures") == [("a.en.srt", "plan", "damaged_file")]
    assert said(output, "a.mp4") == []

    sidecar.unlink()
    gone = run(archive, output, **options)
    assert (gone.accounting.segments.done, gone.accounting.balanced) == (0, True), "without a sidecar it has been read"
    assert query(output, "SELECT count(*) FROM failures") == [(0,)]
