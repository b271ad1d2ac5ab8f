"""The shot detection stage without Ray: any worker may take any span, in any order, and none is scanned twice."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from video_making import BLUE, GREEN, RED, draw_video

from folioscope.pipeline.failures import Reason
from folioscope.pipeline.planning.video_units import SPANS
from folioscope.pipeline.stages.detect_shots import ShotDetectionActor, ShotDetectionJob
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.sources import SourceFile, list_sources
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.commits import read_records
from folioscope.pipeline.tables.shot_lists import make_shots_recipe, read_shots, shot_counts
from folioscope.pipeline.tables.work import MAX_ATTEMPTS, WorkArea
from folioscope.pipeline.video.shots import Shot, ShotSettings

SETTINGS = ShotSettings()
RECIPE = make_shots_recipe(SETTINGS)


def actor(output: Path, seconds: float = 2.0) -> ShotDetectionActor:
    work = WorkArea(OutputStore(str(output)), 1)
    return ShotDetectionActor(
        ShotDetectionJob(
            work, "run-1", SETTINGS, seconds, FileAccess(DownloadCache(output / "download cache"), 1 << 30)
        )
    )


def spans(path: Path, count: int) -> list[dict[str, Any]]:
    [source] = [item for item in list_sources((str(path),)) if isinstance(item, SourceFile)]
    asset = hashlib.sha256(path.read_bytes()).hexdigest()
    row = {"uri": source.uri, "etag": source.etag, "size": source.size, "asset_id": asset, "duration_s": 8.0}
    return [row | {"number": number, "count": count} for number in range(count)]


def cut(worker: ShotDetectionActor, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(worker(pa.Table.from_pylist(rows, schema=SPANS)).to_pylist())


def shots(output: Path) -> list[Shot]:
    store = OutputStore(str(output))
    [found] = shot_counts(store, RECIPE).to_pylist()
    return read_shots(store, RECIPE, found["asset_id"], found["shot_count"])


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return draw_video(tmp_path / "a.mp4", [(RED, 23), (GREEN, 31), (BLUE, 26)])


def test_spans_in_any_order_by_any_worker_give_the_shots_of_one_span(video: Path, tmp_path: Path) -> None:
    first, second = actor(tmp_path / "many"), actor(tmp_path / "many")
    rows = spans(video, 4)
    cut(first, [rows[3], rows[0]])
    assert shot_counts(OutputStore(str(tmp_path / "many")), RECIPE).num_rows == 0, "two spans are missing"
    scans = {path: path.stat().st_mtime_ns for path in (tmp_path / "many").rglob("scans/**/*.parquet")}
    assert len(scans) == 2
    cut(second, rows)
    assert {path: path.stat().st_mtime_ns for path in scans} == scans, "what a worker committed is not done again"
    cut(actor(tmp_path / "one", 60.0), spans(video, 1))
    assert shots(tmp_path / "many") == shots(tmp_path / "one")
    assert [shot.start_s for shot in shots(tmp_path / "one")] == [0.0, 2.3, 5.4]


def test_a_video_that_cannot_be_had_is_no_verdict_on_it(video: Path, tmp_path: Path) -> None:
    rows = spans(video, 1)
    video.unlink()
    worker = actor(tmp_path / "out")
    [result] = cut(worker, rows)
    assert (result["done"], result["failed"]) == (0, 1)
    assert shot_counts(OutputStore(str(tmp_path / "out")), RECIPE).num_rows == 0
    store = OutputStore(str(tmp_path / "out"))
    [record] = read_records(store, WorkArea(store, 1).names("commits"))
    [failure] = record.failures
    assert (failure["stage"], failure["reason"]) == ("plan", "not_found")


def test_a_span_that_kills_its_workers_becomes_a_gap(video: Path, tmp_path: Path) -> None:
    worker, rows = actor(tmp_path / "out"), spans(video, 2)
    for row in rows:
        row["count"] = 2
    key = f"cut-{RECIPE}-4/{rows[1]['asset_id'][:2]}/{rows[1]['asset_id']}-000001"
    worker = actor(tmp_path / "out", 4.0)
    for _ in range(MAX_ATTEMPTS):
        worker._attempts.begin(key)
    cut(worker, rows)
    found = shots(tmp_path / "out")
    assert [shot.reason for shot in found if shot.reason] == [Reason.WORKER_DIED]
    assert found[-1].reason is Reason.WORKER_DIED
    assert found[0].reason is None
