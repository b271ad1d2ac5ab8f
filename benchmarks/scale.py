"""What a run costs as an archive grows: publishing, an idle night, a new question, an upgrade, increments, requests.

Each figure is measured at two sizes, each in a process of its own; the slope between them gives the figure at the size
that its name tells, and ``sizes`` says what was truly run. No Ray and no GPU: replicas are fakes, documents are small,
parts files and state are synthetic where it says so. ``counted://`` stands for a bucket: this machine's disk, with its
requests counted, 20 ms each where ``wall`` is in the name. CPU is the whole process's, imports left out.

- publish: one-page documents that are committed and not published (synthetic: part files are links to one file).
- idle night: ten pages an asset, all read and summarised (synthetic: state and assets alone); the listing is given.
- question: a question asked of published documents of one page, by an actor with the fake replica; then with one that
  takes 20 ms a document.
- upgrade: a table of pages of 3 KB of the schema version before.
- increments: one-page documents through whole runs in this process, in increments of 500.
- requests: the same in one increment, per document, with what the source asks (2 GETs and a thousandth of a LIST).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.counted_store import CountedFileSystem, dollars, register
from benchmarks.in_process import draw, fake_run, in_this_process, rss_mb
from benchmarks.measure import PROJECT
from benchmarks.synthetic_archive import (
    EARLIER,
    MOMENT,
    as_listing,
    asset_id,
    assets_of,
    commit_synthetically,
    idle_run,
    objects,
    publish_at_rest,
)
from folioscope.model.fake import FakeReplica
from folioscope.model.protocol import AssetText, Summary
from folioscope.pipeline import run as running
from folioscope.pipeline.planning.units import block_budget, into_blocks
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.run_plan import RunPlan
from folioscope.pipeline.stages.document_prefetch import UnderstandJob
from folioscope.pipeline.stages.turns import Turns
from folioscope.pipeline.stages.understand import UnderstandLoop
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.assets import upgraded
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import DataFile, Manifest
from folioscope.pipeline.tables.part_files import TableWriter
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.takeover import inherited_commits
from folioscope.pipeline.tables.work import WorkArea
from folioscope.pipeline.versions import versions
from folioscope.schemas.migrations import TABLE_KEY, VERSION_KEY, schema_at
from folioscope.schemas.tables import SCHEMA_VERSION, TABLES

SIZES = {
    "publish": (20_000, 60_000),
    "publish_wall": (5_000, 15_000),
    "idle": (100_000, 300_000),
    "question": (5_000, 20_000),
    "upgrade": (10_000, 30_000),
    "increments": (2_000, 5_000),
    "requests": (2_048, 5_120),
}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Publishing what is committed.


def publish(size: int, folder: Path, *, wall: bool = False) -> dict[str, float]:
    local = OutputStore(str(folder))
    run = fake_run(f"counted://{folder}" if wall else str(folder), tasks=("read", "summarize"))
    found = objects(size)
    commit_synthetically(run, local, found)
    spent = {"cpu": 0.0, "wall": 0.0}
    before = peak_mb()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "list_files", lambda config: as_listing(found, folder))
        patch.setattr(running, "compact", lambda *_: None)  # Ray's tasks do that, after the run
        real = running._Execution._publish

        def timed(execution: Any, increment: Any) -> Any:
            cpu, began = time.process_time(), time.perf_counter()
            after = real(execution, increment)
            spent["cpu"] += time.process_time() - cpu
            spent["wall"] += time.perf_counter() - began
            return after

        patch.setattr(running._Execution, "_publish", timed)
        CountedFileSystem.seconds_each = 0.02 if wall else 0.0
        outcome = run.execute()
    assert outcome.accounting.balanced, outcome.accounting
    assert outcome.accounting.segments.reused == size  # an earlier run committed them
    return {**spent, "peak_mb": peak_mb(), "before_mb": before}


# A night on which nothing changed.


def idle(size: int, folder: Path) -> dict[str, float]:
    """Ten pages an asset. Another process draws them, so that the peak is the night's alone."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as drawing:
        listing = drawing.submit(publish_at_rest, size, folder).result()
    CountedFileSystem.requests.clear()
    run = idle_run(folder)
    before, cpu = peak_mb(), time.process_time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "list_files", lambda config: listing)
        outcome = run.execute()
    assert outcome.accounting.segments.reused == 10 * size, outcome.accounting
    assert outcome.accounting.balanced
    return {
        "cpu": time.process_time() - cpu,
        "requests": float(CountedFileSystem.requests.total()),
        "peak_mb": peak_mb(),
        "before_mb": before,
    }


# A new question.


