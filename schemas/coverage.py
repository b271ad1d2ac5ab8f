"""Asked and not found: answers that say no more than that share one row an asset, in the table ``coverage``.

Most questions find nothing in most files. A row of ``answers`` for each would be most of that table; here they are two
short texts and a recipe in lists. An answer that says more, be it a model's reasoning, keeps its own row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from folioscope.schemas.tables import COVERAGE

Row = dict[str, Any]
_SUMMED = ("input_tokens", "output_tokens", "seconds")


def found_nothing(row: Mapping[str, Any]) -> bool:
    """Whether a row of ``answers`` says no more than that the file does not hold the answer."""
    return not (row["answerable"] or row["answer"] or row["evidence"] or row["reasoning"])


def coverage_rows(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows of ``coverage`` for rows of ``answers`` that found nothing: one for each asset, run and model, by asset."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["asset_id"], row["run_id"], row["model"]), []).append(row)
    return [_together(groups[key]) for key in sorted(groups)]


def _together(rows: list[Mapping[str, Any]]) -> Row:
    return {
        **{name: rows[0][name] for name in ("asset_id", "uri", "run_id", "model")},
        **{f"{name}s": [row[name] for row in rows] for name in ("question_id", "question", "recipe_id")},
        **{name: sum(row[name] or 0 for row in rows) for name in _SUMMED},
        "created_at": max(row["created_at"] for row in rows),
    }


def split(answers: pa.Table) -> tuple[pa.Table, pa.Table]:
    """A table of answers without those that found nothing, and these as rows of ``coverage``."""
    empty = pc.equal(pc.fill_null(pc.list_value_length(answers["evidence"]), 0), 0)
    said = [pc.greater(pc.fill_null(pc.utf8_length(answers[name]), 0), 0) for name in ("answer", "reasoning")]
    nothing = pc.and_(pc.invert(pc.or_(answers["answerable"], pc.or_(*said))), empty)
    kept = [name for name in answers.column_names if name not in ("answer", "evidence", "reasoning", "score")]
    rows = coverage_rows(answers.select(kept).filter(nothing).to_pylist())
    return answers.filter(pc.invert(nothing)), pa.Table.from_pylist(rows, schema=COVERAGE)
