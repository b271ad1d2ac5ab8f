"""What readers find in the tables' folders: current rows once, replaced files elsewhere, old files brought up to date."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import ask, run
from sample_rows import Row, answer, asset, failure, page, publish, summary
from sample_rows import run as run_row

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables import compaction, part_files
from folioscope.pipeline.tables import publish as publishing
from folioscope.pipeline.tables.accounting import Counts
from folioscope.pipeline.tables.assets import upgraded
from folioscope.pipeline.tables.audit import audit, rebuild_state
from folioscope.pipeline.tables.compaction import compact, files_to_merge, sorted_runs
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import load_manifest, save_manifest
from folioscope.pipeline.tables.part_files import open_file, read_table
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.migrations import TABLE_KEY, VERSION_KEY, migrate, schema_at, to_table
from folioscope.schemas.tables import SCHEMA_VERSION, SORT_KEYS, TABLES


def plain(output: Path, table: str) -> list[Any]:
    """The rows that a reader gets who knows nothing of the manifest."""
    return duckdb.sql(f"SELECT * FROM read_parquet('{output}/{table}/*.parquet') ORDER BY ALL").fetchall()


def by_manifest(output: Path, table: str) -> list[Any]:
    paths = [str(output / file.path) for file in load_manifest(OutputStore(str(output))).tables[table]]
    return duckdb.sql(f"SELECT * FROM read_parquet({paths}) ORDER BY ALL").fetchall()


def assert_plain_readers_see_the_manifest(output: Path) -> None:
    for table in TABLES:
        assert plain(output, table) == by_manifest(output, table), table
        assert {path.name for path in (output / table).iterdir()} == {
            Path(file.path).name for file in load_manifest(OutputStore(str(output))).tables[table]
        }


@pytest.mark.usefixtures("inline_actors")
def test_plain_readers_see_each_file_once_after_every_run(tmp_path: Path, make_pdf: Any) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    make_pdf(folder / "a.pdf", ["one", "two"])
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and no more")
    run(folder, output)
    assert_plain_readers_see_the_manifest(output)
    before = load_manifest(OutputStore(str(output)))
    make_pdf(folder / "broken.pdf", ["mended"])
    run(folder, output)
    assert_plain_readers_see_the_manifest(output)
    assert duckdb.sql(f"SELECT count(*) FROM '{output}/assets/*.parquet'").fetchall() == [(2,)]
    [replaced] = before.tables["assets"]
    with open_file(OutputStore(str(output)), replaced.path) as stream:  # who began before reads on
        assert pq.read_table(stream).num_rows == 2
    for _ in range(2):
        make_pdf(folder / f"{random.random()}.pdf", ["new"])
        run(folder, output)
    with pytest.raises(FileNotFoundError), open_file(OutputStore(str(output)), replaced.path):
        pass


@pytest.mark.usefixtures("inline_actors")
def test_rows_say_where_their_file_lay(tmp_path: Path, make_pdf: Any) -> None:
    from test_run import WHO

    make_pdf(tmp_path / "in" / "a.pdf", ["the lighthouse"])
    run(tmp_path / "in", tmp_path / "out", questions=(WHO,))
    for table in ("segments", "summaries", "answers"):
        told = duckdb.sql(f"SELECT DISTINCT uri FROM '{tmp_path}/out/{table}/*.parquet'").fetchall()
        assert told == [(str(tmp_path / "in" / "a.pdf"),)]
    assert ask(tmp_path / "out", "SELECT uri FROM pages") == [(str(tmp_path / "in" / "a.pdf"),)]


@pytest.mark.usefixtures("inline_actors")
@pytest.mark.guarantee(
    fault="driver killed",
    moment="publish",
    outcome="killed while files are put in place, plain readers too see the current rows once the next run has begun",
)
@pytest.mark.parametrize("moment", ["placed", "saved"])
def test_a_publish_that_dies_half_way_is_cleared_up(
    moment: str, tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    make_pdf(folder / "a.pdf", ["one", "two"])
    run(folder, output)
    make_pdf(folder / "a.pdf", ["another"])
    with monkeypatch.context() as dying:
        name = {"placed": "save_manifest", "saved": "retire"}[moment]
        real = getattr(publishing, name)

        def die(store: OutputStore, paths: Any, *rest: Any) -> None:
            if moment == "placed" or "assets" in str(paths):
                raise MemoryError
            real(store, paths, *rest)

        dying.setattr(publishing, name, die)
        with pytest.raises(MemoryError):
            run(folder, output)
    run(folder, output)
    assert_plain_readers_see_the_manifest(output)
    assert ask(output, "SELECT text FROM pages") == [("another",)]


# Older outputs.


def of_version(name: str, version: int, rows: Sequence[Row]) -> pa.Table:
    """Rows as an older version wrote them."""
    declared = schema_at(name, version)
    kept = [{key: value for key, value in row.items() if key in declared.names} for row in rows]
    metadata = {VERSION_KEY: str(version).encode(), TABLE_KEY: name.encode()}
    return pa.Table.from_pylist(kept, schema=declared).replace_schema_metadata(metadata)


def with_picture(row: Row) -> Row:
    """The row as version 2 had it: first pages with their small picture."""
    return row | ({"thumbnail": row["asset_id"][-2:].encode()} if row.get("segment") == 1 else {})


def test_older_files_are_brought_up_to_date_one_by_one_and_get_their_paths(tmp_path: Path) -> None:
    ids = [f"{number:064x}" for number in range(40)]
    rows: dict[str, list[Row]] = {
        "assets": [asset(f"{id_[-2:]}.pdf", id_) for id_ in ids],
        "segments": [page(id_, number) for id_ in ids for number in (1, 2)],
        "summaries": [summary(id_) for id_ in ids],
        "answers": [answer(id_, "who", "ask-1") for id_ in ids],
        "runs": [run_row("run-1")],
    }
    publish(tmp_path, rows, files=3)
    store = OutputStore(str(tmp_path))
    manifest = load_manifest(store)
    for name, of_table in rows.items():
        files = []
        for number, file in enumerate(manifest.tables[name]):
            old = of_version(name, SCHEMA_VERSION - 1, [with_picture(row) for row in of_table[number::3]])
            pq.write_table(old, tmp_path / file.path, row_group_size=7)
            files.append(part_files.DataFile(file.path, old.num_rows, 1, SCHEMA_VERSION - 1))
        manifest = manifest.with_table(name, tuple(files))
    work = WorkArea(store, 2)
    ledger = Ledger(manifest, work)
    publication = Publication(work, manifest, "run-2")
    publication.upgrade(partial(upgraded, ledger))
    after = publication.publish(lambda: None)
    ledger.close()
    assert {file.schema_version for files in after.tables.values() for file in files} == {SCHEMA_VERSION}
    for name in ("segments", "summaries", "answers"):
        table = read_table(store, name, after.tables[name])
        assert len(after.tables[name]) == 3
        keys = [(key, "ascending") for key in SORT_KEYS[name]]
        brought = migrate(name, of_version(name, SCHEMA_VERSION - 1, rows[name])).sort_by(keys).to_pylist()
        assert table.sort_by(keys).to_pylist() == [row | {"uri": f"{row['asset_id'][-2:]}.pdf"} for row in brought]
    pictures = read_table(store, "thumbnails", after.tables["thumbnails"]).sort_by("asset_id").to_pylist()
    assert [(row["asset_id"], row["uri"], row["segment"], row["image"]) for row in pictures] == [
        (id_, f"{id_[-2:]}.pdf", 1, id_[-2:].encode()) for id_ in ids
    ]
    assert {(row["recipe_id"], row["run_id"]) for row in pictures} == {("read-1", "run-1")}


def test_no_table_in_memory_outgrows_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_files, "ROW_GROUP_BYTES", 50_000)
    sizes: list[int] = []
    real = pq.ParquetWriter.write_table

    def watched(writer: pq.ParquetWriter, table: pa.Table, **options: Any) -> None:
        sizes.append(table.nbytes)
        real(writer, table, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", watched)
    text = "x" * 1000
    whole = to_table("segments", [page("a" * 64, number, text=text) for number in range(1, 500)])
    writer = part_files.TableWriter(OutputStore(str(tmp_path)), "segments", "segments", "big")
    writer.write([whole])
    assert max(sizes) < 2 * 50_000
    assert len(sizes) > 5
    assert sum(file.rows for file in writer.files) == 499


# Compaction.


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=12), min_size=9, max_size=20),
    range_bytes=st.sampled_from([1, 200_000, 64 << 20]),
)
def test_compaction_keeps_every_row_in_few_files_in_order(parts: list[list[tuple[int, int]]], range_bytes: int) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(compaction, "RANGE_BYTES", range_bytes)
        store = OutputStore(folder)
        rows = [
            [page(f"{key:064x}", segment, f"read-{n}") for key, segment in set(part)] for n, part in enumerate(parts)
        ]
        publish(Path(folder), {})
        manifest = load_manifest(store)
        publication = Publication(WorkArea(store, 2), manifest, "run-2")
        for number, of_part in enumerate(rows):
            if of_part:
                path = f"_work/000002/parts/segments/{number}.parquet"
                file = part_files.write_part(store, "segments", path, to_table("segments", of_part))
                publication.take("segments", file)
        compact(WorkArea(store, 2), publication, "run-2")
        after = publication.publish(lambda: None)
        expected = sorted((row["asset_id"], row["recipe_id"], row["segment"]) for part in rows for row in part)
        found = read_table(store, "segments", after.tables["segments"]).to_pylist()
        assert sorted((row["asset_id"], row["recipe_id"], row["segment"]) for row in found) == expected
        for file in after.tables["segments"]:
            of_file = read_table(store, "segments", [file]).to_pylist()
            keys = [(row["asset_id"], row["recipe_id"], row["segment"]) for row in of_file]
            assert keys == sorted(keys)
            assert not keys or (file.first, file.last) == (keys[0][0], keys[-1][0])
        assert len(sorted_runs(after.tables["segments"])) <= compaction.FANOUT
        assert files_to_merge(after.tables["segments"]) == [] or range_bytes == 1


def test_a_row_is_written_anew_once_for_each_eightfold_growth() -> None:
    """A year of nights of equal size: runs of one size are merged, and what was merged waits for its like."""
    size = 4 << 20
    files: list[part_files.DataFile] = []
    rewritten = 0
    for night in range(365):
        files.append(part_files.DataFile(f"{night}", 1, size, SCHEMA_VERSION, "0", "f"))
        merged = files_to_merge(files)
        if merged:
            total = sum(file.bytes for file in merged)
            rewritten += total
            kept = [file for file in files if file not in merged]
            files = [*kept, part_files.DataFile(f"{night}m", 1, total, SCHEMA_VERSION, "0", "f")]
    assert len(sorted_runs(files)) <= 3 * compaction.FANOUT
    assert rewritten <= 4 * 365 * size


# The state.


@pytest.mark.usefixtures("inline_actors")
def test_an_output_without_a_state_gets_one_and_nothing_is_read_again(tmp_path: Path, make_pdf: Any) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    make_pdf(folder / "a.pdf", ["one", "two"])
    run(folder, output)
    store = OutputStore(str(output))
    save_manifest(store, replace(load_manifest(store), state=None))  # as the version before published
    assert run(folder, output).accounting.segments == Counts(2, 0, 2, 0, 0)
    assert load_manifest(store).state
    assert audit(store).sound


@pytest.mark.usefixtures("inline_actors")
def test_a_state_that_is_wrong_is_found_and_made_anew_from_the_rows(tmp_path: Path, make_pdf: Any) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    make_pdf(folder / "a.pdf", ["one", "two"])
    run(folder, output)
    store = OutputStore(str(output))
    save_manifest(store, replace(load_manifest(store), state=()))
    assert audit(store).wrong_state == 2, "pages and summary"
    rebuild_state(store, lambda words: None)
    assert audit(store).sound
    assert run(folder, output).accounting.segments == Counts(2, 0, 2, 0, 0)


def test_rows_that_contradict_each_other_are_found(tmp_path: Path) -> None:
    rows: dict[str, list[Row]] = {
        "assets": [asset("a.pdf", "a" * 64)],
        "segments": [page("a" * 64, 1), page("a" * 64, 1)],
        "failures": [failure("a.pdf", "a" * 64, stage="read", segment=1, recipe_id="read-1")],
    }
    publish(tmp_path, rows)
    found = audit(OutputStore(str(tmp_path)))
    assert (found.doubled_rows, found.contradictions, found.sound) == (1, 1, False)


@pytest.mark.slow
@pytest.mark.usefixtures("inline_actors")
def test_files_of_the_state_are_summed_up(tmp_path: Path, make_pdf: Any) -> None:
    folder, output = tmp_path / "in", tmp_path / "out"
    for night in range(11):
        make_pdf(folder / f"{night}.pdf", [f"night {night}"])
        outcome = run(folder, output, tasks=("read",))
    assert len(outcome.manifest.state or ()) <= compaction.FANOUT
    assert audit(OutputStore(str(output))).sound
