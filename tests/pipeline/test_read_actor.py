"""The read actor where the model misbehaves: it raises, it takes its process down, the output cannot be written."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.fake import FakeReplica
from model.load import ModelChoice
from model.protocol import PageInput, Reading
from pipeline.decode.children import ChildLimits
from pipeline.decode.pages import DecodeSettings
from pipeline.plan import UNITS, unit_of
from pipeline.rows import Provenance
from pipeline.stages import read
from pipeline.stages.prepare import ReadJob
from pipeline.stages.read import ReadActor
from pipeline.store import OutputStore
from pipeline.watchdog import EXIT_CODE, deadline
from pipeline.work import Attempts, WorkArea, digest


class Misbehaving(FakeReplica):
    """Raises on pages that say ``raise``, ends the process on pages that say ``die``."""

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        for page in pages:
            assert page is not None  # it owes nothing when it asks for the next one
            words = " ".join(block.text for block in page.layer.blocks) if page.layer else ""
            if "die" in words:
                os._exit(9)
            if "raise" in words:
                raise RuntimeError("no such weight")
            yield from super().read([page])


def job(output: Path) -> ReadJob:
    return ReadJob(
        WorkArea(OutputStore(str(output)), 1),
        ModelChoice("fake"),
        Provenance("recipe", "run", "fake@1"),
        DecodeSettings(layout="fast"),
        str(output / "spool"),
        1 << 30,
        ChildLimits(),
        (),
        60.0,
    )


def block(path: Path, pages: int, pages_per_unit: int) -> pa.Table:
    status = path.stat()
    asset = hashlib.sha256(path.read_bytes()).hexdigest()
    rows = [
        {
            "uri": str(path),
            "etag": f"{status.st_size}-{status.st_mtime_ns}",
            "size": status.st_size,
            "asset_id": asset,
            "kind": "pdf",
            "first": first,
            "last": min(pages, first + pages_per_unit - 1),
        }
        for first in range(1, pages + 1, pages_per_unit)
    ]
    return pa.Table.from_pylist(rows, schema=UNITS)


def committed(output: Path, part: str) -> list[dict[str, Any]]:
    paths = sorted((output / "_work" / "000001" / part).rglob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def misbehave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "load_replica", lambda name: Misbehaving())


@pytest.mark.usefixtures("misbehave")
def test_a_page_that_the_model_cannot_read_costs_that_page_alone(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one", "raise", "three", "four"])
    [result] = ReadActor(job(tmp_path / "out"))(block(path, 4, 4)).to_pylist()
    assert (result["done"], result["failed"]) == (3, 1)
    assert [row["segment"] for row in committed(tmp_path / "out", "segments")] == [1, 3, 4]
    [failure] = committed(tmp_path / "out", "failures")
    assert (failure["segment"], failure["stage"], failure["reason"]) == (2, "read", "model_error")
    assert "no such weight" in failure["message"]
    assert "a.pdf page 2" in failure["message"]


class Telling(FakeReplica):
    """Says of its second page alone what is wrong with it; counts the pages it was asked for."""

    asked = 0

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        for page in pages:
            assert page is not None
            self.asked += 1
            yield ValueError("a strip") if page.page_number == 2 else next(super().read([page]))


def test_a_page_that_a_model_names_is_failed_without_reading_the_others_again(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Telling()
    monkeypatch.setattr(read, "load_replica", lambda choice: replica)
    path = make_pdf(tmp_path / "a.pdf", ["one", "two", "three"])
    [result] = ReadActor(job(tmp_path / "out"))(block(path, 3, 3)).to_pylist()
    assert (result["done"], result["failed"], replica.asked) == (2, 1, 3)
    [failure] = committed(tmp_path / "out", "failures")
    assert "a.pdf page 2: the model failed (ValueError: a strip)" in failure["message"]


def _act(job_: ReadJob, units: pa.Table) -> None:
    read.load_replica = lambda name: Misbehaving()  # type: ignore[assignment]
    ReadActor(job_)(units)


@pytest.mark.guarantee(
    fault="actor killed",
    moment="read",
    outcome="a unit that kills its worker three times fails alone",
)
def test_a_unit_that_kills_its_worker_is_given_up_and_its_neighbours_are_not(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one", "two", "die", "four", "five", "six"])
    units = block(path, 6, 1)
    context = multiprocessing.get_context("spawn")
    deaths = 0
    while True:  # as Ray does: the same block again in a fresh worker
        worker = context.Process(target=_act, args=(job(tmp_path / "out"), units))
        worker.start()
        worker.join(60)
        if worker.exitcode == 0:
            break
        assert worker.exitcode == 9
        deaths += 1
    assert deaths == 3
    assert [row["segment"] for row in committed(tmp_path / "out", "segments")] == [1, 2, 4, 5, 6]
    [failure] = committed(tmp_path / "out", "failures")
    assert (failure["segment"], failure["reason"], failure["attempts"]) == (3, "worker_died", 3)


class Hungry(FakeReplica):
    """Takes three pages before it gives the first back, as a model that reads several at once; stumbles over one."""

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        coming = iter(pages)
        while chunk := list(islice(coming, 3)):
            batch = [page for page in chunk if page is not None]
            if len(batch) > 1 and any(page.page_number == 4 for page in batch):
                raise RuntimeError("too many")
            yield from super().read(batch)


def test_pages_flow_across_units_and_a_stumble_loses_none(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "load_replica", lambda choice: Hungry())
    path = make_pdf(tmp_path / "a.pdf", [f"page {n}" for n in range(1, 11)])
    results = ReadActor(job(tmp_path / "out"))(block(path, 10, 2)).to_pylist()
    assert [(row["done"], row["failed"]) for row in results] == [(2, 0)] * 5
    rows = committed(tmp_path / "out", "segments")
    assert [(row["segment"], row["text"]) for row in rows] == [(n, f"page {n}") for n in range(1, 11)]


class Patient(FakeReplica):
    """Keeps pages until it has four, or until none is ready any more and it has seen so a few times."""

    most_held = 0

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        held: list[PageInput | None] = []
        waited = 0
        for page in pages:
            if page is None:
                waited += 1
                time.sleep(0.01)
            else:
                held.append(page)
                self.most_held = max(self.most_held, len(held))
            if len(held) == 4 or waited == 100:
                yield from super().read(held)
                held, waited = [], 0
        yield from super().read(held)


def test_pages_of_several_blocks_are_with_the_replica_at_once(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Patient()
    monkeypatch.setattr(read, "load_replica", lambda choice: replica)
    paths = [make_pdf(tmp_path / f"{n}.pdf", [f"file {n} page {page}" for page in (1, 2)]) for n in range(5)]
    actor = ReadActor(job(tmp_path / "out"))
    with ThreadPoolExecutor(5) as calls:  # as Ray calls an actor that takes several blocks at once
        results = list(calls.map(lambda path: actor(block(path, 2, 2)).to_pylist(), paths))
    assert [(row["done"], row["failed"]) for [row] in results] == [(2, 0)] * 5
    assert replica.most_held == 4
    texts = {row["text"] for row in committed(tmp_path / "out", "segments")}
    assert texts == {f"file {n} page {page}" for n in range(5) for page in (1, 2)}


def test_a_unit_read_alone_is_alone_among_blocks(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Patient()
    monkeypatch.setattr(read, "load_replica", lambda choice: replica)
    suspected, other = (make_pdf(tmp_path / f"{n}.pdf", [f"{n} {page}" for page in range(3)]) for n in "ab")
    again = block(suspected, 3, 1)
    key = f"block-{digest([unit_of(row, 'recipe').key for row in again.to_pylist()])}"
    Attempts(job(tmp_path / "out").work, "run").begin(key)  # a worker died of this block
    actor = ReadActor(job(tmp_path / "out"))
    with ThreadPoolExecutor(2) as calls:
        first, second = calls.submit(actor, again), calls.submit(actor, block(other, 3, 3))
        assert [row["done"] for row in first.result().to_pylist()] == [1, 1, 1]
        assert [row["done"] for row in second.result().to_pylist()] == [3]
    assert replica.most_held == 3  # the other block's, never one more


def test_a_defect_of_the_stage_is_told_to_whoever_waits(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "load_replica", lambda choice: FakeReplica())
    monkeypatch.setattr(read, "segment_row", lambda *arguments: 1 / 0)
    actor = ReadActor(job(tmp_path / "out"))
    path = make_pdf(tmp_path / "a.pdf", ["one"])
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            actor(block(path, 1, 1))


def test_a_block_given_again_reads_nothing_twice(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Telling()
    monkeypatch.setattr(read, "load_replica", lambda choice: replica)
    path = make_pdf(tmp_path / "a.pdf", [f"page {n}" for n in range(1, 7)])
    actor = ReadActor(job(tmp_path / "out"))
    first, again = (actor(block(path, 6, 3)).column("done").to_pylist() for _ in range(2))
    assert (first, again, replica.asked) == ([2, 3], [3, 3], 6)


@pytest.mark.usefixtures("misbehave")
def test_a_file_that_changed_since_it_was_planned_is_not_read(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one"])
    units = block(path, 1, 1)
    make_pdf(path, ["another text, and longer"])
    ReadActor(job(tmp_path / "out"))(units)
    assert committed(tmp_path / "out", "segments") == []
    assert [row["reason"] for row in committed(tmp_path / "out", "failures")] == ["changed_during_run"]


@pytest.mark.usefixtures("misbehave")
def test_an_output_that_cannot_be_written_is_told_and_nothing_is_claimed(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one", "two"])
    (tmp_path / "out").write_text("a file where the folder should be")
    results = ReadActor(job(tmp_path / "out"))(block(path, 2, 1)).to_pylist()
    assert [row["done"] for row in results] == [0, 0]
    assert all("NotADirectoryError" in row["output_error"] for row in results)


def _hang() -> None:
    with deadline(0.2, "reading x.pdf"):
        multiprocessing.Event().wait(30)


def test_work_that_hangs_ends_its_process() -> None:
    worker = multiprocessing.get_context("spawn").Process(target=_hang)
    worker.start()
    worker.join(30)
    assert worker.exitcode == EXIT_CODE
