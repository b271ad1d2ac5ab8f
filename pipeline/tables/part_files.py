"""Parquet files in the form that readers get: sorted, zstd, with statistics, in row groups of bounded size.

Actors write what one commit holds as one such file, so that publishing only has to list it; compaction and tables that
change as a whole go through ``TableWriter``. Costs some 3 ms a file and 20 µs a row of text; one row group is in memory
at a time.
"""

from __future__ import annotations

import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import REPLACED, DataFile
from folioscope.schemas.migrations import migrate, stamp, thumbnails_of
from folioscope.schemas.tables import SCHEMA_VERSION, SORT_KEYS, TABLES

FILE_BYTES = 256 << 20
ROW_GROUP_ROWS = 4096
ROW_GROUP_BYTES = 32 << 20
_COMPRESSION = "zstd"
# A question may have more answers than fit in memory, so files of answers are told apart by their assets, too.
RANGE_COLUMNS = {name: keys[:2] if name == "answers" else keys[:1] for name, keys in SORT_KEYS.items()}
JOINT = "\0"  # sorts before what an id may hold
HIGHEST = "\U0010ffff"  # sorts after any id


def sort_keys(name: str) -> list[tuple[str, str]]:
    return [(key, "ascending") for key in SORT_KEYS[name]]


def range_keys(name: str, table: pa.Table) -> pa.ChunkedArray:
    """Of each row the text by which files, row groups and merges are cut into ranges; it sorts as the rows do."""
    columns = [table[column] for column in RANGE_COLUMNS[name]]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, JOINT)


def _ends(name: str, table: pa.Table) -> tuple[str | None, str | None]:
    """The range keys of the first and the last of some sorted rows."""
    if not table.num_rows:
        return None, None
    first, last = (range_keys(name, table.slice(row, 1))[0].as_py() for row in (0, table.num_rows - 1))
    return first, last


def file_range(name: str, file: DataFile) -> tuple[str | None, str | None]:
    """The range of a file; (None, None) where it is of a version that sorted the table in another order."""
    known = len(RANGE_COLUMNS[name]) == 1 or (file.first is not None and JOINT in file.first)
    return (file.first, file.last) if known else (None, None)


def write_part(store: OutputStore, name: str, path: str, table: pa.Table) -> DataFile:
    """Write the rows of one commit as one file.

    Raises:
        OSError: the output cannot be written.
    """
    table = table.sort_by(sort_keys(name)).combine_chunks()
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, stamp(TABLES[name], name), compression=_COMPRESSION) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    data = sink.getvalue()
    store.write(path, data)
    return DataFile(path, table.num_rows, len(data), SCHEMA_VERSION, *_ends(name, table))


