"""The tables of evaluations: a row a benchmark and replica, a row an item. An output of their own holds them.

Files carry the schema version of the other tables in their metadata, so that migrations can tell them.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from folioscope.schemas.structs import TIMESTAMP, field

MEASURE: Final = pa.struct(
    [
        field("metric", pa.string(), "What is measured"),
        field("value", pa.float64(), "Its mean, as the benchmark takes it; 0..1"),
        field("items", pa.int64(), "Items that have it"),
    ]
)
MARK: Final = pa.struct(
    [
        field("metric", pa.string(), "What is measured"),
        field("score", pa.float64(), "What the prediction earns; 0..1"),
        field("weight", pa.float64(), "Its weight in the mean"),
        field("reason", pa.string(), "Why, where the rule can tell"),
    ]
)
EVALUATIONS: Final = pa.schema(
    [
        field(
            "evaluation_id", pa.string(), "Hash of benchmark, model, and all that decides a prediction", nullable=False
        ),
        field("benchmark", pa.string(), "Name of the benchmark", nullable=False),
        field("model", pa.string(), "Replica and revision", nullable=False),
        field("score", pa.float64(), "The benchmark's score, in its unit"),
        field("low", pa.float64(), "Lower end of the 95 % bootstrap interval over clusters of items"),
        field("high", pa.float64(), "Upper end of it"),
        field("unit", pa.string(), "Unit of the score, e.g. %", nullable=False),
        field("published", pa.float64(), "The published figure it is put beside; null where there is none"),
        field("verdict", pa.string(), "reproduced, below or above; null where nothing is published"),
        field("scored_by", pa.string(), "rule, or the judge model that was asked", nullable=False),
        field("rule", pa.string(), "What stood in for a judge where none was asked; null where none is needed"),
        field("items", pa.int64(), "Items scored", nullable=False),
        field("items_of", pa.int64(), "Items of the benchmark's folder", nullable=False),
        field("failed", pa.int64(), "Items without a prediction: they count as wrong", nullable=False),
        field("measures", pa.list_(MEASURE), "All that was measured"),
        field("items_hash", pa.string(), "Hash of the items' keys: equal where the same was asked", nullable=False),
        field("input_tokens", pa.int64(), "Tokens put into the model"),
        field("output_tokens", pa.int64(), "Tokens the model wrote"),
        field("seconds", pa.float64(), "Wall seconds of the replica's work, summed over replicas"),
        field("created_at", TIMESTAMP, "When the row was made", nullable=False),
    ]
)
EVALUATION_ITEMS: Final = pa.schema(
    [
        field("evaluation_id", pa.string(), "The evaluation it belongs to", nullable=False),
        field("benchmark", pa.string(), "Name of the benchmark", nullable=False),
        field("model", pa.string(), "Replica and revision", nullable=False),
        field("item_id", pa.string(), "The benchmark's own id of the item", nullable=False),
        field("item_key", pa.string(), "Hash of all that the replica was shown and asked", nullable=False),
        field("group", pa.string(), "Subject, task or kind"),
        field("cluster", pa.string(), "The document or video it belongs to"),
        field("question", pa.string(), "What was asked; empty for pages to read"),
        field("golds", pa.list_(pa.string()), "The right answers, in the benchmark's form"),
        field(
            "prediction", pa.string(), "What the replica wrote; null where it failed. Pages are parted by form feeds"
        ),
        field("judge_reply", pa.string(), "What the judge model wrote; null where none was asked"),
        field("score", pa.float64(), "The first of the marks", nullable=False),
        field("marks", pa.list_(MARK), "All marks"),
        field("reason", pa.string(), "Why it has this score, where the rule can tell"),
        field("error", pa.string(), "Why there is no prediction"),
        field("input_tokens", pa.int64(), "Tokens put into the model"),
        field("output_tokens", pa.int64(), "Tokens the model wrote"),
        field("seconds", pa.float64(), "Wall seconds of the replica's work"),
    ]
)
# What actors commit; a run that is killed goes on from these.
PREDICTIONS: Final = pa.schema(
    [
        field("item_key", pa.string(), "Hash of all that the replica was shown and asked", nullable=False),
        field("prediction", pa.string(), "What the replica wrote; null where it failed"),
        field("error", pa.string(), "Why there is no prediction"),
        field("input_tokens", pa.int64(), "Tokens put into the model"),
        field("output_tokens", pa.int64(), "Tokens the model wrote"),
        field("seconds", pa.float64(), "Wall seconds of the replica's work"),
    ]
)
EVALUATION_TABLES: Final[dict[str, pa.Schema]] = {"evaluations": EVALUATIONS, "evaluation_items": EVALUATION_ITEMS}
EVALUATION_SORT_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "evaluations": ("benchmark", "model"),
    "evaluation_items": ("evaluation_id", "item_id"),
}
