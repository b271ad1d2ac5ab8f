"""The state: how many rows of results each asset has under each recipe, so that a night need not scan them.

A row is (asset, task, rows): 64-bit keys of an asset and of what is asked of it under a recipe, and by how many rows
that grew. Publishing adds a small file of what is new; what an asset has is the sum over all of them, and merging files
sums them up. The rows of the tables remain the truth: ``audit`` counts them and can write the state anew from them.

Costs some 6 bytes a row on disk. That two of a hundred million assets share a key has a probability of one in four
thousand; the later of such two may be taken for read, of which ``audit`` tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import DataFile
from folioscope.schemas.tables import SCHEMA_VERSION

STATE: Final = pa.schema(
    [
        pa.field("asset", pa.uint64(), nullable=False),
        pa.field("task", pa.uint64(), nullable=False),
        pa.field("rows", pa.int32(), nullable=False),
    ]
)
FILE_ROWS = 8 << 20
ROW_GROUP_ROWS = 1 << 18

# An asset's id is a SHA-256 and a recipe's is half of one: their first 64 bits are as good a key as any.
MACROS: Final = """
    CREATE OR REPLACE MACRO key64(id) AS coalesce(try_cast('0x' || left(id, 16) AS UBIGINT), md5_number_lower(id));
    CREATE OR REPLACE MACRO task_key(recipe_id, question_id) AS
        CASE WHEN question_id IS NULL THEN key64(recipe_id)
             ELSE md5_number_lower(recipe_id || chr(31) || question_id) END;
"""
# What the published tables hold, as rows of the state: (asset, task, rows).
COUNTED: Final = """
    SELECT key64(asset_id) AS asset, task_key(recipe_id, NULL) AS task, count(*)::INTEGER AS rows
    FROM published_segments GROUP BY ALL
    UNION ALL
    SELECT key64(asset_id), task_key(recipe_id, NULL), count(*)::INTEGER FROM published_summaries GROUP BY ALL
    UNION ALL
    SELECT key64(asset_id), task_key(recipe_id, question_id), count(*)::INTEGER FROM published_asked GROUP BY ALL
"""


class StreamOfRows(Protocol):
    """What a ledger can do: give a result of any size as tables of a few thousand rows."""

    def stream(self, sql: str, schema: pa.Schema) -> Iterator[pa.Table]: ...


def write_state(store: OutputStore, folder: str, prefix: str, batches: Iterable[pa.Table]) -> tuple[DataFile, ...]:
    """Write rows of STATE, sorted by asset, as files of bounded size."""
    files: list[DataFile] = []
    stream = (piece for table in batches for piece in _cut(table))
    pending = next(stream, None)
    while pending is not None:
        path = f"{folder}/{prefix}-{len(files):04d}.parquet"
        rows, first, last = 0, pending["asset"][0].as_py(), None
        with store.writer(path) as sink:
            with pq.ParquetWriter(sink, STATE, compression="zstd", use_dictionary=["task", "rows"]) as writer:
                while pending is not None and rows < FILE_ROWS:
                    writer.write_table(pending, row_group_size=ROW_GROUP_ROWS)
                    rows += pending.num_rows
                    last = pending["asset"][-1].as_py()
                    pending = next(stream, None)
            size = sink.tell()
        files.append(DataFile(path, rows, size, SCHEMA_VERSION, f"{first:020d}", f"{last:020d}"))
    return tuple(files)


def state_rows(ledger: StreamOfRows, sql: str) -> Iterator[pa.Table]:
    """The rows of a query as tables of STATE, sorted as its files are."""
    return ledger.stream(f"SELECT asset, task, rows FROM ({sql}) ORDER BY asset, task", STATE)


def _cut(table: pa.Table) -> Iterator[pa.Table]:
    table = table.select(STATE.names).cast(STATE)
    for start in range(0, table.num_rows, ROW_GROUP_ROWS):
        yield table.slice(start, ROW_GROUP_ROWS)


def state_view(db: duckdb.DuckDBPyConnection, paths: Sequence[str] | None) -> None:
    """Make ``state`` a view of these files: as many rows for an asset and task as files tell of it.

    An output from before there was a state (None) has its rows counted.
    """
    if paths is None:
        db.execute(f"CREATE OR REPLACE VIEW state AS {COUNTED}")
        return
    if not paths:
        db.execute("CREATE OR REPLACE VIEW state AS SELECT 0::UBIGINT AS asset, 0::UBIGINT AS task, 0 AS rows LIMIT 0")
        return
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    db.execute(f"CREATE OR REPLACE VIEW state AS SELECT * FROM read_parquet([{listed}])")
