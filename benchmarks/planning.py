"""The plan of a night over a large archive: a million listed objects of which one in a hundred has changed.

    python benchmarks/planning.py [--quick] [--objects 1000000]

The listing comes through an fsspec file system that pages as S3 does (1,000 keys a request, with the same fields) and
answers at once: the network's share of a real night is left out, and told as the number of requests. The published
tables are made to match: every object read (one page), summarised and asked one question. Measured in a process of its
own, imports left out: what ``--plan`` does, which lists, compares, counts what is missing and estimates (``seconds``);
then what the driver does with the plan when a run ends, the new assets table and the accounting (``close_seconds``).
CPU seconds stand beside the wall's, for a machine that others use. Peak memory is the whole process's, imports and
DuckDB included. Smaller sizes come first, so that the growth with the number of objects shows; ``measured_objects``
says what was truly run, and nothing is extrapolated.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from fsspec.spec import AbstractFileSystem

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import PROJECT
from folioscope.model.load import describe_replica
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.planning.listing import list_files
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.run import Run
from folioscope.pipeline.run_plan import RunPlan
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import Manifest, load_manifest, save_manifest
from folioscope.pipeline.tables.part_files import TableWriter
from folioscope.pipeline.tables.takeover import CountedCommits
from folioscope.pipeline.versions import versions
from folioscope.schemas.tables import TABLES

CHANGED = 100  # one object in so many
FOLDER = 1000  # objects a folder, and keys a page of the listing
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
QUESTION = QuestionSpec(id="who", question="Who wrote this?")
EARLIER = "20260101T000000-000000"


class PagedFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """A bucket that is only listed: ``paged://N/`` holds N objects, one in CHANGED with another ETag than published."""

    protocol = "paged"
    cachable = False
    requests = 0

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        bucket, _, folder = self._strip_protocol(path).partition("/")
        if folder:
            found = list(self._objects(bucket, int(folder)))
        else:
            folders = range(-(-int(bucket) // FOLDER))
            self._count(len(folders))
            found = [{"name": f"{bucket}/{number:05d}", "size": 0, "type": "directory"} for number in folders]
        return found if detail else [info["name"] for info in found]

    def find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, **_: Any) -> Any:
        bucket, _, folder = self._strip_protocol(path).partition("/")
        folders = [int(folder)] if folder else range(-(-int(bucket) // FOLDER))
        return {info["name"]: info for number in folders for info in self._objects(bucket, number)}

    def isdir(self, path: str) -> bool:
        return not path.endswith(".pdf")

    def _objects(self, bucket: str, folder: int) -> Iterator[dict[str, Any]]:
        first, last = folder * FOLDER, min((folder + 1) * FOLDER, int(bucket))
        self._count(last - first)
        for number in range(first, last):
            key = f"{bucket}/{folder:05d}/letter-{number:09d}.pdf"
            etag = f'"{number % CHANGED == 0:d}-{number:032x}"'
            yield {
                "Key": key,
                "LastModified": MOMENT,
                "ETag": etag,
                "Size": 50_000,
                "StorageClass": "STANDARD",
                "type": "file",
                "size": 50_000,
                "name": key,
            }

    def _count(self, keys: int) -> None:
        PagedFileSystem.requests += -(-keys // FOLDER)


def run_over(objects: int, output: Path) -> Run:
    config = RunConfig(inputs=(f"paged://{objects}",), output=str(output), model="fake", questions=(QUESTION,))
    return Run(config, describe_replica(config.choice))


def publish_archive(objects: int, output: Path) -> None:
    """Tables in which every object is read, summarised and asked, each under the present recipes."""
    store = OutputStore(str(output))
    recipes = run_over(objects, output).setup.recipes
    made = {"run_id": EARLIER, "model": "fake@1", "created_at": MOMENT, "seconds": 0.1}
    tokens = {"input_tokens": 1000, "output_tokens": 300}
    constant: dict[str, dict[str, Any]] = {
        "assets": {
            "size": 50_000,
            "modified_at": MOMENT,
            "kind": "pdf",
            "page_count": 1,
            "status": "done",
            "read_recipe_id": recipes.read.documents,
            "summary_recipe_id": recipes.summarize.documents,
            "run_id": EARLIER,
            "answer_recipe_ids": [recipes.answer["who"].documents],
            "first_seen_at": MOMENT,
        },
        "segments": {
            "kind": "page",
            "segment": 1,
            "page_number": 1,
            "text": "a letter",
            "text_source": "model",
            "recipe_id": recipes.read.documents,
            **made,
            **tokens,
        },
        "summaries": {
            "summary": "a letter",
            "method": "abstractive",
            "recipe_id": recipes.summarize.documents,
            **made,
            **tokens,
        },
        "answers": {
            "question_id": "who",
            "question": QUESTION.question,
            "recipe_id": recipes.answer["who"].documents,
            "answer": "nobody",
            "answerable": True,
            **made,
            **tokens,
        },
    }
    manifest = Manifest(EARLIER, 1)
    for name, values in constant.items():
        writer = TableWriter(store, name, name, EARLIER)
        writer.write(_rows(name, values, objects))
        manifest = manifest.with_table(name, tuple(writer.files))
    counts = {"seen": objects, "done": objects, "reused": 0, "failed": 0, "skipped": 0}
    run = {
        "run_id": EARLIER,
        "started_at": MOMENT,
        "finished_at": MOMENT,
        "arguments": "{}",
        "versions": [],
        **dict.fromkeys(("assets", "segments", "summaries", "answers"), counts),
        "input_tokens": 0,
        "output_tokens": 0,
        "busy_seconds": 0.3 * objects,
        "idle_seconds": 0.0,
    }
    for name, rows in (("runs", [dict.fromkeys(TABLES["runs"].names) | run]), ("failures", [])):
        writer = TableWriter(store, name, name, EARLIER)
        table = pa.Table.from_pylist(rows, schema=TABLES[name])
        writer.write([table] if rows else [])
        if not rows:
            writer.write_empty()
        manifest = manifest.with_table(name, tuple(writer.files))
    save_manifest(store, manifest)


def _rows(name: str, values: dict[str, Any], objects: int) -> Iterator[pa.Table]:
    """The table's rows in its sort order, a chunk at a time."""
    schema = TABLES[name]
    numbers = range(objects) if name == "assets" else sorted(range(objects), key=_asset_id)
    for start in range(0, objects, 50_000):
        part = numbers[start : start + 50_000]
        columns = []
        for field in schema:
            if field.name == "asset_id":
                columns.append(pa.array([_asset_id(number) for number in part], field.type))
            elif field.name == "uri":
                folders = (f"{number // FOLDER:05d}/letter-{number:09d}.pdf" for number in part)
                columns.append(pa.array([f"paged://{objects}/{folder}" for folder in folders], field.type))
            elif field.name == "etag":
                columns.append(pa.array([f"0-{number:032x}" for number in part], field.type))
            else:
                columns.append(pa.array([values.get(field.name)] * len(part), field.type))
        yield pa.Table.from_arrays(columns, schema=schema)


def _asset_id(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def measure(objects: int, output: Path) -> dict[str, Any]:
    """Plan a night in this process, and close it: the assets table and the accounting over unchanged results."""
    run = run_over(objects, output)
    store = OutputStore(run.config.output)
    manifest = load_manifest(store)
    watch = _Watch()
    listing = list_files(run.config)
    listed = watch.lap()
    plan = RunPlan(run.setup, store, manifest, listing, CountedCommits(run.setup.run_id))
    planned = watch.lap()
    files = plan.estimate.files
    assert files.changed == -(-objects // CHANGED), files
    assert files.changed + files.reused == objects, files
    increment = plan.next(manifest)
    assert increment is not None
    increment.documents_to_understand()
    increment.reconcile(None)
    closed = watch.lap()
    plan.close()
    return {
        "seconds": round(listed.wall + planned.wall, 2),
        "cpu_seconds": round(listed.cpu + planned.cpu, 2),
        "listing_seconds": round(listed.wall, 2),
        "peak_mb": planned.peak_mb,
        "measured_objects": objects,
        "requests": PagedFileSystem.requests,
        "close_seconds": round(closed.wall, 2),
        "close_cpu_seconds": round(closed.cpu, 2),
        "close_peak_mb": closed.peak_mb,
    }


@dataclass(frozen=True, slots=True)
class _Lap:
    wall: float
    cpu: float
    peak_mb: int


class _Watch:
    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self) -> _Lap:
        wall, cpu = time.perf_counter(), time.process_time()
        lap = _Lap(wall - self._wall, cpu - self._cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        self._wall, self._cpu = wall, cpu
        return lap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10,000 objects, for a first look")
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)  # in a process of its own, over this output
    arguments = parser.parse_args()
    fsspec.register_implementation("paged", PagedFileSystem, clobber=True)
    if arguments.measure:
        print(json.dumps(measure(arguments.objects, arguments.measure)))
        return
    print(__doc__)
    last = 10_000 if arguments.quick else arguments.objects
    figures: dict[str, Any] = {}
    for objects in sorted({size for size in (10_000, 100_000, last) if size <= last}):
        with tempfile.TemporaryDirectory(prefix="folioscope-planning-") as scratch:
            output = Path(scratch) / "out"
            publish_archive(objects, output)
            command = [sys.executable, "-m", "benchmarks.planning", "--objects", str(objects), "--measure", str(output)]
            done = subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True)
        figures = json.loads(done.stdout.splitlines()[-1])
        print(json.dumps(figures), flush=True)
    print(json.dumps({**figures, "changed_share": 1 / CHANGED, "versions": dict(versions())}))


if __name__ == "__main__":
    main()
