"""The published tables of an evaluations' output, and reading them back.

``evaluations/<id>.parquet`` and ``evaluation_items/<id>.parquet``: a benchmark scored again replaces its two files, the
items first, so that a row of ``evaluations`` never stands before its items. Any engine reads them with a glob.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from folioscope.pipeline.evaluation.items import Benchmark
from folioscope.pipeline.evaluation.predictions import Prediction
from folioscope.pipeline.evaluation.scoring import Interval, Result, Scored, Verdict, verdict
from folioscope.pipeline.storage.store import OutputStore
from folioscope.schemas.evaluations import EVALUATION_ITEMS, EVALUATION_SORT_KEYS, EVALUATION_TABLES, EVALUATIONS
from folioscope.schemas.migrations import stamp

NOT_NEEDED = "rule"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one benchmark gave for one replica."""

    evaluation_id: str
    benchmark: Benchmark
    model: str
    result: Result
    published: float | None
    scored_by: str
    rule: str | None
    scored: tuple[Scored, ...]
    items_of: int

    @property
    def failed(self) -> int:
        return sum(one.prediction is None for one in self.scored)

    @property
    def verdict(self) -> Verdict | None:
        return None if self.published is None else verdict(self.result.score, self.published)


def publish(store: OutputStore, evaluation: Evaluation, predictions: Mapping[str, Prediction]) -> None:
    """Raises OutputError: the output cannot be written."""
    items = [_item_row(evaluation, one, predictions.get(one.item.key)) for one in evaluation.scored]
    _write(store, "evaluation_items", evaluation.evaluation_id, pa.Table.from_pylist(items, schema=EVALUATION_ITEMS))
    row = _row(evaluation, [predictions[one.item.key] for one in evaluation.scored if one.item.key in predictions])
    _write(store, "evaluations", evaluation.evaluation_id, pa.Table.from_pylist([row], schema=EVALUATIONS))


def _row(evaluation: Evaluation, predictions: Sequence[Prediction]) -> dict[str, object]:
    result = evaluation.result
    keys = "\0".join(sorted(one.item.key for one in evaluation.scored))
    return {
        "evaluation_id": evaluation.evaluation_id,
        "benchmark": evaluation.benchmark.name,
        "model": evaluation.model,
        "score": result.score.value,
        "low": result.score.low,
        "high": result.score.high,
        "unit": evaluation.benchmark.unit,
        "published": evaluation.published,
        "verdict": evaluation.verdict,
        "scored_by": evaluation.scored_by,
        "rule": evaluation.rule,
        "items": len(evaluation.scored),
        "items_of": evaluation.items_of,
        "failed": evaluation.failed,
        "measures": [
            {"metric": name, "value": value, "items": result.counts[name]} for name, value in result.measures.items()
        ],
        "items_hash": hashlib.sha256(keys.encode()).hexdigest()[:16],
        "input_tokens": sum(one.input_tokens for one in predictions),
        "output_tokens": sum(one.output_tokens for one in predictions),
        "seconds": sum(one.seconds for one in predictions),
        "created_at": datetime.now(UTC),
    }


def _item_row(evaluation: Evaluation, scored: Scored, prediction: Prediction | None) -> dict[str, object]:
    item = scored.item
    return {
        "evaluation_id": evaluation.evaluation_id,
        "benchmark": evaluation.benchmark.name,
        "model": evaluation.model,
        "item_id": item.item_id,
        "item_key": item.key,
        "group": item.group or None,
        "cluster": item.cluster or None,
        "question": item.question,
        "golds": list(item.golds),
        "prediction": scored.prediction,
        "judge_reply": scored.judge_reply,
        "score": scored.score,
        "marks": [asdict(mark) for mark in scored.marks],
        "reason": "; ".join(mark.reason for mark in scored.marks if mark.reason) or None,
        "error": scored.error,
        "input_tokens": prediction.input_tokens if prediction else None,
        "output_tokens": prediction.output_tokens if prediction else None,
        "seconds": prediction.seconds if prediction else None,
    }


def _write(store: OutputStore, name: str, evaluation_id: str, table: pa.Table) -> None:
    table = table.sort_by([(key, "ascending") for key in EVALUATION_SORT_KEYS[name]])
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, stamp(EVALUATION_TABLES[name], name), compression="zstd") as writer:
        writer.write_table(table)
    store.write(f"{name}/{evaluation_id}.parquet", sink.getvalue())


def read_evaluations(store: OutputStore, name: str) -> pa.Table:
    """One of the two tables, whole."""
    tables = list(_tables(store, name))
    return pa.concat_tables([EVALUATION_TABLES[name].empty_table(), *tables])


def _tables(store: OutputStore, name: str) -> Iterator[pa.Table]:
    for path in store.names(name):
        yield pq.read_table(pa.BufferReader(store.read(path))).cast(EVALUATION_TABLES[name])


def shown(interval: Interval, unit: str) -> str:
    digits = 0 if unit == "of 1,000" else 1
    return f"{interval.value:.{digits}f} ({interval.low:.{digits}f}–{interval.high:.{digits}f})"
