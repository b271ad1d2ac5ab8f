"""Single pages and shots of the published tables, by their keys, reading only the files and row groups that hold them.

The files' ranges in the manifest tell which may hold a key, so that in a bucket a page costs a few range requests
however large the archive is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import Manifest
from folioscope.pipeline.tables.part_files import open_file

Key = tuple[str, str, int]
"""(asset_id, recipe_id, segment)."""
Row = dict[str, Any]


def read_segments(
    store: OutputStore,
    manifest: Manifest,
    keys: Iterable[Key],
    columns: Sequence[str],
    table: Literal["segments", "thumbnails"] = "segments",
) -> dict[Key, Row]:
    """The rows of these keys, as far as they are there, or those of their small pictures."""
    wanted = set(keys)
    found: dict[Key, Row] = {}
    if not wanted:
        return found
    wanted_columns = list(dict.fromkeys(["asset_id", "recipe_id", "segment", *columns]))
    for file in manifest.tables[table]:
        ids = sorted({key[0] for key in wanted if file.first is None or file.may_hold(key[0])})
        if not ids or wanted <= found.keys():
            continue
        with open_file(store, file.path) as stream:
            parquet = pq.ParquetFile(stream)
            groups = [number for number in range(parquet.num_row_groups) if _may_hold(parquet, number, ids)]
            for number in groups:
                places = _places(parquet.read_row_group(number, columns=wanted_columns[:3]), wanted)
                if len(places):
                    rows = parquet.read_row_group(number, columns=wanted_columns).take(places)
                    found |= {(row["asset_id"], row["recipe_id"], row["segment"]): row for row in rows.to_pylist()}
    return found


def _may_hold(parquet: pq.ParquetFile, group: int, ids: Sequence[str]) -> bool:
    column = parquet.metadata.row_group(group).column(parquet.schema_arrow.get_field_index("asset_id"))
    statistics = column.statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return any(statistics.min <= asset_id <= statistics.max for asset_id in ids)


def _places(keys: pa.Table, wanted: set[Key]) -> pa.Array:
    likely = pc.is_in(keys["asset_id"], value_set=pa.array(sorted({key[0] for key in wanted})))
    places = pc.indices_nonzero(likely)
    rows = keys.take(places).to_pylist()
    held = [
        place.as_py()
        for place, row in zip(places, rows, strict=True)
        if (row["asset_id"], row["recipe_id"], row["segment"]) in wanted
    ]
    return pa.array(held, pa.int64())
