"""A listing on its way to disk: parts of it run side by side, each writes a Parquet file, and one pass makes the rest.

The pass drops paths that overlapping inputs gave twice, says which files this run reads, and counts. Memory is that of
the batches in flight and of DuckDB's limit, however many files there are; the disk holds about 60 bytes a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from folioscope.pipeline.storage.inputs import Coverage, coverage, is_inventory, is_list
from folioscope.pipeline.storage.source_file import FailedInput
from folioscope.pipeline.storage.sources import Part, plan_listing
from folioscope.pipeline.storage.uris import canonical, kind_of_name, redact, suffix_of
from folioscope.schemas.tables import ASSETS

PARTS_AT_ONCE = 8  # more would wait for each other: parsing answers takes a core
ROWS_A_BATCH = 2_000
MEMORY_LIMIT = "512MB"
TYPES_TOLD = 10
RESULT = "listed.parquet"

LISTED = pa.schema(
    [
        ASSETS.field("uri"),
        ASSETS.field("etag"),
        ASSETS.field("size"),
        ASSETS.field("modified_at"),
        pa.field("named_kind", pa.string()),
        pa.field("skipped", pa.bool_(), nullable=False),
    ]
)
# Of a file on its way: what ``skipped`` is made from, and where it stands in the listing.
_FOUND = pa.schema(
    [
        *list(LISTED)[:-1],
        pa.field("suffix", pa.string(), nullable=False),
        pa.field("named_alone", pa.bool_(), nullable=False),
        pa.field("input", pa.int32(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class ListingFacts:
    """What a listing found, for whoever explains a run that has little or nothing to do."""

    files: int
    readable: int
    skipped_types: tuple[tuple[str, int], ...]
    """(ending, how many) of the files that this run does not read, the most frequent first; "" is no ending."""
    empty_inputs: tuple[str, ...]
    """Inputs that were listed and hold no file."""
    output_is_input: bool

    @property
    def nothing_to_read(self) -> bool:
        return self.readable == 0


@dataclass(frozen=True, slots=True)
class ListedFiles:
    """A listing on this machine's disk: a Parquet file of LISTED, what failed, and what it covers."""

    path: Path
    failed: tuple[FailedInput, ...]
    coverage: Coverage
    facts: ListingFacts


@dataclass
class _Gathered:
    failed: list[FailedInput] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)  # by input

    def add(self, number: int, found: tuple[int, list[FailedInput]]) -> None:
        count, failed = found
        self.counts[number] = self.counts.get(number, 0) + count
        self.failed += failed


def list_to_disk(
    inputs: Sequence[str], output: str, folder: Path, kinds: Sequence[str], limit: int | None = None
) -> ListedFiles:
    """List every input into ``folder``. Files of other kinds, and readable ones beyond ``limit``, are marked skipped.

    A file that an input names by itself is read whatever it is called. What lies under ``output`` is left out.
    """
    gathered = _Gathered()
    with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="listing") as pool:
        running: dict[Future[tuple[int, list[FailedInput]]], int] = {}
        for number, part in enumerate(plan_listing(inputs, (output,))):
            path = folder / f"part-{number:09d}.parquet"
            running[pool.submit(_write_part, part, path)] = part.number
            while len(running) >= 2 * PARTS_AT_ONCE:
                _collect(running, gathered)
        while running:
            _collect(running, gathered)
    failed = tuple(sorted(gathered.failed, key=lambda item: item.uri))
    result = folder / RESULT
    several = len(inputs) > 1 or any(is_list(uri) or is_inventory(uri) for uri in inputs)
    facts = _finish(folder, result, kinds, limit, several=several)
    broken = {item.uri for item in failed}
    empty = tuple(
        redact(uri)
        for number, uri in enumerate(inputs)
        if not gathered.counts.get(number) and redact(uri) not in broken
    )
    same = canonical(output) in set(map(canonical, inputs))
    told = ListingFacts(*facts, empty_inputs=empty, output_is_input=same)
    return ListedFiles(result, failed, coverage(inputs, failed, (output,)), told)


def _collect(running: dict[Future[tuple[int, list[FailedInput]]], int], gathered: _Gathered) -> None:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        gathered.add(running.pop(future), future.result())


