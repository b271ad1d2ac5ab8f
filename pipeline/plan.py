"""Planning: from the listing and the ledger to exactly the work that is missing.

All of it is set logic over Arrow tables in the ledger's database: a file is looked into only where its path and etag
are new; a page is read only where no committed row or failure has its key. Cost is linear in the files listed, about
two kilobytes of memory each at its peak (``benchmarks/planning.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.config import RunConfig
from pipeline.failures import LOOKED_AT_AGAIN, Reason
from pipeline.ledger import Ledger
from pipeline.rows import failure_row
from pipeline.sources import UnlistedInput, kind_of_name, list_sources, redact
from pipeline.work import PageUnit, WorkArea
from schemas.tables import ASSETS

_CHUNK = 10_000

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
UNITS = pa.schema(
    [
        ("uri", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("asset_id", pa.string()),
        ("kind", pa.string()),
        ("segment_count", pa.int32()),
        ("first", pa.int32()),
        ("last", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Listing:
    """The files under the inputs, and the inputs that could not be listed.

    ``complete_inputs`` are those listed to the end: only under them does a missing file mean a deleted one.
    """

    files: pa.Table
    unlisted: tuple[UnlistedInput, ...]
    complete_inputs: tuple[str, ...]


def list_files(config: RunConfig) -> Listing:
    """List every input. Files of other kinds, and files beyond ``limit``, are marked as skipped."""
    chunks: list[pa.RecordBatch] = []
    unlisted: list[UnlistedInput] = []
    columns = _Columns()
    readable = 0
    for found in list_sources(config.inputs, exclude=(config.output,)):
        if isinstance(found, UnlistedInput):
            unlisted.append(found)
            continue
        kind = kind_of_name(found.uri)
        wanted = kind in config.kinds or (kind is None and found.uri in config.inputs)
        readable += wanted
        skipped = not wanted or (config.limit is not None and readable > config.limit)
        columns.add((found.uri, found.etag, found.size, found.modified_at, kind, skipped))
        if len(columns) == _CHUNK:
            chunks.append(columns.take())
    chunks.append(columns.take())
    broken = {item.uri for item in unlisted}
    complete = tuple(item for item in config.inputs if redact(item) not in broken)
    return Listing(pa.Table.from_batches(chunks, schema=LISTED), tuple(unlisted), complete)


class _Columns:
    """Rows of LISTED on their way into a batch: plain tuples, turned once."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self.add = self._rows.append

    def __len__(self) -> int:
        return len(self._rows)

    def take(self) -> pa.RecordBatch:
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in LISTED)
        batch = pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, LISTED, strict=True)], schema=LISTED
        )
        self._rows.clear()
        return batch


def forget_passing_failures(work: WorkArea) -> None:
    """Take back what an unfinished run gave up for a reason that may pass: its death may have been the reason."""
    for name, table in zip(names := work.names("failures"), work.read(names), strict=True):
        if any(table["retryable"].to_pylist()):
            settled = name.replace("/failures/read/", "/segments/").replace("/failures/plan/", "/identify/")
            work.store.delete([settled, name])


def files_to_identify(
    ledger: Ledger, listing: Listing, *, passwords_given: bool, retry: Sequence[str] = (), newest_first: bool = False
) -> pa.Table:
    """(uri, etag, size, modified_at) of listed files whose bytes must be looked into.

    New and changed ones; ones that failed for a reason that may be gone, or for one of ``retry``; locked ones, once
    there are passwords to try.
    """
    again = sorted({*LOOKED_AT_AGAIN, *retry, *((Reason.PASSWORD_REQUIRED,) if passwords_given else ())})
    ledger.db.register("listed", listing.files)
    ledger.db.register("unlisted", pa.table({"uri": pa.array([item.uri for item in listing.unlisted], pa.string())}))
    ledger.db.register("identified", identified_files(ledger.work))
    return ledger.query(
        f"""
        SELECT uri, etag, size, modified_at FROM listed
        WHERE NOT skipped
          AND NOT EXISTS (
            SELECT 1 FROM published_assets AS known
            WHERE known.uri = listed.uri AND known.etag = listed.etag
              AND known.status NOT IN ('deleted', 'skipped')
              AND NOT (known.status = 'pending' AND known.asset_id IS NULL)
              AND NOT (known.status = 'failed' AND known.asset_id IS NULL AND list_contains($1, known.reason)))
          AND NOT EXISTS (
            SELECT 1 FROM identified WHERE identified.uri = listed.uri AND identified.etag = listed.etag)
        {"ORDER BY modified_at DESC NULLS LAST, uri" if newest_first else ""}
        """,
        [[str(reason) for reason in again]],
    )


def identified_files(work: WorkArea) -> pa.Table:
    """Rows of ``assets`` committed by the identify stage and not yet published."""
    return pa.concat_tables(
        [ASSETS.empty_table(), *(table.cast(ASSETS) for table in work.read(work.names("identify")))]
    )