class Taking(FakeReplica):
    """A replica that takes so many seconds a document."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def answer(self, document: AssetText, questions: Any) -> Any:
        time.sleep(self._seconds)
        return super().answer(document, questions)

    def summarize(self, document: AssetText) -> Summary:
        return super().summarize(document)


def question(size: int, folder: Path) -> dict[str, float]:
    store = OutputStore(str(folder))
    spec = QuestionSpec(id="who", question="Who wrote this letter?")
    run = fake_run(str(folder), tasks=("read", "answer"), questions=(spec,))
    found = objects(size)
    ids = sorted(asset_id(number) for number in range(size))
    made = {"recipe_id": run.setup.recipes.read.documents, "run_id": EARLIER, "model": "fake@1", "created_at": MOMENT}
    box = {"x0": 0.1, "y0": 0.1, "x1": 0.9, "y1": 0.2}
    block = {"kind": "text", "text": "A paragraph of a letter, of some twenty words, as letters have them. " * 3}
    blocks = [dict.fromkeys(("confidence", "start_s", "end_s")) | block | {"bbox": box, "level": 0}] * 5
    page = {"kind": "page", "segment": 1, "page_number": 1, "text_source": "model", "text": block["text"] * 5}
    rows = (
        dict.fromkeys(TABLES["segments"].names) | made | page | {"asset_id": id_, "uri": "a.pdf", "blocks": blocks}
        for id_ in ids
    )
    segments = TableWriter(store, "segments", "segments", EARLIER)
    segments.write(pa.Table.from_pylist(part, schema=TABLES["segments"]) for part in into_blocks(rows, 4096, _one))
    assets = TableWriter(store, "assets", "assets", EARLIER)
    assets.write([assets_of(found, page_count=1, status="done", read_recipe_id=run.setup.recipes.read.documents)])
    manifest = Manifest(EARLIER, 1).with_table("assets", tuple(assets.files))
    manifest = manifest.with_table("segments", tuple(segments.files))
    commits = inherited_commits(store, manifest.generation, run.setup.run_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("folioscope.pipeline.run_plan.FIRST_FILES", size)  # all in one increment
        planned = RunPlan(run.setup, store, manifest, as_listing(found, folder), commits)
    increment = planned.next(manifest)
    assert increment is not None
    cpu = time.process_time()
    documents = increment.documents_to_understand()
    planning = time.process_time() - cpu
    assert len(documents) == size
    job = UnderstandJob(run.setup.provenance(run.setup.recipes.summarize.documents), 60.0)
    cpu = time.process_time()
    loop = UnderstandLoop(job, FakeReplica(), Turns())
    for some in into_blocks(documents, block_budget(size, 1, 256), _one):
        assert loop.understand(some, increment.work).done == len(some)
    working = time.process_time() - cpu
    slow = UnderstandLoop(job, Taking(0.02), Turns()).understand(documents[:256], WorkArea(store, 9))
    planned.close()
    busy = slow.busy_seconds / (slow.busy_seconds + slow.idle_seconds)
    return {"planning": planning, "cpu": planning + working, "busy": busy}


def _one(_: object) -> int:
    return 1


# An older table.


def upgrade(size: int, folder: Path) -> dict[str, float]:
    store = OutputStore(str(folder))
    schema = schema_at("segments", SCHEMA_VERSION - 1)
    metadata = {VERSION_KEY: str(SCHEMA_VERSION - 1).encode(), TABLE_KEY: b"segments"}
    made = {"recipe_id": "r", "run_id": EARLIER, "model": "fake@1", "created_at": MOMENT}
    (folder / "segments").mkdir()
    with pq.ParquetWriter(folder / "segments" / "old.parquet", schema.with_metadata(metadata)) as writer:
        for start in range(0, size, 2_000):
            rows = [
                dict.fromkeys(schema.names)
                | made
                | {"asset_id": f"{number:064x}", "kind": "page", "segment": 1, "text_source": "model"}
                | {"text": asset_id(number) * 47}
                for number in range(start, start + 2_000)
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema).replace_schema_metadata(metadata))
    manifest = Manifest(EARLIER, 1).with_table("segments", (DataFile("segments/old.parquet", size, 1, 2),))
    before = peak_mb()
    work = WorkArea(store, 2)
    ledger = Ledger(manifest, work)
    publication = Publication(work, manifest, "run")
    publication.upgrade(partial(upgraded, ledger))
    after = publication.publish(lambda: None)
    ledger.close()
    assert sum(file.rows for file in after.tables["segments"]) == size
    return {"before_mb": before, "peak_mb": peak_mb()}


# Whole runs.


def increments(size: int, folder: Path) -> dict[str, float]:
    run = fake_run(str(folder / "out"), inputs=(draw(size, folder),), increment_files=500, tasks=("read", "summarize"))
    memory: list[float] = []
    visible: list[int] = []
    real = running._Execution._publish

    def watched(execution: Any, increment: Any) -> Any:
        manifest = real(execution, increment)
        memory.append(rss_mb())
        visible.append(sum(file.rows for file in manifest.tables["segments"]))
        return manifest

    cpu = time.process_time()
    with in_this_process(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(running._Execution, "_publish", watched)
        outcome = run.execute()
    assert outcome.accounting.segments.done == size
    assert outcome.accounting.balanced
    return {
        "cpu": time.process_time() - cpu,
        "increments": float(len(memory)),
        "first_visible": float(visible[0]),
        "warm_mb": memory[1],
        "last_mb": memory[-1],
    }


def requests(size: int, folder: Path) -> dict[str, float]:
    run = fake_run(f"counted://{folder}/out", inputs=(draw(size, folder),), tasks=("read", "summarize"), replicas=1)
    CountedFileSystem.requests.clear()
    with in_this_process(), pytest.MonkeyPatch.context() as patch:
        # Blocks as large as those of a large archive: of few documents every replica would get eight small ones.
        patch.setattr("folioscope.pipeline.planning.units.BLOCKS_PER_REPLICA", 1)
        run.execute()
    return {kind: float(CountedFileSystem.requests[kind]) for kind in ("put", "copy", "list", "get", "head")}


PARTS: dict[str, Callable[[int, Path], dict[str, float]]] = {
    "publish": publish,
    "publish_wall": partial(publish, wall=True),
    "idle": idle,
    "question": question,
    "upgrade": upgrade,
    "increments": increments,
    "requests": requests,
}


def at(figures: dict[int, dict[str, float]], key: str, size: int) -> float:
    """A figure at another size, along the line through those that were measured."""
    (small, low), (large, high) = sorted(figures.items())
    slope = (high[key] - low[key]) / (large - small)
    return low[key] + slope * (size - small)


def summary(found: dict[str, dict[int, dict[str, float]]]) -> dict[str, float]:
    """The issue's figures."""
    told: dict[str, float] = {}
    if "publish" in found:
        told["publish_cpu_s_1m_units"] = at(found["publish"], "cpu", 1_000_000)
        told["publish_driver_mb"] = at(found["publish"], "peak_mb", 100_000)  # that of one increment
    if "publish_wall" in found:
        told["publish_wall_s_1m_units"] = at(found["publish_wall"], "wall", 1_000_000)
    if "idle" in found:
        told["idle_night_requests"] = at(found["idle"], "requests", 10_000_000)
        told["idle_night_cpu_s"] = at(found["idle"], "cpu", 10_000_000)
        told["idle_night_mb"] = at(found["idle"], "peak_mb", 10_000_000)
    if "question" in found:
        of_largest = max(found["question"])
        told["question_cpu_ms_per_doc"] = found["question"][of_largest]["cpu"] / of_largest * 1000
        told["question_busy_share"] = found["question"][of_largest]["busy"]
    if "requests" in found:
        sizes = sorted(found["requests"])
        per_document = {
            kind: (found["requests"][sizes[1]][kind] - found["requests"][sizes[0]][kind]) / (sizes[1] - sizes[0])
            for kind in found["requests"][sizes[0]]
        }
        source = {"get": 2.0, "list": 0.001}
        told["requests_usd_per_m_docs"] = (dollars(source) + dollars(per_document)) * 1_000_000
    if "upgrade" in found:
        told["upgrade_mb_per_1m_pages"] = _growth(found["upgrade"], 1_000_000)
    if "increments" in found:
        runs = found["increments"]
        told["increment_mb_growth"] = max(run["last_mb"] - run["warm_mb"] for run in runs.values())
        told["run_cpu_ms_per_doc"] = runs[max(runs)]["cpu"] / max(runs) * 1000
        told["first_visible_docs"] = runs[max(runs)]["first_visible"]
    return {key: round(value, 4) for key, value in told.items()}


