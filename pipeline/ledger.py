"""The ledger: what is done, derived from the committed rows themselves, so that no second record can drift from them.

A query joins what is published with what is committed and not yet published. Reads the columns that it asks for alone,
one published file at a time; memory grows with the number of assets, not of pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
from fsspec.implementations.dirfs import DirFileSystem

from pipeline.manifest import Manifest
from pipeline.retry import set_aside
from pipeline.work import WorkArea
from schemas.migrations import schema_at
from schemas.tables import SCHEMA_VERSION, TABLES

_ANSWER_KEY = ["asset_id", "question_id", "recipe_id"]
_FAILURE_KEY = ["uri", "asset_id", "stage", "segment", "question_id", "recipe_id", "reason"]


class Ledger:
    """Set questions about one output, asked in SQL. Holds a private in-memory database; close it when done."""

    def __init__(self, manifest: Manifest, work: WorkArea, retry: Sequence[str] = ()) -> None:
        """Failures of the reasons in ``retry`` count as not yet tried, until the ledger advances."""
        self.db = duckdb.connect()
        store = work.store
        native = store.is_local and not set("*?[") & set(store.full(""))  # DuckDB takes those for a glob
        # A file opened in Python serves one thread: DuckDB seeks and reads in two steps.
        self.db.execute(f"SET threads = {2 if native else 1}; SET enable_external_file_cache = false")
        self._root = store.full("") + "/" if native else "dir://"
        self.db.register_filesystem(DirFileSystem(store.full(""), store.filesystem))
        self.advance(manifest, work)
        set_aside(self, retry)

    def close(self) -> None:
        self.db.close()

    def _view(self, name: str, view: str) -> None:
        """A view of one published table's columns that hold no structs.

        DuckDB reads the files itself, in a bucket through the store's file system. (Scanning them by Arrow, with a file
        system written in Python below it, locks up now and then: each waits for the other with the GIL held.)
        """
        self.db.register(f"no_{name}", TABLES[name].empty_table().select(_plain_columns(name, SCHEMA_VERSION)))
        parts = [f"SELECT * FROM no_{name}"]
        files = self.manifest.tables[name]
        for version in sorted({file.schema_version for file in files}):
            paths = ", ".join(_literal(f"{self._root}{file.path}") for file in files if file.schema_version == version)
            columns = ", ".join(f'"{column}"' for column in _plain_columns(name, version))
            parts.append(f"SELECT {columns} FROM read_parquet([{paths}])")
        self.db.execute(f"CREATE OR REPLACE VIEW {view} AS {' UNION ALL BY NAME '.join(parts)}")

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
            self._view(name, "recorded_failures" if name == "failures" else f"published_{name}")
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


def _plain_columns(name: str, version: int) -> list[str]:
    schema = schema_at(name, max(1, version))
    return [field.name for field in schema if not _holds_struct(field.type)]


def _holds_struct(kind: pa.DataType) -> bool:
    return _holds_struct(kind.value_type) if pa.types.is_list(kind) else pa.types.is_struct(kind)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _concat(tables: list[pa.Table], schema: pa.Schema, columns: list[str]) -> pa.Table:
    empty = schema.empty_table().select(columns)
    return pa.concat_tables([empty, *(table.cast(empty.schema) for table in tables)])