def _write_part(part: Part, path: Path) -> tuple[int, list[FailedInput]]:
    """Write one part's files; (how many, what failed). No file where there are none."""
    failed: list[FailedInput] = []
    rows: list[tuple[Any, ...]] = []
    count = 0
    writer: pq.ParquetWriter | None = None
    try:
        for found in part.work():
            if isinstance(found, FailedInput):
                failed.append(found)
                continue
            uri = found.uri
            kind = kind_of_name(uri)
            rows.append(
                (uri, found.etag, found.size, found.modified_at, kind, suffix_of(uri), uri in part.named, part.number)
            )
            count += 1
            if len(rows) == ROWS_A_BATCH:
                writer = _write(rows, writer, path)
        if rows:
            writer = _write(rows, writer, path)
    finally:
        if writer is not None:
            writer.close()
    return count, failed


def _write(rows: list[tuple[Any, ...]], writer: pq.ParquetWriter | None, path: Path) -> pq.ParquetWriter:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, item.type) for column, item in zip(columns, _FOUND, strict=True)]
    rows.clear()
    writer = writer or pq.ParquetWriter(path, _FOUND, compression="zstd", write_statistics=False)
    writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=_FOUND))
    return writer


def _finish(
    folder: Path, result: Path, kinds: Sequence[str], limit: int | None, *, several: bool
) -> tuple[int, int, tuple[tuple[str, int], ...]]:
    """Make LISTED from the parts; (files, files that are read, endings of the others)."""
    parts = sorted(str(path) for path in folder.glob("part-*.parquet"))
    if not parts:
        pq.write_table(LISTED.empty_table(), result)
        return 0, 0, ()
    with duckdb.connect() as database:
        database.execute(f"SET memory_limit = '{MEMORY_LIMIT}'; SET temp_directory = '{_quoted(folder / 'spill')}'")
        database.execute("SET preserve_insertion_order = true; SET TimeZone = 'UTC'")
        files = ", ".join(f"'{_quoted(path)}'" for path in parts)
        once = "QUALIFY row_number() OVER (PARTITION BY uri ORDER BY filename, file_row_number) = 1" if several else ""
        named = "bool_or(named_alone) OVER (PARTITION BY uri) AS named_alone"  # by whichever input
        columns = f"* REPLACE ({named})" if several else "*"
        wanted = "(named_kind IS NOT NULL AND list_contains($kinds, named_kind) OR named_kind IS NULL AND named_alone)"
        counted = f"{wanted} AND named_kind IS DISTINCT FROM 'subtitles'"
        beyond = (
            f"count(*) FILTER ({counted}) OVER (ORDER BY filename, file_row_number) > {limit}" if limit else "false"
        )
        ordered = "ORDER BY filename, file_row_number" if several or limit else ""
        database.execute(
            f"""
            COPY (
                WITH found AS (
                    SELECT {columns} FROM read_parquet([{files}], filename = true, file_row_number = true) {once}
                )
                SELECT uri, etag, size, modified_at, named_kind, NOT {wanted} OR {beyond} AS skipped, suffix
                FROM found {ordered}
            ) TO '{_quoted(result)}' (FORMAT parquet, COMPRESSION zstd)
            """,
            {"kinds": list(kinds)},
        )
        total, readable = database.execute(
            f"SELECT count(*), count(*) FILTER (NOT skipped) FROM read_parquet('{_quoted(result)}')"
        ).fetchall()[0]
        types = database.execute(
            f"""
            SELECT suffix, count(*) AS n FROM read_parquet('{_quoted(result)}')
            WHERE skipped AND (named_kind IS NULL OR NOT list_contains($kinds, named_kind))
            GROUP BY suffix ORDER BY n DESC, suffix LIMIT {TYPES_TOLD}
            """,
            {"kinds": list(kinds)},
        ).fetchall()
    for path in parts:
        Path(path).unlink()
    return total, readable, tuple((str(suffix), int(count)) for suffix, count in types)


def _quoted(path: Path | str) -> str:
    return str(path).replace("'", "''")


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The listed files, a batch at a time."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(columns=LISTED.names)