def _growth(figures: dict[int, dict[str, float]], size: int) -> float:
    """By how much memory would grow over this size, beyond what the smaller size takes."""
    (small, low), (large, high) = sorted(figures.items())
    return max(0.0, (high["peak_mb"] - low["peak_mb"]) / (large - small) * (size - small))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument("--scale", type=float, default=1.0, help="all sizes times so much")
    parser.add_argument("--one", nargs=2, metavar=("PART", "SIZE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    register()
    if arguments.one:
        with tempfile.TemporaryDirectory(prefix="folioscope-scale-") as scratch:
            print(json.dumps(PARTS[arguments.one[0]](int(arguments.one[1]), Path(scratch))))
        return
    print(__doc__)
    found: dict[str, dict[int, dict[str, float]]] = {}
    for part in arguments.only.split(","):
        found[part] = {}
        for size in (max(64, int(size * arguments.scale)) for size in SIZES[part]):
            command = [sys.executable, "-m", "benchmarks.scale", "--one", part, str(size)]
            done = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
            found[part][size] = json.loads(done.stdout.splitlines()[-1])
            print(part, size, found[part][size], flush=True)
    print(
        json.dumps(
            {**summary(found), "sizes": {part: list(of) for part, of in found.items()}, "versions": dict(versions())}
        )
    )


if __name__ == "__main__":
    main()