def resolve_files(ledger: Ledger, kinds: tuple[str, ...]) -> None:
    """Register ``files``: every listed file with its identity, from this run's look or the last published one.

    ``ledger`` holds ``shots`` and ``uncut``. ``segment_count`` is that of pages or shots; null for a film not yet cut.
    """
    ledger.db.register("looked_into", identified_files(ledger.work))
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE files AS
        WITH known AS (
            SELECT * FROM looked_into
            UNION ALL BY NAME
            SELECT * FROM published_assets
            WHERE status NOT IN ('deleted', 'skipped') AND (asset_id IS NOT NULL OR status = 'failed')
              AND uri NOT IN (SELECT uri FROM looked_into)
        )
        SELECT listed.uri, listed.etag, listed.size, listed.modified_at, listed.skipped, listed.named_kind,
               known.* EXCLUDE (uri, etag, size, modified_at, status, reason, shot_count, run_id, first_seen_at,
                                read_recipe_id, summary_recipe_id, answer_recipe_ids), shots.shot_count,
               coalesce(known.page_count, shots.shot_count) AS segment_count,
               CASE WHEN uncut.asset_id IS NOT NULL THEN uncut.reason
                    WHEN known.asset_id IS NULL THEN known.reason
                    WHEN NOT list_contains($1, known.kind) THEN 'type_mismatch' END AS unreadable
        FROM listed LEFT JOIN known ON known.uri = listed.uri AND known.etag = listed.etag
        LEFT JOIN shots ON shots.asset_id = known.asset_id
        LEFT JOIN uncut ON uncut.asset_id = known.asset_id
        """,
        [list(kinds)],
    )
    # The same bytes under several paths are one document: it is read where it was first listed.
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE documents AS
        SELECT asset_id, min(uri) AS uri, arg_min(etag, uri) AS etag, arg_min(size, uri) AS size,
               any_value(kind) AS kind, any_value(segment_count) AS segment_count,
               any_value(duration_s) AS duration_s, arg_min(title, uri) AS title, list(uri ORDER BY uri) AS uris,
               max(modified_at) AS modified_at
        FROM files WHERE NOT skipped AND asset_id IS NOT NULL AND unreadable IS NULL
        GROUP BY asset_id
        """
    )


def units_to_read(
    ledger: Ledger, recipe_id: str, per_unit: int, *, newest_first: bool = False
) -> Iterator[dict[str, Any]]:
    """Rows of UNITS: the pages and shots that no committed row or failure has under this recipe, asset by asset."""
    ledger.db.register("settled", ledger.settled_counts(recipe_id))
    missing = ledger.query(
        f"""
        SELECT documents.*, coalesce(settled.pages, 0) AS settled
        FROM documents LEFT JOIN settled USING (asset_id)
        WHERE coalesce(settled.pages, 0) < segment_count ORDER BY {newest(newest_first)}
        """
    )
    begun = [row["asset_id"] for row in missing.select(["asset_id", "settled"]).to_pylist() if row["settled"]]
    settled = ledger.settled_pages(recipe_id, begun) if begun else {}
    for batch in missing.to_batches(max_chunksize=_CHUNK):
        for row in batch.to_pylist():
            for first, last in page_ranges(row["segment_count"], settled.get(row["asset_id"], set()), per_unit):
                yield {name: row[name] for name in UNITS.names[:6]} | {"first": first, "last": last}


def newest(first: bool) -> str:
    """What to order ``documents`` by: the newest first, where a budget may end the run before all is done."""
    return "modified_at DESC NULLS LAST, asset_id" if first else "asset_id"


def page_ranges(page_count: int, settled: set[int], pages_per_unit: int) -> Iterator[tuple[int, int]]:
    """The unsettled pages of 1..page_count as ranges (first, last) of at most ``pages_per_unit``."""
    first: int | None = None
    for page in range(1, page_count + 2):
        open_page = page <= page_count and page not in settled
        if first is not None and (not open_page or page - first == pages_per_unit):
            yield first, page - 1
            first = None
        if open_page and first is None:
            first = page


def segments_of(row: dict[str, Any]) -> int:
    """How many pages or shots a unit holds."""
    return int(row["last"] - row["first"] + 1)


def into_blocks(
    units: Iterable[dict[str, Any]],
    replicas: int,
    per_block: int,
    *,
    schema: pa.Schema = UNITS,
    size_of: Callable[[dict[str, Any]], int] = segments_of,
) -> list[pa.Table]:
    """Units as Arrow blocks, each one call of an actor.

    A block costs the driver some 14 ms of Ray Data's time, so small units share one; but every replica shall get
    eight blocks or more where there is work for that, lest one ends long after the others.
    """
    rows = list(units)
    budget = max(1, min(per_block, -(-sum(map(size_of, rows)) // (8 * replicas))))
    blocks: list[pa.Table] = []
    block: list[dict[str, Any]] = []
    filled = 0
    for row in rows:
        size = size_of(row)
        if block and filled + size > budget:
            blocks.append(pa.Table.from_pylist(block, schema=schema))
            block, filled = [], 0
        block.append(row)
        filled += size
    if block:
        blocks.append(pa.Table.from_pylist(block, schema=schema))
    return blocks


def unit_of(row: dict[str, Any], recipe_id: str) -> PageUnit:
    return PageUnit(row["asset_id"], row["first"], row["last"], recipe_id)


def commit_unlisted(work: WorkArea, listing: Listing, run_id: str) -> None:
    """Record inputs that could not be listed as failures of stage ``plan``."""
    rows = [
        failure_row(uri=item.uri, asset_id=None, stage="plan", failure=item.failure, run_id=run_id)
        for item in listing.unlisted
    ]
    if rows:
        work.commit("failures/plan", f"unlisted-{run_id}", "failures", rows)
