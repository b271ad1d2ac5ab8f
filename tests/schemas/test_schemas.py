"""Tables are strict, old files come up to date, the documents tell the truth, and the views answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_rows import run

from folioscope.model.protocol import Block, Box, Cell, Check, Omission, Reading, Span, TokenProbability
from folioscope.pipeline.decode.pages import DecodedPage
from folioscope.pipeline.tables.rows import Provenance, page_row, page_text
from folioscope.schemas import document
from folioscope.schemas.migrations import (
    MIGRATIONS,
    TABLE_KEY,
    VERSION_KEY,
    SchemaError,
    migrate,
    migration,
    schema_at,
    stamp,
    to_table,
)
from folioscope.schemas.tables import SCHEMA_VERSION, SORT_KEYS, TABLES

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def summary(**changes: Any) -> dict[str, Any]:
    row = {
        "asset_id": "a" * 64,
        "uri": "a.pdf",
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
    assert (DOCS / "schema.md").read_text() == document.render(), (
        "run: python -m folioscope.schemas.document > docs/schema.md"
    )


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
def test_a_file_of_version_1_gets_what_videos_need(name: str) -> None:
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


def test_files_of_version_2_lie_in_no_other() -> None:
    old = schema_at("assets", 2)
    assert not {"parent_uri", "parent_asset_id", "attachments"} & set(old.names)
    row = dict.fromkeys(old.names) | {"uri": "a.pdf", "status": "done", "run_id": "x", "kind": "pdf"}
    row["first_seen_at"] = datetime(2026, 1, 1, tzinfo=UTC)
    table = pa.Table.from_pylist([row], schema=old)
    table = table.replace_schema_metadata({b"folioscope_schema_version": b"2", b"folioscope_table": b"assets"})
    [moved] = migrate("assets", table).to_pylist()
    assert moved["uri"] == "a.pdf"
    assert [moved[name] for name in ("parent_uri", "parent_asset_id", "attachments")] == [None] * 3


def test_blocks_of_version_2_say_nothing_of_subtitles() -> None:
    old = schema_at("segments", 2)
    kinds = {field.name for field in old.field("blocks").type.value_type}
    assert not kinds & {"language", "track", "flags", "words"}
    block = dict.fromkeys(kinds) | {"kind": "text", "text": "Sallow Weir", "start_s": 1.0}
    row = {
        "asset_id": "a",
        "kind": "page",
        "segment": 1,
        "blocks": [block],
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    row |= dict.fromkeys(("text_source", "recipe_id", "run_id", "model"), "x")
    table = pa.Table.from_pylist([row], schema=old)
    table = table.replace_schema_metadata({b"folioscope_schema_version": b"2", b"folioscope_table": b"segments"})
    [moved] = migrate("segments", table).to_pylist()
    assert moved["blocks"][0]["text"] == "Sallow Weir"
    assert [moved["blocks"][0][name] for name in ("language", "track", "flags", "words")] == [None] * 4
    assert [moved["blocks"][0][name] for name in ("support", "unsupported", "cells")] == [None] * 3
    grounding = ("reader", "reference", "support", "omitted", "token_probability_mean", "token_probability_min")
    assert [moved[name] for name in grounding] == [None] * 6
    assert page_text(moved).blocks == (Block("text", "Sallow Weir", start_s=1.0),)


def test_evidence_of_version_2_keeps_what_it_says_and_does_not_say_by_whom() -> None:
    old = schema_at("answers", 2)
    parts = [field.name for field in old.field("evidence").type.value_type]
    assert parts == ["page_number", "start_s", "end_s", "quote", "bbox", "verified"]
    evidence = dict.fromkeys(parts) | {"page_number": 1, "quote": "Sallow Weir", "verified": True}
    row = {"asset_id": "a", "answerable": True, "evidence": [evidence], "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    row |= dict.fromkeys(("question_id", "question", "recipe_id", "run_id", "model"), "x")
    table = pa.Table.from_pylist([row], schema=old).replace_schema_metadata({VERSION_KEY: b"2", TABLE_KEY: b"answers"})
    [moved] = migrate("answers", table).to_pylist()
    assert moved["evidence"] == [evidence | {"verified_by": None, "repaired": None}]


def test_a_checked_page_survives_the_table() -> None:
    box = Box(0.25, 0.25, 0.5, 0.5)
    block = Block("table", "<table>x y</table>", box, 0.5, support=0.5, unsupported=(Span(9, 10),))
    block = replace(block, cells=(Cell(0, 0, box, 1.0), Cell(0, 1, None, None)))
    check = Check("ocr", 2, 0.5, 3, 0.25, (Omission("z", box),))
    reading = Reading("x y", "model", (block,), token_probability=TokenProbability(0.5, 0.125), check=check)
    page = DecodedPage(1, 10, 10, 0, None, None)
    made = page_row("a.pdf", "a" * 64, page, reading, Provenance("r", "n", "fake@1"))
    [row] = to_table("segments", [made]).to_pylist()
    assert page_text(row).blocks == (block,)
    told = {"reference": "ocr", "word_count": 2, "support": 0.5, "reference_word_count": 3, "omitted": 0.25}
    told |= {"token_probability_mean": 0.5, "token_probability_min": 0.125}
    assert told.items() <= row.items()
    assert [part["text"] for part in row["omissions"]] == ["z"]


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

    with pytest.raises(SchemaError, match=f"next is m{SCHEMA_VERSION + 1:03d}_"):
        migration(m009_too_far)


def test_runs_of_version_2_get_the_columns_that_came_later() -> None:
    table = pa.Table.from_pylist([run("r")], schema=schema_at("runs", 2))
    assert "suspect_segments" not in table.column_names
    migrated = migrate("runs", table.replace_schema_metadata({VERSION_KEY: b"2", TABLE_KEY: b"runs"}))
    later = ("suspect_segments", "error_bounds", "reference_seconds")
    assert [migrated[name].to_pylist() for name in later] == [[None]] * 3
