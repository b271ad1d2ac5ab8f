"""The published tables as the views of ``views.sql``, in DuckDB, wherever the output lies.

Buckets are read through the store's own file system, so that no DuckDB extension has to be fetched. Opening costs some
40 ms, and a few requests for each table.
"""

from __future__ import annotations

from importlib import resources

import duckdb

from folioscope.pipeline.storage.store import OutputStore


def open_views(store: OutputStore) -> duckdb.DuckDBPyConnection:
    """A database with the views of what is published now; close it when done. There must be a manifest."""
    database = duckdb.connect()
    root = store.full("")
    if not store.is_local:
        # A file opened in Python serves one thread: DuckDB seeks and reads in two steps.
        database.execute("SET threads = 1")
        database.register_filesystem(store.filesystem)
        root = store.uri
    database.execute("SET VARIABLE output = $root", {"root": root})
    database.execute(resources.files("folioscope.schemas").joinpath("views.sql").read_text(encoding="utf-8"))
    return database
