"""Archives of any size without their files, for benchmarks: listings, published tables and state, work in commits.

Rows of results are one row, over and over; ids are digests of numbers. Drawing a million files takes some 10 s.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.counted_store import register
from benchmarks.in_process import fake_run
from folioscope.pipeline.planning.listing import Listing
from folioscope.pipeline.run import Run
from folioscope.pipeline.storage.inputs import coverage
from folioscope.pipeline.storage.listing import LISTED, ListedFiles, ListingFacts
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.commits import CommitRecord, Part, Unit
from folioscope.pipeline.tables.manifest import DataFile, Manifest, save_manifest
from folioscope.pipeline.tables.part_files import TableWriter, write_part
from folioscope.pipeline.tables.state import STATE, write_state
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.tables import SCHEMA_VERSION, TABLES

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = "20260101T000000000000-000000"  # the run that made what is there
BLOCK = 512  # pages, as a run in fast layout has them
DOCUMENT_BLOCK = 64


def asset_id(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()


def objects(size: int) -> pa.Table:
    """``size`` objects in a bucket, as a listing gives them."""
    table = pa.table(
        {
            "uri": [f"s3://archive/{number // 1000:06d}/letter-{number:09d}.pdf" for number in range(size)],
            "etag": [f"{number:032x}" for number in range(size)],
            "size": pa.array([50_000] * size, pa.int64()),
            "modified_at": pa.array([MOMENT] * size, LISTED.field("modified_at").type),
            "named_kind": ["pdf"] * size,
            "skipped": [False] * size,
        }
    )
    return table.cast(LISTED)


def as_listing(found: pa.Table, folder: Path) -> Listing:
    path = folder / "listed.parquet"
    pq.write_table(found, path)
    facts = ListingFacts(found.num_rows, found.num_rows, (), (), output_is_input=False)
    return Listing(ListedFiles(path, (), coverage(("s3://archive",)), facts))


def assets_of(found: pa.Table, **more: Any) -> pa.Table:
    """Rows of ``assets`` for a listing of one-page documents."""
    size = found.num_rows
    columns: dict[str, Any] = {
        "asset_id": pa.array([asset_id(number) for number in range(size)]),
        "kind": ["pdf"] * size,
        "status": ["pending"] * size,
        "run_id": [EARLIER] * size,
        "first_seen_at": [MOMENT] * size,
        **{name: found[name] for name in ("uri", "etag", "size", "modified_at")},
        **{name: [value] * size for name, value in more.items()},
    }
    arrays = [
        columns[field.name]
        if isinstance(columns.get(field.name), pa.ChunkedArray)
        else pa.array(columns.get(field.name, [None] * size), field.type)
        for field in TABLES["assets"]
    ]
    return pa.Table.from_arrays(arrays, schema=TABLES["assets"])


def commit_synthetically(run: Run, store: OutputStore, found: pa.Table) -> None:
    """Every document identified, read and summarised, none published. Rows of results are one row, over and over."""
    work = WorkArea(store, 1)
    assets = assets_of(found, page_count=1)
    ids = assets["asset_id"].to_pylist()
    templates = {name: write_part(store, name, f"_work/template/{name}.parquet", _one_row(name)) for name in _RESULTS}

    def record(stage: str, number: int, units: list[Unit], parts: list[Part]) -> None:
        path = f"{work.root}/commits/{EARLIER}/{stage}/{number:06d}/000000.json"
        store.write(path, CommitRecord(path, "t", EARLIER, tuple(units), tuple(parts)).to_json(), sync=False)

    for start in range(0, len(ids), BLOCK):
        rows = assets.slice(start, BLOCK)
        path = work.path("parts/assets", f"{start}")
        units = [Unit.of_file(row["uri"], row["etag"]) for row in rows.select(["uri", "etag"]).to_pylist()]
        record("identify", start, units, [Part("assets", write_part(store, "assets", path, rows))])
    recipes = run.setup.recipes
    for name, stage, recipe, size in (
        ("segments", "read", recipes.read.documents, BLOCK),
        ("summaries", "understand", recipes.summarize.documents, DOCUMENT_BLOCK),
    ):
        ordered = sorted(ids)
        for start in range(0, len(ordered), size):
            block = ordered[start : start + size]
            path = work.path(f"parts/{name}", f"{EARLIER}-{start}")
            store.copy(templates[name].path, path)
            file = DataFile(path, len(block), templates[name].bytes, SCHEMA_VERSION, block[0], block[-1])
            units = [
                Unit("read", id_, recipe, 1, 1) if name == "segments" else Unit("summarize", id_, recipe)
                for id_ in block
            ]
            record(stage, start, units, [Part(name, file)])


_RESULTS = ("segments", "summaries")


def _one_row(name: str) -> pa.Table:
    made = {"recipe_id": "r", "run_id": EARLIER, "model": "fake@1", "created_at": MOMENT}
    row = dict.fromkeys(TABLES[name].names) | {"asset_id": "a" * 64, "uri": "a.pdf", **made}
    row |= {"kind": "page", "segment": 1, "text_source": "model"} if name == "segments" else {"method": "extractive"}
    return pa.Table.from_pylist([row], schema=TABLES[name])


def idle_run(folder: Path) -> Run:
    """A run over an archive at rest."""
    return fake_run(f"counted://{folder}", tasks=("read", "summarize"))


def publish_at_rest(size: int, folder: Path) -> Listing:
    """State and assets of documents of ten pages, all read and summarised; their listing."""
    register()
    store = OutputStore(str(folder))
    recipes = idle_run(folder).setup.recipes
    found = objects(size)
    done = {
        "page_count": 10,
        "read_recipe_id": recipes.read.documents,
        "summary_recipe_id": recipes.summarize.documents,
    }
    writer = TableWriter(store, "assets", "assets", EARLIER)
    writer.write([assets_of(found, **done | {"status": "done"})])
    keys = np.array(sorted(int(asset_id(number)[:16], 16) for number in range(size)), np.uint64)
    tasks = np.array([int(recipes.read.documents, 16), int(recipes.summarize.documents, 16)], np.uint64)
    arrays = [np.repeat(keys, 2), np.tile(tasks, size), np.tile(np.array([10, 1], np.int32), size)]
    state = write_state(store, "_state", EARLIER, [pa.table(dict(zip(STATE.names, arrays, strict=True)), STATE)])
    manifest = Manifest(EARLIER, 1, state=state).with_table("assets", tuple(writer.files))
    for name in TABLES:
        if name != "assets":
            empty = TableWriter(store, name, name, EARLIER)
            empty.write_empty()
            manifest = manifest.with_table(name, tuple(empty.files))
    save_manifest(store, manifest)
    return as_listing(found, folder)
