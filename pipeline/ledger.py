"""The ledger: what is done, derived from the committed rows themselves, so that no second record can drift from them.

A query joins what is published with what is committed and not yet published. Reads key columns alone, one published
file at a time; memory grows with the number of assets, not of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as pads
from pyarrow.fs import FSSpecHandler, PyFileSystem

from pipeline.manifest import Manifest
from pipeline.retry import set_aside
from pipeline.work import WorkArea
from schemas.tables import TABLES

_ANSWER_KEY = ["asset_id", "question_id", "recipe_id"]
_FAILURE_KEY = ["uri", "asset_id", "stage", "segment", "question_id", "recipe_id", "reason"]


class Ledger:
    """Set questions about one output, asked in SQL. Holds a private in-memory database; close it when done."""

    def __init__(self, manifest: Manifest, work: WorkArea, retry: Sequence[str] = ()) -> None:
        """Failures of the reasons in ``retry`` count as not yet tried, until the ledger advances."""
        self.db = duckdb.connect()
        self.db.execute("SET threads = 2")
        self.advance(manifest, work)
        set_aside(self, retry)

    def close(self) -> None:
        self.db.close()

    def _dataset(self, name: str) -> pads.Dataset | pa.Table:
        files = self.manifest.tables[name]
        if not files:
            return TABLES[name].empty_table()
        filesystem = PyFileSystem(FSSpecHandler(self.work.store.filesystem))
        paths = [self.work.store.full(file.path) for file in files]
        return pads.dataset(paths, schema=TABLES[name], format="parquet", filesystem=filesystem)

    def refresh(self) -> None:
        """Take in what has been committed since."""
        units = list(self.work.units())
        self.db.register(
            "work_units",
            pa.table(
                {
                    "asset_id": pa.array([unit.asset_id for unit in units], pa.string()),
                    "recipe_id": pa.array([unit.recipe_id for unit in units], pa.string()),
                    "first": pa.array([unit.first for unit in units], pa.int64()),
                    "last": pa.array([unit.last for unit in units], pa.int64()),
                }
            ),
        )
        summaries = list(self.work.summaries())
        self.db.register(
            "work_summaries",
            pa.table(
                {
                    "asset_id": pa.array([asset for asset, _ in summaries], pa.string()),
                    "recipe_id": pa.array([recipe for _, recipe in summaries], pa.string()),
                }
            ),
        )
        for part, columns in (("answers", _ANSWER_KEY), ("failures", _FAILURE_KEY)):
            tables = [table.select(columns) for table in self.work.read(self.work.names(part))]
            self.db.register(f"work_{part}", _concat(tables, TABLES[part], columns))

    def advance(self, manifest: Manifest, work: WorkArea) -> None:
        """Look at another state of the output; what the plan registered stays."""
        self.manifest, self.work = manifest, work
        for name in TABLES:
            prefix = "recorded" if name == "failures" else "published"
            self.db.register(f"{prefix}_{name}", self._dataset(name))
        self.refresh()
        set_aside(self, ())

    def settled_counts(self, recipe_id: str) -> pa.Table:
        """(asset_id, pages): how many of each asset's pages this recipe has read or given up."""
        return self.query(
            """
            SELECT asset_id, sum(pages)::BIGINT AS pages FROM (
                SELECT asset_id, count(*) AS pages FROM published_segments WHERE recipe_id = $1 GROUP BY asset_id
                UNION ALL
                SELECT asset_id, count(*) FROM published_failures
                WHERE recipe_id = $1 AND stage IN ('decode', 'read') GROUP BY asset_id
                UNION ALL
                SELECT asset_id, sum("last" - "first" + 1) FROM work_units WHERE recipe_id = $1 GROUP BY asset_id
            ) GROUP BY asset_id
            """,
            [recipe_id],
        )

    def settled_pages(self, recipe_id: str, asset_ids: Sequence[str]) -> dict[str, set[int]]:
        """The pages of these assets that the recipe has read or given up."""
        self.db.register("wanted", pa.table({"asset_id": pa.array(asset_ids, pa.string())}))
        rows = self.query(
            """
            SELECT asset_id, segment FROM published_segments SEMI JOIN wanted USING (asset_id) WHERE recipe_id = $1
            UNION ALL
            SELECT asset_id, segment FROM published_failures SEMI JOIN wanted USING (asset_id)
            WHERE recipe_id = $1 AND stage IN ('decode', 'read')
            UNION ALL
            SELECT asset_id, unnest(range("first", "last" + 1)) FROM work_units SEMI JOIN wanted USING (asset_id)
            WHERE recipe_id = $1
            """,
            [recipe_id],
        )
        settled: dict[str, set[int]] = {}
        for asset_id, page in zip(rows["asset_id"].to_pylist(), rows["segment"].to_pylist(), strict=True):
            settled.setdefault(asset_id, set()).add(page)
        return settled

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        return self.db.sql(sql, params=list(parameters)).to_arrow_table()


def _concat(tables: list[pa.Table], schema: pa.Schema, columns: list[str]) -> pa.Table:
    empty = schema.empty_table().select(columns)
    return pa.concat_tables([empty, *(table.cast(empty.schema) for table in tables)])
