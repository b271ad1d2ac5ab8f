"""Answers lie in the order of their questions: whoever looks for one question reads the row groups that hold it."""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_rows import answer, publish

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables import compaction, part_files
from folioscope.pipeline.tables.compaction import compact, sorted_runs
from folioscope.pipeline.tables.manifest import DataFile, load_manifest
from folioscope.pipeline.tables.part_files import JOINT, read_table, write_part
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.migrations import stamp, to_table
from folioscope.schemas.tables import TABLES

Key = tuple[str, str, str]


def keys_of(store: OutputStore, files: tuple[DataFile, ...]) -> list[Key]:
    rows = read_table(store, "answers", files).to_pylist()
    return [(row["question_id"], row["asset_id"], row["recipe_id"]) for row in rows]


def by_file(store: OutputStore, path: str, rows: list[dict[str, Any]]) -> DataFile:
    """A file as it was written before answers were sorted by question: its range is one of files."""
    table = to_table("answers", rows).sort_by([("asset_id", "ascending"), ("question_id", "ascending")])
    with store.writer(path) as sink:
        pq.write_table(table.cast(stamp(TABLES["answers"], "answers")), sink, row_group_size=3)
        size = sink.tell()
    ids = table["asset_id"].to_pylist()
    return DataFile(path, table.num_rows, size, first=ids[0], last=ids[-1])


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(
        st.sets(
            st.tuples(st.sampled_from(["fish", "fis", "weir", "z\t"]), st.integers(0, 40)), min_size=1, max_size=30
        ),
        min_size=9,
        max_size=14,
    ),
    range_bytes=st.sampled_from([1, 3000, 64 << 20]),
    older=st.integers(0, 3),
)
def test_compaction_keeps_every_answer_in_the_order_of_questions(
    parts: list[set[tuple[str, int]]], range_bytes: int, older: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(compaction, "RANGE_BYTES", range_bytes)
        patch.setattr(part_files, "ROW_GROUP_ROWS", 4)
        store = OutputStore(folder)
        publish(Path(folder), {})
        publication = Publication(WorkArea(store, 2), load_manifest(store), "run-2")
        rows = [[answer(f"{key:064x}", name, f"ask-{n}") for name, key in part] for n, part in enumerate(parts)]
        for number, of_part in enumerate(rows):
            path = f"_work/000002/parts/answers/{number}.parquet"
            if number < older:
                publication.take("answers", by_file(store, path, of_part))
            else:
                publication.take("answers", write_part(store, "answers", path, to_table("answers", of_part)))
        compact(WorkArea(store, 2), publication, "run-2")
        after = publication.publish(lambda: None).tables["answers"]
        expected = sorted((row["question_id"], row["asset_id"], row["recipe_id"]) for part in rows for row in part)
        assert sorted(keys_of(store, after)) == expected
        assert len(sorted_runs(after)) == 1
        for file in after:
            keys = keys_of(store, (file,))
            assert keys == sorted(keys)
            assert (file.first, file.last) == (JOINT.join(keys[0][:2]), JOINT.join(keys[-1][:2]))


def test_one_question_is_told_from_others_by_the_row_groups_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_files, "ROW_GROUP_ROWS", 50)
    monkeypatch.setattr(compaction, "RANGE_BYTES", 20_000)
    store = OutputStore(str(tmp_path))
    publish(tmp_path, {})
    publication = Publication(WorkArea(store, 2), load_manifest(store), "run-2")
    for number in range(12):
        some = [answer(f"{key:064x}", f"q{n}", "ask-1") for key in range(number, 600, 12) for n in range(8)]
        path = f"_work/000002/parts/answers/{number}.parquet"
        publication.take("answers", write_part(store, "answers", path, to_table("answers", some)))
    compact(WorkArea(store, 2), publication, "run-2")
    files = publication.publish(lambda: None).tables["answers"]
    assert sum(file.rows for file in files) == 4800
    assert len(files) > 2, "ranges of one question, too"
    footers = [pq.read_metadata(tmp_path / file.path) for file in files]
    found = [footer.row_group(n).column(2).statistics for footer in footers for n in range(footer.num_row_groups)]
    touched = sum(statistics.min <= "q3" <= statistics.max for statistics in found)
    assert touched <= math.ceil(600 / 50) + len(files), f"{touched} of {len(found)} row groups"


def test_answers_of_an_older_version_are_put_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_files, "FILE_BYTES", 4000)
    publish(tmp_path, {})
    store = OutputStore(str(tmp_path))
    rows = [answer(f"{key:064x}", name, "ask-1") for key in range(60) for name in ("b", "a")]
    old = replace(by_file(store, "answers/old.parquet", rows), schema_version=2)
    manifest = load_manifest(store).with_table("answers", (old,))
    publication = Publication(WorkArea(store, 2), manifest, "run-2")
    publication.upgrade(lambda name, table: table)
    after = publication.publish(lambda: None).tables["answers"]
    assert len(after) > 1, "a file's worth of rows is sorted at once"
    assert all(keys_of(store, (file,)) == sorted(keys_of(store, (file,))) for file in after)
    assert len(set(keys_of(store, after))) == 120
