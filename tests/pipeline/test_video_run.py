"""Whole runs over videos: shots as rows, what is reused, what is truncated, what cannot be had, and what a kill costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from test_run import query
from video_making import BLUE, GREEN, GREY, RED, draw_video, tear, with_chapters

from folioscope.model.load import describe_replica
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.run import Outcome, Run
from folioscope.pipeline.tables.accounting import Counts

PROJECT = Path(__file__).resolve().parents[2]
BLUE_ASKED = QuestionSpec(id="blue", question="Where is the colour")


def run(folder: Path, output: Path, **options: Any) -> Outcome:
    settings: dict[str, Any] = {"model": "fake", "kinds": "videos", "replicas": 2, "speech": "off"}
    settings |= {"seconds_per_unit": 2.5} | options
    config = RunConfig(inputs=(str(folder),), output=str(output), **settings)
    return Run(config, describe_replica(config.choice)).execute()


def shots(output: Path) -> list[tuple[Any, ...]]:
    return query(output, "SELECT asset_id, segment, start_s, end_s, frame_times, text FROM shots ORDER BY ALL")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    draw_video(folder / "a.mp4", [(RED, 23), (GREEN, 31), (BLUE, 26)], sound=True)
    draw_video(folder / "b.webm", [(GREY, 20), (RED, 15)], codec="libvpx-vp9")
    (folder / "letter.pdf").write_bytes(b"%PDF-1.4 of the sister job")
    return folder


@pytest.mark.usefixtures("local_ray", "inline_actors")
def test_what_a_container_says_is_in_assets_and_its_chapters_become_the_chapters(tmp_path: Path) -> None:
    source = draw_video(tmp_path / "source.mkv", [(RED, 23), (GREEN, 31), (BLUE, 26)])
    (tmp_path / "in").mkdir()
    with_chapters(source, tmp_path / "in" / "a.divx", [("Boats", 0.0, 3.0), ("Nets", 3.0, 8.0)])
    output = tmp_path / "out"
    assert run(tmp_path / "in", output).accounting.balanced
    named = [{"title": "Boats", "start_s": 0.0, "end_s": 3.0}, {"title": "Nets", "start_s": 3.0, "end_s": 8.0}]
    assert query(output, "SELECT chapters FROM videos") == [(named,)]
    told = "SELECT chapters, len(tracks), tracks[1].codec, pixel_aspect, interlaced, mirrored, status FROM assets"
    assert query(output, told) == [(named, 1, "h264", 1.0, False, False, "done")]
    run(tmp_path / "in", output)
    assert query(output, told) == [(named, 1, "h264", 1.0, False, False, "done")], "a second run keeps it"


@pytest.mark.usefixtures("local_ray")
def test_videos_become_rows_and_nothing_is_done_twice(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = run(archive, output, questions=(BLUE_ASKED,))
    assert first.accounting.balanced
    assert first.accounting.assets == Counts(3, 2, 0, 0, 1)
    assert first.accounting.segments == Counts(5, 5, 0, 0, 0)
    rows = query(
        output,
        "SELECT segment, start_s, end_s, width_px, height_px, frame_times[1] >= start_s, image IS NOT NULL "
        "FROM shots LEFT JOIN all_thumbnails USING (asset_id, recipe_id, segment) WHERE shots.uri LIKE '%a.mp4' ORDER BY 1",
    )
    assert rows == [
        (1, 0.0, 2.3, 160, 96, True, True),
        (2, 2.3, 5.4, 160, 96, True, True),
        (3, 5.4, 8.0, 160, 96, True, True),
    ]
    told = query(
        output, "SELECT shot_count, duration_s, fps, container, codec, has_audio, status, len(chapters) FROM videos"
    )
    assert (3, 8.0, 10.0, "mp4", "h264", True, "done", 3) in told
    verified = query(
        output, "SELECT DISTINCT evidence[1].verified, evidence[1].start_s IS NOT NULL FROM current_answers"
    )
    assert verified == [(True, True)]

    lists = {path: path.stat().st_mtime_ns for path in (output / "_shots").rglob("*.parquet")}
    again = run(archive, output, questions=(BLUE_ASKED,), seconds_per_unit=60)
    assert again.accounting.segments == Counts(5, 0, 5, 0, 0)
    assert again.manifest.tables["segments"] == first.manifest.tables["segments"]
    other = run(archive, output, thumbnails=0, tasks=("read",))
    assert other.accounting.segments == Counts(5, 5, 0, 0, 0), "another recipe reads anew"
    assert {path: path.stat().st_mtime_ns for path in (output / "_shots").rglob("*.parquet")} == lists, "and cuts not"


@pytest.mark.usefixtures("inline_actors")
def test_a_truncated_video_is_partial_and_says_where_it_is_truncated(archive: Path, tmp_path: Path) -> None:
    whole = draw_video(tmp_path / "whole.mp4", [(RED, 40), (GREEN, 40), (BLUE, 40)])
    tear(whole, archive / "truncated.mp4", 0.6)
    (archive / "empty.mp4").write_bytes(b"")
    outcome = run(archive, tmp_path / "out", tasks=("read",))
    assert outcome.accounting.balanced
    assert outcome.accounting.segments.failed == 1
    statuses = dict(query(tmp_path / "out", "SELECT regexp_extract(uri, '[^/]*$'), status FROM assets"))
    assert statuses["truncated.mp4"] == "partial"
    assert statuses["empty.mp4"] == "failed"
    [(stage, reason, segment, message)] = query(
        tmp_path / "out", "SELECT stage, reason, segment, message FROM failures WHERE uri LIKE '%truncated.mp4'"
    )
    assert (stage, reason) == ("decode", "truncated_video")
    read = query(tmp_path / "out", "SELECT max(segment), max(end_s) FROM shots WHERE uri LIKE '%truncated.mp4'")
    assert read[0][0] == segment - 1
    assert f"breaks off at {read[0][1]:.2f} s of 12.00 s" in message


@pytest.mark.usefixtures("inline_actors")
def test_the_two_jobs_share_an_output_and_leave_each_other_alone(archive: Path, tmp_path: Path, make_pdf: Any) -> None:
    output = tmp_path / "out"
    make_pdf(archive / "letter.pdf", ["A letter of the lighthouse."])
    (archive / "video.pdf").write_bytes((archive / "a.mp4").read_bytes())
    videos = run(archive, output)
    documents = run(archive, output, kinds="documents", layout="fast")
    assert videos.accounting.balanced
    assert documents.accounting.balanced
    assert documents.accounting.assets == Counts(4, 1, 0, 1, 2), "the videos are skipped; a video named .pdf has failed"
    assert query(output, "SELECT count(*) FROM pages") == [(1,)]
    assert query(output, "SELECT count(*) FROM shots") == [(5,)]
    assert run(archive, output).accounting.assets == Counts(4, 0, 2, 0, 2)


@pytest.mark.usefixtures("inline_actors")
def test_one_run_reads_documents_and_videos(archive: Path, tmp_path: Path, make_pdf: Any) -> None:
    """Both kinds in one accounting; what only one job read before is reused, and each has the recipes of its kind."""
    output = tmp_path / "out"
    make_pdf(archive / "letter.pdf", ["A letter of the lighthouse.", "Its second page."])
    documents = run(archive, output, kinds="documents", layout="fast", questions=(BLUE_ASKED,))
    assert documents.accounting.assets == Counts(3, 1, 0, 0, 2)
    both = run(archive, output, kinds="documents,videos", layout="fast", questions=(BLUE_ASKED,))
    assert both.accounting.balanced
    assert both.accounting.assets == Counts(3, 2, 1, 0, 0)
    assert both.accounting.segments == Counts(7, 5, 2, 0, 0), "two pages are reused, five shots are read"
    assert both.accounting.summaries == Counts(3, 2, 1, 0, 0)
    assert both.accounting.answers == Counts(3, 2, 1, 0, 0)
    assert both.problems.failures == both.problems.skipped == ()
    recipes = query(output, "SELECT DISTINCT kind = 'video', read_recipe_id, summary_recipe_id FROM assets ORDER BY 1")
    assert len(recipes) == 2
    assert recipes[0][1:] != recipes[1][1:]
    assert query(output, "SELECT count(*) FROM pages") == [(2,)]
    assert query(output, "SELECT count(*) FROM shots") == [(5,)]
    assert query(output, "SELECT count(*) FROM current_answers") == [(3,)]
    again = run(archive, output, kinds="documents,videos", layout="fast", questions=(BLUE_ASKED,))
    assert again.accounting.assets == Counts(3, 0, 3, 0, 0)
    videos = run(archive, output, questions=(BLUE_ASKED,))
    assert videos.accounting.segments == Counts(5, 0, 5, 0, 0), "and the job over videos finds its shots done"


def job(archive: Path, output: Path, fake_seconds: float) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "FOLIOSCOPE_FAKE_SECONDS": str(fake_seconds), "PYTHONPATH": str(PROJECT)}
    environment.pop("RAY_ADDRESS", None)
    command = [sys.executable, "jobs/index_videos.py", "--input", str(archive), "--output", str(output)]
    options = ["--model", "fake", "--tasks", "read", "--seconds-per-unit", "2"]
    return subprocess.Popen(
        [*command, *options], cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    begun = job(archive, output, fake_seconds=3.0)
    committed: list[Path] = []
    until = time.monotonic() + 600
    while not committed and begun.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
        committed = list((output / "_work").glob("*/commits/*/read/*/*.json"))
    begun.send_signal(signal.SIGKILL)
    _, told = begun.communicate()
    assert committed, f"killed before anything was read: {told.decode()[-2000:]}"
    lists = {path: path.stat().st_mtime_ns for path in (output / "_shots").rglob("*.parquet")}
    resumed = job(archive, output, fake_seconds=0.0)
    _, errors = resumed.communicate(timeout=600)
    assert resumed.returncode == 0, errors.decode()[-2000:]
    assert {path: path.stat().st_mtime_ns for path in (output / "_shots").rglob("*.parquet")} == lists
    assert len(shots(output)) == 5
    assert b"5/5 shots" not in errors, "what was committed is not read again"
