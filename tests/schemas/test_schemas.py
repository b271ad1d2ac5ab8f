"""Tables are strict, old files come up to date, the documents tell the truth, and the views answer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import document
from schemas.migrations import MIGRATIONS, SchemaError, migrate, migration, schema_at, stamp, to_table
from schemas.tables import SCHEMA_VERSION, SORT_KEYS, TABLES

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def summary(**changes: Any) -> dict[str, Any]:
    row = {
        "asset_id": "a" * 64,
        "summary": "Short.",
        "method": "extractive",
        "key_points": [],
        "chapters": None,
        "recipe_id": "r",
        "run_id": "n",
        "model": "fake@1",
        "input_tokens": 1,
        "output_tokens": 2,
        "seconds": 0.5,
        "created_at": NOW,
    }
    return row | changes


def test_every_field_is_described_and_every_sort_key_exists() -> None:
    for name, schema in TABLES.items():
        assert all((field.metadata or {}).get(b"description") for field in schema), name
        assert set(SORT_KEYS[name]) <= set(schema.names)


def test_the_schema_document_is_fresh() -> None:
    assert (DOCS / "schema.md").read_text() == document.render(), "run: python -m schemas.document > docs/schema.md"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (summary(colour="red"), "colour"),
        ({key: value for key, value in summary().items() if key != "method"}, "method"),
        (summary(method=None), "row 0, column method: must not be null"),
        (summary(input_tokens="many"), "row 0, column input_tokens"),
        (summary(input_tokens=1.5), "row 0, column input_tokens: 1.5 is not a whole number"),
        (summary(summary=b"\xff"), "row 0, column summary: text is wanted"),
        (summary(summary="\ud800"), "row 0, column summary"),
        (summary(key_points=[{"text": "x"}]), r"row 0, column key_points\[0\]: evidence is missing"),
    ],
)
def test_odd_rows_are_refused_by_name(row: dict[str, Any], told: str) -> None:
    with pytest.raises(SchemaError, match=told):
        to_table("summaries", [row])


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_rows_survive_the_table(texts: list[str]) -> None:
    rows = [summary(summary=text) for text in texts]
    table = to_table("summaries", rows)
    assert [row["summary"] for row in table.to_pylist()] == texts
    assert migrate("summaries", table).equals(table)


def test_a_file_from_before_versions_gets_its_missing_columns() -> None:
    old = to_table("summaries", [summary()]).drop_columns(["key_points"]).replace_schema_metadata(None)
    new = migrate("summaries", old)
    assert new.schema.equals(stamp(TABLES["summaries"], "summaries"))
    assert new["key_points"].to_pylist() == [None]
    with pytest.raises(SchemaError, match="recipe_id"):
        migrate("summaries", old.drop_columns(["recipe_id"]))


@pytest.mark.parametrize("name", TABLES)
def test_a_file_of_version_1_gets_what_films_need(name: str) -> None:
    old = schema_at(name, 1)
    table = (
        old.empty_table()
        .cast(stamp(old, name))
        .replace_schema_metadata({b"folioscope_schema_version": b"1", b"folioscope_table": name.encode()})
    )
    assert migrate(name, table).schema.equals(stamp(TABLES[name], name))


def test_blocks_of_version_1_say_nothing_of_time() -> None:
    kinds = schema_at("segments", 1).field("blocks").type.value_type
    assert [kind.name for kind in kinds] == ["kind", "text", "bbox", "confidence", "level"]
    assert schema_at("segments", SCHEMA_VERSION).equals(TABLES["segments"])


def test_a_file_of_the_future_or_of_another_table_is_refused() -> None:
    table = to_table("summaries", [summary()])
    newer = table.replace_schema_metadata({b"folioscope_schema_version": str(SCHEMA_VERSION + 1).encode()})
    with pytest.raises(SchemaError, match="install the version that wrote it"):
        migrate("summaries", newer)
    with pytest.raises(SchemaError, match="holds table summaries"):
        migrate("answers", table)


def test_migrations_are_numbered_without_gaps() -> None:
    assert list(MIGRATIONS) == list(range(1, SCHEMA_VERSION + 1))

    def m009_too_far(name: str, table: pa.Table) -> pa.Table:
        return table

    with pytest.raises(SchemaError, match="next is m003_"):
        migration(m009_too_far)
