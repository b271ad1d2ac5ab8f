"""Items as rows of an Arrow table, on their way to the actors that ask a replica, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

import pyarrow as pa

from folioscope.pipeline.evaluation.items import Frames, ImageCell, ImageFile, Item, Pages, Part, Text

_KINDS: Final[dict[str, type[Part]]] = {kind.__name__: kind for kind in (Text, ImageFile, ImageCell, Pages, Frames)}
ITEM_ROWS: Final = pa.schema(
    [
        ("item_id", pa.string()),
        ("mode", pa.string()),
        ("parts", pa.string()),
        ("question", pa.string()),
        ("max_new_tokens", pa.int32()),
    ]
)


def to_table(items: Iterable[Item]) -> pa.Table:
    """What a replica must know of the items; gold answers stay with the driver."""
    rows = [
        {
            "item_id": item.item_id,
            "mode": item.mode,
            "parts": json.dumps([[type(part).__name__, asdict(part)] for part in item.parts]),
            "question": item.question,
            "max_new_tokens": item.max_new_tokens,
        }
        for item in items
    ]
    return pa.Table.from_pylist(rows, schema=ITEM_ROWS)


def of_row(row: dict[str, Any]) -> Item:
    parts = tuple(_KINDS[name](**values) for name, values in json.loads(row["parts"]))
    return Item(
        row["item_id"],
        parts,
        (),
        mode=row["mode"],
        question=row["question"],
        max_new_tokens=row["max_new_tokens"],
    )
