"""Faults at each moment of a run: what is lost (nothing that was committed), what is told, and that a rerun ends well."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from test_run import page_keys, query, run

from folioscope.model.fake import FakeReplica
from folioscope.model.protocol import DocumentText, Summary
from folioscope.pipeline import increments
from folioscope.pipeline import run as running
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.planning.documents import DocumentTasks
from folioscope.pipeline.progress import StageProgress
from folioscope.pipeline.stages import identify
from folioscope.pipeline.stages.document_prefetch import UnderstandJob
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.identify import IdentifyActor, IdentifyJob
from folioscope.pipeline.stages.turns import Turns
from folioscope.pipeline.stages.understand import UnderstandLoop
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.store import OutputError, OutputStore
from folioscope.pipeline.tables import publish, rows
from folioscope.pipeline.tables.accounting import Counts
from folioscope.pipeline.tables.commits import read_records
from folioscope.pipeline.tables.rows import Provenance
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.tables import ASSETS

PAGES = 7


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    folder = tmp_path / "in"
    make_pdf(folder / "a.pdf", [f"Page {n} tells of the lighthouse." for n in range(1, 6)])
    make_pdf(folder / "b.pdf", ["Nothing here.", "Nor here."])
    return folder


class Killed(BaseException):
    """The driver ends here. Nothing catches it; what a kill would leave on the disk is what this leaves."""


def finish(archive: Path, output: Path, *, reused_at_least: int = 0) -> None:
    """The same command again: it ends well, with every row once."""
    outcome = run(archive, output)
    assert outcome.accounting.balanced
    assert outcome.accounting.assets.failed == 0
    assert outcome.accounting.segments.done + outcome.accounting.segments.reused == PAGES
    assert outcome.accounting.segments.reused >= reused_at_least
    assert outcome.accounting.summaries.done + outcome.accounting.summaries.reused == 2
    assert len({key[:2] for key in page_keys(output)}) == len(page_keys(output)) == PAGES


# The driver.


@pytest.mark.usefixtures("local_ray")
@pytest.mark.guarantee(
    fault="driver killed",
    moment="identify, read, understand",
    outcome="what was committed stays; the same command carries on",
)
@pytest.mark.parametrize("stage", ["identify", "read", pytest.param("understand", marks=pytest.mark.slow)])
def test_the_driver_ends_in_a_stage(stage: str, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = StageProgress.add

    def dying(progress: Any, result: Any) -> None:
        real(progress, result)
        if progress._stage == stage:
            raise Killed

    monkeypatch.setattr(StageProgress, "add", dying)
    with pytest.raises(Killed):
        run(archive, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    monkeypatch.undo()
    finish(archive, tmp_path / "out")


@pytest.mark.usefixtures("inline_actors")
@pytest.mark.guarantee(
    fault="driver killed",
    moment="publish",
    outcome="readers see the archive as before the run or as after it; a rerun has every row once",
)
@pytest.mark.parametrize("after", [False, True], ids=["before the manifest", "after the manifest"])
def test_the_driver_ends_while_publishing(
    after: bool, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = publish.save_manifest

    def dying(*arguments: Any) -> None:
        if after:
            real(*arguments)
        raise Killed

    monkeypatch.setattr(publish, "save_manifest", dying)
    with pytest.raises(Killed):
        run(archive, tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").exists() is after
    if after:
        assert query(tmp_path / "out", "SELECT count(*) FROM pages") == [(PAGES,)]
    monkeypatch.undo()
    finish(archive, tmp_path / "out", reused_at_least=PAGES if after else 0)


# Actors.


def _identify(job: IdentifyJob, files: pa.Table) -> None:
    def look(self: Any, source: Any, real: Any = IdentifyActor._look) -> Any:
        if source.uri.endswith("deadly.pdf"):
            os._exit(9)
        return real(self, source)

    identify.IdentifyActor._look = look  # type: ignore[method-assign]
    IdentifyActor(job)(files)


class Deadly(FakeReplica):
    def summarize(self, document: DocumentText) -> Summary:
        if document.uri.endswith("deadly.pdf"):
            os._exit(9)
        return super().summarize(document)


def _understand(job: UnderstandJob, documents: list[DocumentTasks], work: WorkArea) -> None:
    UnderstandLoop(job, Deadly(), Turns()).understand(documents, work)


def until_it_ends(function: Any, *arguments: Any) -> int:
    """As Ray does: the same block again in a fresh worker. Returns how many died."""
    context = multiprocessing.get_context("spawn")
    for deaths in range(10):
        worker = context.Process(target=function, args=arguments)
        worker.start()
        worker.join(60)
        if worker.exitcode == 0:
            return deaths
        assert worker.exitcode == 9
    raise AssertionError("it never ended")


def committed(work: WorkArea, table: str) -> list[dict[str, Any]]:
    records = list(read_records(work.store, work.names("commits")))
    if table == "failures":
        return [row for record in records for row in record.failures]
    paths = [part.file.path for record in records for part in record.parts if part.table == table]
    return [row for found in work.read(paths) for row in found.to_pylist()]


@pytest.mark.guarantee(
    fault="actor killed",
    moment="identify",
    outcome="its files are looked into again, each alone; one that kills its worker three times fails alone",
)
def test_a_file_that_kills_its_worker_is_given_up_and_its_neighbours_are_not(tmp_path: Path, make_pdf: Any) -> None:
    names = ["a.pdf", "deadly.pdf", "z.pdf"]
    rows = []
    for name in names:
        status = make_pdf(tmp_path / name, ["one"]).stat()
        rows.append(
            {"uri": str(tmp_path / name), "etag": f"{status.st_size}-{status.st_mtime_ns}", "size": status.st_size}
        )
    files = pa.Table.from_pylist(
        rows, schema=pa.schema([ASSETS.field(n) for n in ("uri", "etag", "size", "modified_at")])
    )
    work = WorkArea(OutputStore(str(tmp_path / "out")), 1)
    job = IdentifyJob(work, "run", FileAccess(DownloadCache(tmp_path / "download cache"), 1 << 30), ("pdf",))
    assert until_it_ends(_identify, job, files) == 3
    found = {Path(row["uri"]).name: row["status"] for row in committed(work, "assets")}
    assert found == {"a.pdf": "pending", "deadly.pdf": "failed", "z.pdf": "pending"}
    [failure] = committed(work, "failures")
    assert (failure["reason"], failure["attempts"]) == ("worker_died", 3)


@pytest.mark.guarantee(
    fault="actor killed",
    moment="understand",
    outcome="its documents are taken up again; one that kills its worker three times fails alone",
)
def test_a_document_that_kills_its_worker_is_given_up_and_its_neighbours_are_not(tmp_path: Path) -> None:
    documents = [
        DocumentTasks(f"{number:064x}", name, "e", 1, "pdf", None, 0.0, (), "read", "recipe", (), True, ())
        for number, name in enumerate(["a.pdf", "deadly.pdf", "z.pdf"])
    ]
    work = WorkArea(OutputStore(str(tmp_path / "out")), 1)
    job = UnderstandJob(Provenance("recipe", "run", "fake@1"), 60.0)
    assert until_it_ends(_understand, job, documents, work) == 3
    assert sorted(row["asset_id"] for row in committed(work, "summaries")) == [f"{0:064x}", f"{2:064x}"]
    [failure] = committed(work, "failures")
    assert (failure["uri"], failure["reason"]) == ("deadly.pdf", "worker_died")


# Decode children.


@pytest.mark.guarantee(
    fault="decode child killed",
    moment="identify, understand",
    outcome="the file is looked into, the picture decoded, by a fresh child",
)
def test_a_child_killed_between_and_in_the_middle_of_requests_costs_nothing(tmp_path: Path, make_pdf: Any) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one", "two"])
    children = DecodeChildren(1, ChildLimits())
    for _ in range(3):
        assert children.probe(path, "a.pdf").page_count == 2
        for pid in children.pids():
            os.kill(pid, signal.SIGKILL)
    children.close()


# The output: a full or read-only disk.

BLOCKED = {
    "identify": "_work/000001/parts/assets",
    "read": "_work/000001/parts/segments",
    "understand": "_work/000001/parts/summaries",
}


@pytest.mark.usefixtures("inline_actors")
@pytest.mark.guarantee(
    fault="output not writable",
    moment="identify, read, understand, publish",
    outcome="the run ends with exit 1 and says what to do; it counts nothing as done; a rerun carries on",
)
@pytest.mark.parametrize("stage", [*BLOCKED, "publish"])
def test_an_output_that_refuses_writes_ends_the_run_and_a_rerun_carries_on(
    stage: str, archive: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "out" / BLOCKED.get(stage, "segments")  # a file where a folder must be: root is refused, too
    blocked.parent.mkdir(parents=True)
    blocked.write_bytes(b"")
    with pytest.raises(OutputError, match="run the same command again"):
        run(archive, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    blocked.unlink()
    finish(archive, tmp_path / "out")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 KiB. Needs the right to mount."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("no right to mount here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.usefixtures("local_ray")
@pytest.mark.guarantee(
    fault="full disk", moment="identify, read, understand, publish", outcome="as where the output is not writable"
)
@pytest.mark.parametrize(
    "free", [0, *(pytest.param(free, marks=pytest.mark.slow) for free in (40, 120))], ids="{} KiB free".format
)
def test_a_full_disk_ends_the_run_and_room_lets_it_carry_on(
    free: int, archive: Path, tmp_path: Path, small_disk: Path
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes((200 - free) << 10))
    with pytest.raises(OutputError, match=r"No space left on device.*run the same command again"):
        run(archive, small_disk / "out")
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    finish(archive, small_disk / "out")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match=r"Read-only file system.*run the same command again"):
        run(archive, small_disk / "out")
    assert query(small_disk / "out", "SELECT count(*) FROM pages") == [(PAGES,)]


# Clocks.


@pytest.mark.usefixtures("inline_actors")
@pytest.mark.guarantee(
    fault="clock jumps",
    moment="identify, read, understand, publish",
    outcome="no row is lost, doubled or read again: keys are contents, deadlines and leases run on monotonic time",
)
@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_jumps_between_runs_and_in_one(
    days: int, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_pdf: Any
) -> None:
    run(archive, tmp_path / "out")
    make_pdf(archive / "c.pdf", ["new"])

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(days=days)

    monkeypatch.setattr(rows, "datetime", Jumping)  # the run's name too: runs no longer sort by it
    reconcile = increments.reconcile

    def jumping(*arguments: Any) -> Any:
        monkeypatch.setattr(running, "now", lambda: Jumping.now(UTC))
        return reconcile(*arguments)

    monkeypatch.setattr(increments, "reconcile", jumping)
    outcome = run(archive, tmp_path / "out")
    assert outcome.accounting.balanced
    assert outcome.accounting.segments == Counts(PAGES + 1, 1, PAGES, 0, 0)
    assert query(tmp_path / "out", "SELECT count(*), count(DISTINCT asset_id || segment) FROM pages") == [(8, 8)]