def sorted_pieces(name: str, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Rows given in any order as sorted tables, each with as many of them as make a file."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        held.append(table)
        size += table.nbytes
        if size > FILE_BYTES:
            yield pa.concat_tables(held).sort_by(sort_keys(name))
            held, size = [], 0
    if any(piece.num_rows for piece in held):
        yield pa.concat_tables(held).sort_by(sort_keys(name))


class TableWriter:
    """Writes rows, given in sort order, as a sequence of files of bounded size under ``folder``."""

    def __init__(self, store: OutputStore, name: str, folder: str, prefix: str) -> None:
        self._store = store
        self._name = name
        self._stem = f"{folder}/{prefix}"
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
        path = f"{self._stem}-{self._number:04d}.parquet"
        self._number += 1
        first, last = _ends(self._name, group)
        rows, held, pending = 0, 0, None
        with self._store.writer(path) as sink:
            with pq.ParquetWriter(sink, stamp(TABLES[self._name], self._name), compression=_COMPRESSION) as writer:
                current: pa.Table | None = group
                while current is not None:
                    last = _ends(self._name, current)[1]
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
    for table in _pieces(tables):
        held.append(table)
        rows += table.num_rows
        size += table.nbytes
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            yield pa.concat_tables(held).combine_chunks()
            held, rows, size = [], 0, 0
    if rows:
        yield pa.concat_tables(held).combine_chunks()


def _pieces(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Large tables cut to a row group's bytes, so that no array outgrows what its offsets can count."""
    for table in tables:
        rows = max(1, min(ROW_GROUP_ROWS, ROW_GROUP_BYTES * table.num_rows // max(1, table.nbytes)))
        for start in range(0, table.num_rows, rows):
            yield table.slice(start, rows)


@contextmanager
def open_file(store: OutputStore, path: str) -> Iterator[BinaryIO]:
    """A published or committed file as a stream that can be read by ranges, while the block lasts.

    One that was replaced since the manifest was read is found where it lies now. Raises FileNotFoundError where it is
    gone for good.
    """
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(store.open(path))
        except FileNotFoundError:
            moved = [name for name in store.names(REPLACED) if name.endswith(f"/{path}")]
            if not moved:
                raise
            stream = stack.enter_context(store.open(moved[-1]))
        yield stream


def row_groups(store: OutputStore, name: str, file: DataFile) -> Iterator[pa.Table]:
    """A file's rows in the present schema, one row group in memory at a time."""
    with open_file(store, file.path) as stream:
        reader = pq.ParquetFile(stream)
        for number in range(reader.num_row_groups):
            yield migrate(name, reader.read_row_group(number)).cast(TABLES[name])


def thumbnails_held(store: OutputStore, file: DataFile) -> Iterator[pa.Table]:
    """The rows of ``thumbnails`` in a file of segments of an older version, one row group in memory at a time."""
    with open_file(store, file.path) as stream:
        reader = pq.ParquetFile(stream)
        names = [name for name in (*TABLES["thumbnails"].names, "thumbnail") if name in reader.schema_arrow.names]
        if "thumbnail" in names:
            yield from (thumbnails_of(reader.read_row_group(n, names)) for n in range(reader.num_row_groups))


def row_group_ranges(store: OutputStore, name: str, file: DataFile) -> list[tuple[int | None, str | None, str | None]]:
    """(number, first, last) of a file's row groups by their range keys, from its footer.

    A small file is told as a whole (number None): its footer is not worth a request. A range may be told wider than
    it is, and as (None, None) where it is not known.
    """
    if not file.rows:
        return []
    if file.rows <= ROW_GROUP_ROWS and file.bytes < ROW_GROUP_BYTES // 8:
        return [(None, *file_range(name, file))]
    with open_file(store, file.path) as stream:
        footer = pq.ParquetFile(stream).metadata
    sorted_so = file_range(name, file) != (None, None)
    return [
        (number, *(_group_range(name, footer.row_group(number)) if sorted_so else (None, None)))
        for number in range(footer.num_row_groups)
    ]


def _group_range(name: str, group: pq.RowGroupMetaData) -> tuple[str | None, str | None]:
    chunks = {chunk.path_in_schema: chunk for chunk in map(group.column, range(group.num_columns))}
    found = [chunks[column].statistics for column in RANGE_COLUMNS[name]]
    if any(statistics is None or not statistics.has_min_max for statistics in found):
        return None, None
    leading = found[0]
    if len(found) == 1:
        return leading.min, leading.max
    if leading.min == leading.max:
        return JOINT.join((leading.min, found[1].min)), JOINT.join((leading.max, found[1].max))
    return leading.min + JOINT, leading.max + JOINT + HIGHEST


def keys_between(ordered: Sequence[str], first: str | None, last: str | None) -> Sequence[str]:
    """Those of some sorted keys that lie in a range; all of them where it is not known."""
    if first is None or last is None:
        return ordered
    return ordered[bisect_left(ordered, first) : bisect_right(ordered, last)]


def read_groups(store: OutputStore, path: str, numbers: Sequence[int | None] | None, columns: list[str]) -> pa.Table:
    """Columns of some row groups of a file, as they were written; of all where ``numbers`` is None or holds None."""
    with open_file(store, path) as stream:
        reader = pq.ParquetFile(stream)
        some = None if numbers is None or None in numbers else [number for number in numbers if number is not None]
        chosen = list(range(reader.num_row_groups)) if some is None else some
        return reader.read_row_groups(chosen, columns, use_threads=False)


def read_table(store: OutputStore, name: str, files: Iterable[DataFile]) -> pa.Table:
    """Whole files as one table of the present schema. For tables that are small."""
    found = [group for file in files for group in row_groups(store, name, file)]
    return pa.concat_tables([TABLES[name].empty_table(), *found])
