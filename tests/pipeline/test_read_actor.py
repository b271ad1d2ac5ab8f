"""The read actor where the model misbehaves: it raises, it takes its process down, the output cannot be written."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from folioscope.model.fake import FakeReplica
from folioscope.model.load import ModelChoice
from folioscope.model.protocol import PageInput, Reading
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.planning.units import UnitToRead
from folioscope.pipeline.stages import prefetch, unit_rows
from folioscope.pipeline.stages import replica as replica_stage
from folioscope.pipeline.stages.document_prefetch import UnderstandJob
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.prefetch import ReadJob
from folioscope.pipeline.stages.replica import ReplicaActor, ReplicaJob, read_block
from folioscope.pipeline.stages.watchdog import EXIT_CODE, deadline
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.commits import CommitRecord, Unit, read_records
from folioscope.pipeline.tables.rows import Provenance
from folioscope.pipeline.tables.work import Attempts, WorkArea, digest


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


def job(output: Path) -> ReplicaJob:
    store, provenance = OutputStore(str(output)), Provenance("recipe", "run", "fake@1")
    files = FileAccess(DownloadCache(output / "download cache"), 1 << 30)
    reading = ReadJob(store, provenance, DecodeSettings(layout="fast"), files, 60.0)
    return ReplicaJob(store, ModelChoice("fake"), reading, UnderstandJob(provenance, 60.0))


def work(output: Path) -> WorkArea:
    return WorkArea(OutputStore(str(output)), 1)


def block(path: Path, pages: int, pages_per_unit: int) -> pa.Table:
    status = path.stat()
    asset = hashlib.sha256(path.read_bytes()).hexdigest()
    etag = f"{status.st_size}-{status.st_mtime_ns}"
    units = [
        UnitToRead(
            str(path),
            etag,
            status.st_size,
            asset,
            "pdf",
            pages,
            "recipe",
            first,
            min(pages, first + pages_per_unit - 1),
        )
        for first in range(1, pages + 1, pages_per_unit)
    ]
    return read_block(units, 1)


def committed(output: Path, part: str) -> list[dict[str, Any]]:
    paths = [output / item.file.path for record in commits(output) for item in record.parts if item.table == part]
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def commits(output: Path) -> list[CommitRecord]:
    store = OutputStore(str(output))
    return list(read_records(store, WorkArea(store, 1).names("commits")))


def failures(output: Path) -> list[dict[str, Any]]:
    return [row for record in commits(output) for row in record.failures]


@pytest.fixture
def misbehave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_stage, "load_replica", lambda name: Misbehaving())


@pytest.mark.usefixtures("misbehave")
def test_a_page_that_the_model_cannot_read_costs_that_page_alone(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one", "raise", "three", "four"])
    [result] = ReplicaActor(job(tmp_path / "out"))(block(path, 4, 4)).to_pylist()
    assert (result["done"], result["failed"]) == (3, 1)
    assert [row["segment"] for row in committed(tmp_path / "out", "segments")] == [1, 3, 4]
    [failure] = failures(tmp_path / "out")
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
    monkeypatch.setattr(replica_stage, "load_replica", lambda choice: replica)
    path = make_pdf(tmp_path / "a.pdf", ["one", "two", "three"])
    [result] = ReplicaActor(job(tmp_path / "out"))(block(path, 3, 3)).to_pylist()
    assert (result["done"], result["failed"], replica.asked) == (2, 1, 3)
    [failure] = failures(tmp_path / "out")
    assert "a.pdf page 2: the model failed (ValueError: a strip)" in failure["message"]


def _act(job_: ReplicaJob, units: pa.Table) -> None:
    replica_stage.load_replica = lambda name: Misbehaving()  # type: ignore[assignment]
    ReplicaActor(job_)(units)


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
    [failure] = failures(tmp_path / "out")
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
    monkeypatch.setattr(replica_stage, "load_replica", lambda choice: Hungry())
    path = make_pdf(tmp_path / "a.pdf", [f"page {n}" for n in range(1, 11)])
    [result] = ReplicaActor(job(tmp_path / "out"))(block(path, 10, 2)).to_pylist()
    assert (result["done"], result["failed"]) == (10, 0)
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
    monkeypatch.setattr(replica_stage, "load_replica", lambda choice: replica)
    paths = [make_pdf(tmp_path / f"{n}.pdf", [f"file {n} page {page}" for page in (1, 2)]) for n in range(5)]
    actor = ReplicaActor(job(tmp_path / "out"))
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
    monkeypatch.setattr(replica_stage, "load_replica", lambda choice: replica)
    suspected, other = (make_pdf(tmp_path / f"{n}.pdf", [f"{n} {page}" for page in range(3)]) for n in "ab")
    again = block(suspected, 3, 1)
    units = [Unit("read", row["asset_id"], "recipe", row["first"], row["last"]) for row in again.to_pylist()]
    Attempts(work(tmp_path / "out"), "run").is_first(f"block-{digest([unit.key for unit in units])}")
    actor = ReplicaActor(job(tmp_path / "out"))
    with ThreadPoolExecutor(2) as calls:
        first, second = calls.submit(actor, again), calls.submit(actor, block(other, 3, 3))
        assert [row["done"] for row in first.result().to_pylist()] == [3]
        assert [row["done"] for row in second.result().to_pylist()] == [3]
    assert replica.most_held == 3  # the other block's, never one more


def test_a_defect_of_the_stage_is_told_to_whoever_waits(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_stage, "load_replica", lambda choice: FakeReplica())
    monkeypatch.setattr(unit_rows, "segment_row", lambda *arguments: 1 / 0)
    actor = ReplicaActor(job(tmp_path / "out"))
    path = make_pdf(tmp_path / "a.pdf", ["one"])
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            actor(block(path, 1, 1))


def test_a_block_given_again_reads_nothing_twice(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = Telling()
    monkeypatch.setattr(replica_stage, "load_replica", lambda choice: replica)
    path = make_pdf(tmp_path / "a.pdf", [f"page {n}" for n in range(1, 7)])
    actor = ReplicaActor(job(tmp_path / "out"))
    first, again = (actor(block(path, 6, 3)).column("done").to_pylist() for _ in range(2))
    assert (first, again, replica.asked) == ([5], [6], 6)


@pytest.mark.usefixtures("misbehave")
def test_a_file_that_changed_since_it_was_planned_is_not_read(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one"])
    units = block(path, 1, 1)
    make_pdf(path, ["another text, and longer"])
    ReplicaActor(job(tmp_path / "out"))(units)
    assert committed(tmp_path / "out", "segments") == []
    assert [row["reason"] for row in failures(tmp_path / "out")] == ["changed_during_run"]


@pytest.mark.usefixtures("misbehave")
def test_an_output_that_cannot_be_written_is_told_and_nothing_is_claimed(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one", "two"])
    (tmp_path / "out").write_text("a file where the folder should be")
    [result] = ReplicaActor(job(tmp_path / "out"))(block(path, 2, 1)).to_pylist()
    assert result["done"] == 0
    assert "NotADirectoryError" in result["output_error"]


def _hang() -> None:
    with deadline(0.2, "reading x.pdf"):
        multiprocessing.Event().wait(30)


def test_work_that_hangs_ends_its_process() -> None:
    worker = multiprocessing.get_context("spawn").Process(target=_hang)
    worker.start()
    worker.join(30)
    assert worker.exitcode == EXIT_CODE


class Unlettered(FakeReplica):
    """Cannot read its second page, and says what could."""

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        for page in pages:
            assert page is not None
            if page.page_number == 2:
                yield Reading(
                    "", "none", flags=("unread_script",), unread="its text is in Thai; tesseract-ocr-tha reads it"
                )
            else:
                yield from super().read([page])


def test_a_page_in_a_script_that_nothing_reads_keeps_its_row_and_is_told_of(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica_stage, "load_replica", lambda choice: Unlettered())
    path = make_pdf(tmp_path / "a.pdf", ["one", "two", "three"])
    [result] = ReplicaActor(job(tmp_path / "out"))(block(path, 3, 3)).to_pylist()
    assert (result["done"], result["failed"]) == (3, 0), "the page counts once: it has its row"
    rows = committed(tmp_path / "out", "segments")
    assert [(row["text"] is None, row["flags"]) for row in rows][1] == (True, ["unread_script"])
    [failure] = failures(tmp_path / "out")
    assert (failure["segment"], failure["stage"], failure["reason"]) == (2, "ocr", "unread_script")
    assert failure["retryable"] is False
    assert "a.pdf page 2: its text is in Thai; tesseract-ocr-tha reads it" in failure["message"]


def test_several_decode_children_work_on_a_block_and_its_order_stays(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", [f"page {number}" for number in range(12)])
    its = job(tmp_path / "out")
    reading = replace(its.read, decoders=3)
    actor = ReplicaActor(replace(its, read=reading))
    [result] = actor(block(path, 12, 2)).to_pylist()
    assert result["done"] == 12
    assert [row["text"] for row in committed(tmp_path / "out", "segments")] == [
        f"page {number}" for number in range(12)
    ]
    assert len(actor._reading._prefetcher._children.pids()) == 3


@pytest.mark.parametrize(("cpus", "gpus", "each"), [(16, 1, 8), (64, 8, 8), (8, 4, 2), (2, 8, 1), (4, 0, 4)])
def test_cpus_are_shared_out_over_gpus(monkeypatch: pytest.MonkeyPatch, cpus: int, gpus: int, each: int) -> None:
    monkeypatch.setattr(prefetch.os, "cpu_count", lambda: cpus)
    monkeypatch.setattr(
        prefetch.Path, "glob", lambda folder, pattern: [f"/dev/nvidia{number}" for number in range(gpus)]
    )
    assert prefetch.cpus_for_each_gpu() == each
