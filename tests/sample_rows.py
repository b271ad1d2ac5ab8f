"""Whole rows of the eight tables for tests, each value changeable, and an output folder published from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from folioscope.schemas.migrations import to_table
from folioscope.schemas.tables import SCHEMA_VERSION, TABLES

Row = dict[str, Any]
MOMENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
COUNTS = {"seen": 10, "done": 6, "reused": 2, "failed": 1, "skipped": 1}


def _row(table: str, defaults: Row, changes: Row) -> Row:
    unknown = (defaults | changes).keys() - set(TABLES[table].names)
    assert not unknown, f"no such columns in {table}: {unknown}"
    return dict.fromkeys(TABLES[table].names) | defaults | changes


def _provenance(recipe_id: str) -> Row:
    return {
        "recipe_id": recipe_id,
        "run_id": "run-1",
        "model": "fake@1",
        "input_tokens": 10,
        "output_tokens": 5,
        "seconds": 0.5,
        "created_at": MOMENT,
    }


def asset(uri: str, asset_id: str | None, **changes: Any) -> Row:
    defaults = {
        "uri": uri,
        "asset_id": asset_id,
        "etag": "1-1",
        "size": 1,
        "kind": "pdf",
        "page_count": 2,
        "status": "done",
        "read_recipe_id": "read-1",
        "summary_recipe_id": "sum-1",
        "answer_recipe_ids": [],
        "run_id": "run-1",
        "first_seen_at": MOMENT,
    }
    return _row("assets", defaults, changes)


def block(text: str, **changes: Any) -> Row:
    box = {"x0": 0.1, "y0": 0.1, "x1": 0.9, "y1": 0.2}
    return {
        "kind": "text",
        "text": text,
        "bbox": box,
        "confidence": 0.9,
        "level": 0,
        "start_s": None,
        "end_s": None,
        "language": None,
        "track": None,
        "flags": [],
        "words": [],
        "support": None,
        "unsupported": [],
        "cells": [],
    } | changes


def page(asset_id: str, number: int, recipe_id: str = "read-1", **changes: Any) -> Row:
    defaults = {
        "asset_id": asset_id,
        "kind": "page",
        "segment": number,
        "page_number": number,
        "width_px": 1224,
        "height_px": 1584,
        "rotation": 0,
        "text": f"page {number} of {asset_id}",
        "text_source": "text_layer",
        "blocks": [block(f"page {number} of {asset_id}")],
        "language": "en",
        "flags": [],
        **_provenance(recipe_id),
    }
    return _row("segments", defaults, changes)


def thumbnail(asset_id: str, number: int, image: bytes, recipe_id: str = "read-1", **changes: Any) -> Row:
    defaults = {
        "asset_id": asset_id,
        "segment": number,
        "image": image,
        "recipe_id": recipe_id,
        "run_id": "run-1",
        "created_at": MOMENT,
    }
    return _row("thumbnails", defaults, changes)


def summary(asset_id: str, recipe_id: str = "sum-1", **changes: Any) -> Row:
    defaults = {
        "asset_id": asset_id,
        "summary": f"about {asset_id}",
        "method": "extractive",
        "key_points": [{"text": "a point", "evidence": [evidence("a point")]}],
        **_provenance(recipe_id),
    }
    return _row("summaries", defaults, changes)


def evidence(quote: str, page_number: int | None = 1) -> Row:
    return {
        "page_number": page_number,
        "start_s": None,
        "end_s": None,
        "quote": quote,
        "bbox": None,
        "verified": True,
        "verified_by": "text_layer",
        "repaired": False,
    }


def answer(asset_id: str, question_id: str, recipe_id: str, **changes: Any) -> Row:
    defaults = {
        "asset_id": asset_id,
        "question_id": question_id,
        "question": f"What of {question_id}?",
        "answer": f"{question_id} by {recipe_id}",
        "answerable": True,
        "score": 0.7,
        "evidence": [evidence(f"quote for {question_id}", 2)],
        **_provenance(recipe_id),
    }
    return _row("answers", defaults, changes)


def coverage(asset_id: str, asked: Mapping[str, str], **changes: Any) -> Row:
    """``asked``: questions that found nothing, each with its recipe."""
    made = {name: value for name, value in _provenance("").items() if name != "recipe_id"}
    defaults = {
        "asset_id": asset_id,
        "question_ids": list(asked),
        "questions": [f"What of {question}?" for question in asked],
        "recipe_ids": list(asked.values()),
        **made,
    }
    return _row("coverage", defaults, changes)


def failure(uri: str, asset_id: str | None, **changes: Any) -> Row:
    defaults = {
        "uri": uri,
        "asset_id": asset_id,
        "stage": "plan",
        "reason": "damaged_file",
        "message": "The file ends in the middle.",
        "attempts": 1,
        "retryable": False,
        "run_id": "run-1",
        "created_at": MOMENT,
    }
    return _row("failures", defaults, changes)


def run(run_id: str, **changes: Any) -> Row:
    defaults = {
        "run_id": run_id,
        "started_at": MOMENT,
        "finished_at": MOMENT.replace(minute=1),
        "arguments": "{}",
        "versions": [("python", "3.11.0")],
        **dict.fromkeys(("assets", "segments", "summaries", "answers"), COUNTS),
        "input_tokens": 100,
        "output_tokens": 50,
        "busy_seconds": 90.0,
        "idle_seconds": 30.0,
        "cost": 0.12,
        "suspect_segments": 0,
    }
    return _row("runs", defaults, changes)


def publish(folder: Path, rows: Mapping[str, Sequence[Row]], *, files: int = 1, version: int = SCHEMA_VERSION) -> Path:
    """Write the rows as an output that a run has published, each table in ``files`` files, then the manifest."""
    tables: dict[str, list[Row]] = {}
    for name in TABLES:
        of_table = list(rows.get(name, ()))
        tables[name] = []
        for number in range(files):
            part = to_table(name, of_table[number::files])
            path = f"{name}/run-1-{number:04d}.parquet"
            (folder / name).mkdir(parents=True, exist_ok=True)
            pq.write_table(part, folder / path)
            tables[name].append({"path": path, "rows": part.num_rows, "bytes": 1, "first": None, "last": None})
    manifest = {"run_id": "run-1", "generation": 1, "schema_version": version, "tables": tables}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return folder
