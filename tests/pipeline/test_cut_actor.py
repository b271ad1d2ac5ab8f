"""The cut stage without Ray: any worker may take any span, in any order, and none is scanned twice."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from film_making import BLUE, GREEN, RED, draw_film

from pipeline.decode.children import ChildLimits
from pipeline.failures import Reason
from pipeline.films import make_cut_recipe, read_shots, shot_counts
from pipeline.shots import CutSettings, Shot
from pipeline.sources import SourceFile, list_sources
from pipeline.stages.cut import SPANS, CutActor, CutJob
from pipeline.store import OutputStore
from pipeline.work import MAX_ATTEMPTS, WorkArea

SETTINGS = CutSettings()
RECIPE = make_cut_recipe(SETTINGS)


def actor(output: Path, seconds: float = 2.0) -> CutActor:
    work = WorkArea(OutputStore(str(output)), 1)
    return CutActor(CutJob(work, "run-1", SETTINGS, seconds, str(output / "spool"), 1 << 30, ChildLimits(), ()))


def spans(path: Path, count: int) -> list[dict[str, Any]]:
    [source] = [item for item in list_sources((str(path),)) if isinstance(item, SourceFile)]
    asset = hashlib.sha256(path.read_bytes()).hexdigest()
    row = {"uri": source.uri, "etag": source.etag, "size": source.size, "asset_id": asset, "duration_s": 8.0}
    return [row | {"number": number, "count": count} for number in range(count)]


def cut(worker: CutActor, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list(worker(pa.Table.from_pylist(rows, schema=SPANS)).to_pylist())


def shots(output: Path) -> list[Shot]:
    store = OutputStore(str(output))
    [found] = shot_counts(store, RECIPE).to_pylist()
    return read_shots(store, RECIPE, found["asset_id"], found["shot_count"])


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return draw_film(tmp_path / "a.mp4", [(RED, 23), (GREEN, 31), (BLUE, 26)])


def test_spans_in_any_order_by_any_worker_give_the_shots_of_one_span(film: Path, tmp_path: Path) -> None:
    first, second = actor(tmp_path / "many"), actor(tmp_path / "many")
    rows = spans(film, 4)
    cut(first, [rows[3], rows[0]])
    assert shot_counts(OutputStore(str(tmp_path / "many")), RECIPE).num_rows == 0, "two spans are missing"
    scans = {path: path.stat().st_mtime_ns for path in (tmp_path / "many").rglob("scans/**/*.parquet")}
    assert len(scans) == 2
    cut(second, rows)
    assert {path: path.stat().st_mtime_ns for path in scans} == scans, "what a worker committed is not done again"
    cut(actor(tmp_path / "one", 60.0), spans(film, 1))
    assert shots(tmp_path / "many") == shots(tmp_path / "one")
    assert [shot.start_s for shot in shots(tmp_path / "one")] == [0.0, 2.3, 5.4]


def test_a_film_that_cannot_be_had_is_no_verdict_on_it(film: Path, tmp_path: Path) -> None:
    rows = spans(film, 1)
    film.unlink()
    worker = actor(tmp_path / "out")
    [result] = cut(worker, rows)
    assert (result["done"], result["failed"]) == (0, 1)
    assert shot_counts(OutputStore(str(tmp_path / "out")), RECIPE).num_rows == 0
    [table] = WorkArea(OutputStore(str(tmp_path / "out")), 1).read(
        WorkArea(OutputStore(str(tmp_path / "out")), 1).names("failures")
    )
    [failure] = table.to_pylist()
    assert (failure["stage"], failure["reason"]) == ("plan", "not_found")


def test_a_span_that_kills_its_workers_becomes_a_gap(film: Path, tmp_path: Path) -> None:
    worker, rows = actor(tmp_path / "out"), spans(film, 2)
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
