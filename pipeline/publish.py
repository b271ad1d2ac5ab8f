"""Publish: committed unit files become few large sorted Parquet files, which a manifest then makes visible at once.

Segments stream through, one unit file in memory at a time; summaries and answers one document. Files of earlier runs
stay as they are until many small ones have gathered; those are then merged. The failures, assets and runs tables are
small and are written whole when they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.manifest import DataFile, Manifest
from pipeline.store import OutputStore
from pipeline.work import WorkArea
from schemas.migrations import migrate, stamp
from schemas.tables import SCHEMA_VERSION, SORT_KEYS, TABLES

FILE_BYTES = 256 << 20
ROW_GROUP_ROWS = 4096
ROW_GROUP_BYTES = 32 << 20
SMALL_FILE_BYTES = 32 << 20
MANY_SMALL_FILES = 8


class TableWriter:
    """Writes rows, given in sort order, as a sequence of Parquet files of bounded size with statistics."""

    def __init__(self, store: OutputStore, name: str, run_id: str) -> None:
        self._store = store
        self._name = name
        self._run_id = run_id
        self._number = 0
        self.files: list[DataFile] = []

    def write(self, tables: Iterable[pa.Table]) -> None:
        """Write all of ``tables``; nothing where they hold no rows."""
        groups = _row_groups(tables)
        group = next(groups, None)
        while group is not None:
            group = self._write_file(group, groups)

    def write_empty(self) -> None:
        """A file of no rows, so that a reader of the table finds its schema."""
        self._write_file(TABLES[self._name].empty_table(), iter(()))

    def _write_file(self, group: pa.Table, more: Iterator[pa.Table]) -> pa.Table | None:
        """Write one file from ``group`` on; the first row group that no longer fits it is returned."""
        path = f"{self._name}/{self._run_id}-{self._number:04d}.parquet"
        self._number += 1
        leading = SORT_KEYS[self._name][0]
        first = group[leading][0].as_py() if group.num_rows else None
        rows, held, pending = 0, 0, None
        with self._store.writer(path) as sink:
            with pq.ParquetWriter(sink, stamp(TABLES[self._name], self._name), compression="zstd") as writer:
                current: pa.Table | None = group
                while current is not None:
                    last = current[leading][-1].as_py() if current.num_rows else None
                    writer.write_table(current, row_group_size=ROW_GROUP_ROWS)
                    rows += current.num_rows
                    held += current.nbytes
                    current = next(more, None)
                    if current is not None and held > FILE_BYTES:
                        pending, current = current, None
            size = sink.tell()
        self.files.append(DataFile(path, rows, size, SCHEMA_VERSION, first, last))
        return pending


def _row_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of a row group's size: by rows, or by bytes where rows are large."""
    held: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        size += table.nbytes
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            yield pa.concat_tables(held).combine_chunks()
            held, rows, size = [], 0, 0
    if rows:
        yield pa.concat_tables(held).combine_chunks()


def publish_results(work: WorkArea, manifest: Manifest, run_id: str) -> Manifest:
    """Write what is committed as published files and return the manifest that lists them; it is not yet saved."""
    for name in ("segments", "summaries", "answers"):
        writer = TableWriter(work.store, name, run_id)
        writer.write(_committed(work, name))
        kept, merged = _split_small(manifest.tables[name], writer.files)
        if merged:
            compactor = TableWriter(work.store, name, f"{run_id}-merged")
            compactor.write([_merge(work.store, name, merged)])
            files = (*kept, *compactor.files)
        else:
            files = (*manifest.tables[name], *writer.files)
        if not files:
            writer.write_empty()
            files = tuple(writer.files)
        manifest = manifest.with_table(name, files)
    return manifest


def replace_table(store: OutputStore, manifest: Manifest, name: str, table: pa.Table, run_id: str) -> Manifest:
    """The manifest with a small table written anew as a whole."""
    keys = [(key, "ascending") for key in SORT_KEYS[name]]
    writer = TableWriter(store, name, run_id)
    writer.write([table.cast(TABLES[name]).sort_by(keys)])
    if not writer.files:
        writer.write_empty()
    return manifest.with_table(name, tuple(writer.files))


def read_published(store: OutputStore, manifest: Manifest, name: str) -> pa.Table:
    """A whole published table, brought to the present schema. For the small tables."""
    tables = [migrate(name, read_file(store, file.path)) for file in manifest.tables[name]]
    return pa.concat_tables([TABLES[name].empty_table(), *(table.cast(TABLES[name]) for table in tables)])


def _committed(work: WorkArea, name: str) -> Iterator[pa.Table]:
    paths = sorted(work.names(name), key=_asset_order)
    if name == "segments":  # the names already sort as the rows do
        yield from (_declared(name, table) for table in work.read(paths))
        return
    keys = [(key, "ascending") for key in SORT_KEYS[name]]
    for _, group in groupby(paths, key=lambda path: _asset_order(path)[0][:64]):
        yield pa.concat_tables([_declared(name, table) for table in work.read(group)]).sort_by(keys)


def _declared(name: str, table: pa.Table) -> pa.Table:
    """A unit's table in the declared schema; a cast that changes nothing takes as long as reading half its file."""
    return table if table.schema.equals(TABLES[name]) else table.cast(TABLES[name])


def _asset_order(path: str) -> tuple[str, str, str]:
    """(asset, recipe, pages) of a committed file's path, the order of the published rows."""
    *_, recipe, _, file_name = path.split("/")
    return file_name[:64], recipe, file_name[64:]


def _split_small(
    published: tuple[DataFile, ...], fresh: list[DataFile]
) -> tuple[tuple[DataFile, ...], tuple[DataFile, ...]]:
    """(kept, to be merged): small and outdated files are merged once there are many, outdated ones at once."""
    files = (*published, *fresh)
    outdated = [file for file in files if file.schema_version < SCHEMA_VERSION]
    small = [file for file in files if file.bytes < SMALL_FILE_BYTES]
    if len(small) <= MANY_SMALL_FILES and not outdated:
        return files, ()
    merged = tuple(file for file in files if file in small or file in outdated)
    return tuple(file for file in files if file not in merged), merged


def _merge(store: OutputStore, name: str, files: Iterable[DataFile]) -> pa.Table:
    tables = [migrate(name, read_file(store, file.path)).cast(TABLES[name]) for file in files]
    return pa.concat_tables(tables).sort_by([(key, "ascending") for key in SORT_KEYS[name]])


def read_file(store: OutputStore, path: str) -> pa.Table:
    """One published file, as it was written."""
    with store.filesystem.open(store.full(path), "rb") as stream:
        return pq.read_table(stream)
