"""Compaction: many small files of a table become few large ones, so that a lookup by key touches few files.

A table's files form sorted runs, each a sequence of files whose ranges do not overlap. Runs of like size are merged
once there are more than eight of them, so that a row is written anew once for each eightfold growth of its table: bytes
rewritten a night stay a constant share of what is new. Small files are merged once there are many, whatever runs they
form. A merge is cut into ranges of the leading key, each a task of its own that holds one range's rows in memory.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import DataFile
from folioscope.pipeline.tables.part_files import (
    TableWriter,
    file_range,
    open_file,
    range_keys,
    row_group_ranges,
    sort_keys,
)
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.state import state_rows
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.migrations import migrate
from folioscope.schemas.tables import SORT_KEYS, TABLES

FANOUT = 8
SMALLEST_RUN_BYTES = 32 << 20
SMALL_FILE_BYTES = 8 << 20
MANY_SMALL_FILES = 8
RANGE_BYTES = 64 << 20  # compressed: a range's rows take some five times as much in memory

T = TypeVar("T")
Job = Callable[[], list[DataFile]]
RunJobs = Callable[[Sequence[Job]], Iterable[list[DataFile]]]


def one_by_one(jobs: Sequence[Callable[[], T]]) -> Iterator[T]:
    """What jobs give, each done here."""
    for job in jobs:
        yield job()


def compact(work: WorkArea, publication: Publication, run_id: str, run_jobs: RunJobs = one_by_one) -> None:
    """Merge what has gathered in the tables that are to be published."""
    for name in TABLES:
        files = files_to_merge(publication.files(name))
        if not files:
            continue
        ranges = key_ranges(work.store, name, files)
        jobs: list[Job] = [
            partial(merge_range, work, name, files, piece, f"{run_id}-merged-{work.generation}-{number}")
            for number, piece in enumerate(ranges)
        ]
        merged = [file for found in run_jobs(jobs) for file in found]
        publication.drop(name, files)
        for file in merged:
            publication.take(name, file)


def compact_state(ledger: Ledger, publication: Publication) -> None:
    """Sum up files of the state as files of tables are merged. Sorting them may spill to this machine's disk."""
    files = files_to_merge(publication.state_files())
    if not files:
        return
    paths = ", ".join("'" + path.replace("'", "''") + "'" for path in ledger.places(files).values())
    summed = f"""
        SELECT asset, task, sum(rows)::INTEGER AS rows FROM read_parquet([{paths}])
        GROUP BY ALL HAVING sum(rows) <> 0
    """
    publication.grow_state(state_rows(ledger, summed), replacing=files)


def sorted_runs(files: Iterable[DataFile]) -> list[list[DataFile]]:
    """The files in as few sequences as can be, each of which one after the other is sorted."""
    runs: list[list[DataFile]] = []
    ends: list[tuple[str, int]] = []  # of each run the last key, the least first
    for file in sorted((file for file in files if file.rows), key=lambda file: file.first or ""):
        if ends and ends[0][0] < (file.first or ""):
            _, number = heapq.heapreplace(ends, (file.last or "", ends[0][1]))
            runs[number].append(file)
        else:
            heapq.heappush(ends, (file.last or "", len(runs)))
            runs.append([file])
    return runs


def files_to_merge(files: Iterable[DataFile]) -> list[DataFile]:
    """Those of a table's files that are to become one sorted run; [] where it has few, and few runs of each size."""
    files = [file for file in files if file.rows]
    by_size: defaultdict[int, list[list[DataFile]]] = defaultdict(list)
    for run in sorted_runs(files):
        size = sum(file.bytes for file in run)
        by_size[max(0, math.ceil(math.log(max(1, size) / SMALLEST_RUN_BYTES, FANOUT)))].append(run)
    merged: list[DataFile] = []
    for size in sorted(by_size):
        # What is merged at one size may fill up the next.
        if len(by_size[size]) + bool(merged) > FANOUT:
            merged += [file for run in by_size[size] for file in run]
        elif merged:
            break
    small = [file for file in files if file.bytes < SMALL_FILE_BYTES]
    if len(small) > MANY_SMALL_FILES:
        chosen = {file.path for file in merged}
        merged += [file for file in small if file.path not in chosen]
    return merged


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Keys from ``first`` (included) to ``end`` (excluded); None is without bound."""

    first: str | None
    end: str | None

    def meets(self, first: str | None, last: str | None) -> bool:
        return (self.end is None or first is None or first < self.end) and (
            self.first is None or last is None or last >= self.first
        )

    def of(self, name: str, table: pa.Table) -> pa.Table:
        """The rows of a table that lie in the range."""
        if self.first is None and self.end is None:
            return table
        keys = range_keys(name, table)
        inside = [
            *([] if self.first is None else [pc.greater_equal(keys, self.first)]),
            *([] if self.end is None else [pc.less(keys, self.end)]),
        ]
        return table.filter(reduce(pc.and_, inside))


def key_ranges(store: OutputStore, name: str, files: Sequence[DataFile]) -> list[KeyRange]:
    """Ranges that hold about RANGE_BYTES each, from where the files' row groups begin."""
    starts: list[tuple[str, float]] = []
    for file in files:
        groups = row_group_ranges(store, name, file)
        starts += [(first or "", file.bytes / len(groups)) for _, first, _ in groups]
    bounds: list[str] = []
    held = 0.0
    for first, size in sorted(starts):
        if held >= RANGE_BYTES and first > (bounds[-1] if bounds else ""):
            bounds.append(first)
            held = 0.0
        held += size
    return [KeyRange(first, end) for first, end in zip([None, *bounds], [*bounds, None], strict=True)]


def merge_range(work: WorkArea, name: str, files: Sequence[DataFile], piece: KeyRange, prefix: str) -> list[DataFile]:
    """The rows of one range of several files, sorted, as files in the work area. Holds them in memory."""
    found: list[pa.Table] = [TABLES[name].empty_table()]
    for file in files:
        if not piece.meets(*file_range(name, file)):
            continue
        groups = [number for number, *ends in row_group_ranges(work.store, name, file) if piece.meets(*ends)]
        with open_file(work.store, file.path) as stream:
            reader = pq.ParquetFile(stream)
            wanted = range(reader.num_row_groups) if None in groups else [n for n in groups if n is not None]
            for number in wanted:
                group = piece.of(name, migrate(name, reader.read_row_group(number)))
                found.append(group.cast(TABLES[name]))
    writer = TableWriter(work.store, name, f"{work.root}/new/{name}", prefix)
    writer.write(_sorted(name, pa.concat_tables(found)))
    return writer.files


def _sorted(name: str, table: pa.Table) -> Iterator[pa.Table]:
    """The rows in order, a few at a time: large values are copied once, and no array grows beyond its offsets."""
    order = pc.sort_indices(table.select(list(SORT_KEYS[name])), sort_keys=sort_keys(name))
    step = 1024
    for start in range(0, len(order), step):
        yield table.take(order.slice(start, step))
