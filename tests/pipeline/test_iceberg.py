"""Iceberg metadata over the published files: the same rows, one snapshot a publication, the manifest its one pointer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars
import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.table import StaticTable
from pyiceberg.utils.config import Config
from sample_rows import asset, page, publish

from folioscope.pipeline.storage.store import OutputError, OutputStore
from folioscope.pipeline.tables.compaction import compact
from folioscope.pipeline.tables.manifest import Manifest, load_manifest
from folioscope.pipeline.tables.part_files import read_table, write_part
from folioscope.pipeline.tables.publish import Publication, sweep
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.migrations import to_table
from folioscope.schemas.tables import SORT_KEYS, TABLES


def next_publication(store: OutputStore, run_id: str, pages: list[int], catalog: str | None = None) -> Publication:
    """The next state, with these pages of one asset more."""
    before = load_manifest(store)
    sweep(store, before, run_id)
    publication = Publication(WorkArea(store, before.generation + 1), before, run_id)
    publication.keep_iceberg(catalog)
    path = f"_work/{before.generation + 1:06d}/parts/segments/{run_id}.parquet"
    publication.take(
        "segments", write_part(store, "segments", path, to_table("segments", [page("A", n) for n in pages]))
    )
    return publication


def iceberg_rows(manifest: Manifest, name: str, run_id: str | None = None) -> pa.Table:
    assert manifest.iceberg is not None
    table = StaticTable.from_metadata(manifest.iceberg.metadata[name])
    snapshot = None if run_id is None else table.metadata.refs[run_id].snapshot_id
    return table.scan(snapshot_id=snapshot).to_arrow()


@pytest.fixture
def store(tmp_path: Path) -> OutputStore:
    folder = tmp_path / "output"
    folder.mkdir()
    publish(folder, {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1)]})
    return OutputStore(str(folder))


def test_each_table_reads_as_its_parquet_files_do(store: OutputStore) -> None:
    manifest = next_publication(store, "run-2", [2, 3]).publish(lambda: None)
    for name in TABLES:
        ours = read_table(store, name, manifest.tables[name])
        theirs = iceberg_rows(manifest, name)
        assert theirs.num_rows == ours.num_rows
        keys = [(key, "ascending") for key in SORT_KEYS[name]]
        for column in ("run_id", *SORT_KEYS[name]):
            assert theirs.sort_by(keys)[column].to_pylist() == ours.sort_by(keys)[column].to_pylist()
    assert manifest.iceberg is not None
    frame = polars.scan_iceberg(manifest.iceberg.metadata["segments"]).select("asset_id", "segment", "blocks").collect()
    assert sorted(frame["segment"].to_list()) == [1, 2, 3]
    assert frame["blocks"].to_list()[0][0]["bbox"] is not None


def test_each_run_that_only_adds_can_be_read_by_its_tag(store: OutputStore) -> None:
    next_publication(store, "run-2", [2]).publish(lambda: None)
    manifest = next_publication(store, "run-3", [3, 4]).publish(lambda: None)
    assert [iceberg_rows(manifest, "segments", run).num_rows for run in ("run-2", "run-3")] == [2, 4]


def test_snapshots_end_with_the_files_that_they_name(store: OutputStore) -> None:
    for number in range(2, 12):
        next_publication(store, f"run-{number:02d}", [number]).publish(lambda: None)
    publication = next_publication(store, "run-12", [12])
    compact(WorkArea(store, 12), publication, "run-12")
    manifest = publication.publish(lambda: None)
    assert manifest.iceberg is not None
    table = StaticTable.from_metadata(manifest.iceberg.metadata["segments"])
    assert iceberg_rows(manifest, "segments").num_rows == 12
    for snapshot in table.metadata.snapshots:
        assert table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows  # all its files are there
    assert "run-12" in table.metadata.refs
    assert "run-05" not in table.metadata.refs


def test_later_publications_go_on_without_being_asked(store: OutputStore) -> None:
    next_publication(store, "run-2", [2]).publish(lambda: None)
    before = load_manifest(store)
    publication = Publication(WorkArea(store, 9), before, "run-3")
    publication.rewrite("segments", before.tables["segments"][0], lambda group: group.slice(0, 0))
    manifest = publication.publish(lambda: None)
    assert (
        iceberg_rows(manifest, "segments").num_rows
        == read_table(store, "segments", manifest.tables["segments"]).num_rows
    )


def test_an_output_that_moved_gets_tables_anew(store: OutputStore, tmp_path: Path) -> None:
    next_publication(store, "run-2", [2]).publish(lambda: None)
    Path(store.uri).rename(tmp_path / "elsewhere")
    moved = OutputStore(str(tmp_path / "elsewhere"))
    manifest = next_publication(moved, "run-3", [3]).publish(lambda: None)
    assert iceberg_rows(manifest, "segments").num_rows == 3
    assert manifest.iceberg is not None
    assert all("elsewhere" in path for path in manifest.iceberg.metadata.values())


def test_a_publication_that_the_lease_stops_leaves_the_pointer(store: OutputStore) -> None:
    def stopped() -> None:
        raise OutputError("another run holds the output")

    first = next_publication(store, "run-2", [2]).publish(lambda: None)
    with pytest.raises(OutputError):
        next_publication(store, "run-3", [3]).publish(stopped)
    assert load_manifest(store).iceberg == first.iceberg
    assert iceberg_rows(load_manifest(store), "segments").num_rows == 2


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYICEBERG_CATALOG__NIGHTLY__TYPE", "sql")
    monkeypatch.setenv("PYICEBERG_CATALOG__NIGHTLY__URI", f"sqlite:///{tmp_path}/catalog.db")
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # read once, when PyIceberg is imported
    return "nightly"


def test_a_catalog_knows_the_tables_too_and_is_mended_after_a_crash(store: OutputStore, catalog: str) -> None:
    next_publication(store, "run-2", [2], catalog).publish(lambda: None)
    before = load_manifest(store)
    next_publication(store, "run-3", [3], catalog).publish(lambda: None)
    known = load_catalog(catalog)
    assert known.load_table("folioscope.segments").scan().to_arrow().num_rows == 3
    # The catalog was committed to, then the driver died before the manifest was saved.
    store.write("manifest.json", before.to_json())
    manifest = next_publication(store, "run-4", [4]).publish(lambda: None)
    assert manifest.iceberg is not None
    assert manifest.iceberg.catalog == catalog
    assert sorted(known.load_table("folioscope.segments").scan().to_arrow()["segment"].to_pylist()) == [1, 2, 4]


def test_a_catalog_that_nobody_set_up_is_told(store: OutputStore) -> None:
    publication = next_publication(store, "run-2", [2], "nowhere")
    with pytest.raises(OutputError, match="catalog nowhere"):
        publication.publish(lambda: None)
    assert replace(load_manifest(store), iceberg=None).run_id == "run-1"


def test_another_outputs_tables_in_the_catalog_are_left_alone(store: OutputStore, catalog: str, tmp_path: Path) -> None:
    next_publication(store, "run-2", [2], catalog).publish(lambda: None)
    other = tmp_path / "other"
    publish(other, {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1)]})
    with pytest.raises(OutputError, match="another namespace"):
        next_publication(OutputStore(str(other)), "run-2", [5], catalog).publish(lambda: None)
    next_publication(OutputStore(str(other)), "run-2", [5], f"{catalog}/other").publish(lambda: None)
    known = load_catalog(catalog)
    found = [
        known.load_table(f"{name}.segments").scan().to_arrow()["segment"].to_pylist()
        for name in ("folioscope", "other")
    ]
    assert [sorted(rows) for rows in found] == [[1, 2], [1, 5]]
