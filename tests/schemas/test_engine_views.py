"""The views for Spark SQL and Trino: both dialects parse them, and in DuckDB's words they give what ``views.sql`` gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sample_rows import answer, asset, coverage, failure, page, publish, run, summary, thumbnail
from test_views import opened

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest
from folioscope.pipeline.tables.part_files import read_table
from folioscope.schemas.engine_views import ENGINES, VIEWS, engine_views
from folioscope.schemas.tables import TABLES

ROWS = {
    "assets": [
        asset("a.pdf", "A", answer_recipe_ids=["ask-1"]),
        asset("copy/a.pdf", "A", answer_recipe_ids=["ask-2"], run_id="run-2"),
        asset("gone.pdf", "G", status="deleted"),
        asset("b.mp4", "B", kind="video"),
        asset("locked.pdf", None, status="failed", reason="password_required"),
    ],
    "segments": [page("A", 1), page("A", 2), page("A", 1, recipe_id="read-0"), page("G", 1)],
    "thumbnails": [thumbnail("A", 1, b"new"), thumbnail("A", 1, b"old", "read-0"), thumbnail("G", 1, b"gone")],
    "summaries": [summary("A"), summary("B")],
    "answers": [answer("A", "who", "ask-1"), answer("A", "who", "ask-2"), answer("A", "what", "other")],
    "coverage": [coverage("A", {"when": "ask-1", "why": "ask-2"}, input_tokens=3), coverage("A", {"when": "other"})],
    "failures": [failure("locked.pdf", None), failure("gone.pdf", "G"), failure("a.pdf", "A", recipe_id="read-1")],
    "runs": [run("run-1"), run("run-2")],
}


def rows_of(found: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    return sorted(found.sql(query).to_arrow_table().to_pylist(), key=repr)


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_the_views_give_the_rows_of_duckdbs(engine: str, tmp_path: Path) -> None:
    publish(tmp_path, ROWS)
    store = OutputStore(str(tmp_path))
    manifest = load_manifest(store)
    with duckdb.connect(config={"threads": 1}) as other, opened(tmp_path) as ours:
        other.execute("CREATE SCHEMA folioscope; CREATE SCHEMA seen")
        for name in TABLES:
            table = read_table(store, name, manifest.tables[name])
            other.register("given", table)
            other.execute(f"CREATE TABLE folioscope.{name} AS SELECT * FROM given")
        for statement in sqlglot.transpile(engine_views(engine, "folioscope", "seen"), read=engine, write="duckdb"):
            other.execute(statement)
        for name in VIEWS:
            made = rows_of(other, f"SELECT * FROM seen.{f'current_{name}' if name in TABLES else name}")
            assert made == rows_of(ours, f"SELECT * FROM {name}"), name
        assert rows_of(other, "SELECT * FROM seen.pages"), "the sample has pages"
