"""Planning: from the listing and the ledger to exactly the work that is missing.

All of it is set logic over Arrow tables in the ledger's database: a file is looked into only where its path and etag
are new; a page is read only where no committed row or failure has its key. What is joined with the listing costs up to
two kilobytes of memory a file at its peak (``benchmarks/planning.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.failures import RECHECKED, Reason
from folioscope.pipeline.kinds import Kind, kinds_inside
from folioscope.pipeline.planning.listing import sidecars_among
from folioscope.pipeline.planning.units import UNITS, UnitToRead
from folioscope.pipeline.tables.attachments import register_within
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.recipes import ByKind
from folioscope.pipeline.tables.settled import count_settled, settled_pages

_CHUNK = 10_000


def mark_files_to_identify(
    ledger: Ledger, *, kinds: Sequence[Kind], passwords_given: bool, listening: bool = False, retry: Sequence[str] = ()
) -> None:
    """Register ``to_look``: (uri, etag, size, modified_at) of listed files whose bytes must be looked into.

    New and changed ones; ones that failed for a reason that may be gone, or for one of ``retry``; locked ones, once
    there are passwords to try; those with sound alone, once somebody listens. And those around a file of which the same
    is true, or that is of a kind that only this run reads.
    """
    locked = (Reason.PASSWORD_REQUIRED,) if passwords_given else ()
    again = sorted({*RECHECKED, *retry, *locked, *((Reason.NO_VIDEO,) if listening else ())})
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE to_look AS
        SELECT uri, etag, size, modified_at FROM listed
        WHERE NOT skipped
          AND (listed.uri IN (
            SELECT listed_uri(uri) FROM published_assets
            WHERE parent_uri IS NOT NULL AND status = 'failed' AND asset_id IS NULL AND list_contains($1, reason)
            UNION ALL
            SELECT listed_uri(uri) FROM (SELECT uri, unnest(attachments) AS held FROM published_assets)
            WHERE held.reason = 'unsupported_type' AND list_contains($2, held.kind)
          ) OR NOT EXISTS (
            SELECT 1 FROM published_assets AS known
            WHERE known.uri = listed.uri AND known.etag = listed.etag
              AND known.status NOT IN ('deleted', 'skipped')
              AND NOT (known.status = 'pending' AND known.asset_id IS NULL)
              AND NOT (known.status = 'failed' AND known.asset_id IS NULL AND list_contains($1, known.reason))))
          AND NOT EXISTS (
            SELECT 1 FROM looked_into WHERE looked_into.uri = listed.uri AND looked_into.etag = listed.etag)
        """,
        [[str(reason) for reason in again], list(kinds_inside(kinds))],
    )


def files_to_identify(ledger: Ledger, *, newest_first: bool) -> pa.Table:
    """The rows of ``to_look``, in the order in which they are to be looked into."""
    order = "modified_at DESC NULLS LAST, uri" if newest_first else "uri"
    return ledger.query(f"SELECT * FROM to_look ORDER BY {order}")


def mark_work(ledger: Ledger, config: RunConfig) -> None:
    """Register ``work_files``: (uri, position, pending), the listed files that something is to be done of, in order.

    Or of what is inside them.
    First come those of which an unfinished run has committed something (``pending``); then, in a run that may stop,
    what is read and not understood, and the newest. ``ledger`` holds what the estimate registers.
    """
    order = "understood_only DESC, modified_at DESC NULLS LAST, uri" if config.limited else "uri"
    ledger.db.execute(
        f"""
        CREATE OR REPLACE TABLE work_files AS
        WITH to_understand AS (SELECT asset_id FROM summaries_lacking UNION SELECT asset_id FROM answers_lacking),
        to_read AS (
            SELECT asset_id FROM tallies WHERE $1 AND (segment_count IS NULL OR settled < segment_count)
        ),
        begun AS (SELECT DISTINCT asset_id FROM work_units WHERE stage <> 'identify')
        SELECT uri, pending, row_number() OVER (ORDER BY pending DESC, {order}) - 1 AS position FROM (
            SELECT files.outer_uri AS uri, any_value(files.modified_at) AS modified_at,
                   bool_or(files.asset_id IN (FROM begun) OR files.uri IN (SELECT uri FROM looked_into)) AS pending,
                   bool_and(files.asset_id NOT IN (FROM to_read)) AS understood_only
            FROM files
            WHERE NOT files.skipped AND (
                files.uri IN (SELECT uri FROM to_look) OR files.uri IN (SELECT uri FROM looked_into)
                OR files.asset_id IN (FROM to_read) OR files.asset_id IN (FROM to_understand)
                OR files.asset_id IN (FROM begun))
            GROUP BY files.outer_uri
        )
        """,
        ["read" in config.tasks],
    )


def resolve_files(ledger: Ledger, kinds: tuple[str, ...], speech_recipe: str | None = None) -> None:
    """Register ``files``: every file with its identity, from this run's look or the last published one.

    Those that are listed and those inside them, ``within``; ``outer_uri`` is the listed file around each, or itself.
    And ``documents``, one row for the same bytes: ``segment_count`` is that of pages or shots, null for a video not yet
    cut, or not yet listened to; ``cue_key`` tells what a reading depends on beside the file and the run's recipe: the
    sidecars, and who listened (see ``recipe_of``). ``ledger`` holds ``shots``, ``heard`` and ``uncut``.
    """
    register_within(ledger, kinds)
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE files AS
        WITH there AS (
            SELECT uri, etag, size, modified_at, skipped, named_kind, uri AS outer_uri FROM listed
            UNION ALL BY NAME SELECT * FROM within
        ),
        known AS (
            SELECT * FROM looked_into
            UNION ALL BY NAME
            SELECT * FROM published_assets
            WHERE (status NOT IN ('deleted', 'skipped') OR (status = 'skipped' AND parent_uri IS NOT NULL))
              AND (asset_id IS NOT NULL OR status = 'failed')
              AND uri NOT IN (SELECT uri FROM looked_into)
        )
        SELECT there.uri, there.etag, there.size, there.modified_at, there.skipped, there.named_kind, there.outer_uri,
               known.* EXCLUDE (uri, etag, size, modified_at, status, reason, shot_count, run_id, first_seen_at,
                                read_recipe_id, summary_recipe_id, answer_recipe_ids), shots.shot_count,
               coalesce(known.page_count, shots.shot_count) AS segment_count,
               CASE WHEN uncut.asset_id IS NOT NULL THEN uncut.reason
                    WHEN known.asset_id IS NULL THEN known.reason
                    WHEN NOT list_contains($1, known.kind) THEN 'type_mismatch' END AS unreadable
        FROM there LEFT JOIN known ON known.uri = there.uri AND known.etag = there.etag
        LEFT JOIN shots ON shots.asset_id = known.asset_id
        LEFT JOIN uncut ON uncut.asset_id = known.asset_id
        """,
        [list(kinds)],
    )
    _register_sidecars(ledger)
    # The same bytes under several paths are one document: it is read where it was first listed, with the sidecars of
    # the first path that has any.
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE documents AS
        WITH found AS (
            SELECT asset_id, min(uri) AS uri, arg_min(etag, uri) AS etag, arg_min(size, uri) AS size,
                   any_value(kind) AS kind, any_value(segment_count) AS shown,
                   any_value(duration_s) AS duration_s, arg_min(title, uri) AS title,
                   arg_min(chapters, uri) AS chapters,
                   list_filter(arg_min(tracks, uri), lambda t: t.kind = 'audio')[1].language AS sound_language,
                   list(uri ORDER BY uri) AS uris,
                   max(modified_at) AS modified_at, arg_min(beside.sidecars, uri) AS sidecars,
                   coalesce(bool_or(has_audio), false) AND $1 IS NOT NULL AS heard
            FROM files LEFT JOIN sidecars_of AS beside USING (uri)
            WHERE NOT skipped AND asset_id IS NOT NULL AND unreadable IS NULL AND kind IS DISTINCT FROM 'subtitles'
            GROUP BY asset_id
        )
        SELECT found.* EXCLUDE (shown),
               CASE WHEN heard AND asset_id NOT IN (SELECT asset_id FROM heard) THEN NULL ELSE shown END
                   AS segment_count,
               nullif(concat_ws(' ', list_aggregate(list_transform(sidecars, lambda s:
                          concat_ws(':', s.asset_id, coalesce(s.language, ''), s.track)), 'string_agg', ' '),
                      CASE WHEN heard THEN 'speech:' || $1 END), '') AS cue_key
        FROM found
        """,
        [speech_recipe],
    )


def _register_sidecars(ledger: Ledger) -> None:
    """Register ``sidecars_of``: (uri of a video, sidecars), those of which the content is known."""
    named = "SELECT uri, named_kind, skipped FROM listed WHERE named_kind IN ('video', 'audio', 'subtitles')"
    found = sidecars_among(ledger.query(named))
    rows = [{"video": item.video, "uri": item.uri, "language": item.language, "track": item.track} for item in found]
    names = pa.schema([(name, pa.string()) for name in ("video", "uri", "language", "track")])
    ledger.db.register("sidecars_listed", pa.Table.from_pylist(rows, schema=names))
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE sidecars_of AS
        SELECT video AS uri,
               list({'uri': files.uri, 'etag': files.etag, 'size': files.size, 'asset_id': files.asset_id,
                     'language': language, 'track': track} ORDER BY files.uri) AS sidecars
        FROM sidecars_listed JOIN files USING (uri)
        WHERE files.asset_id IS NOT NULL AND files.unreadable IS NULL GROUP BY video
        """
    )


def units_to_read(
    ledger: Ledger, recipes: ByKind, per_unit: Callable[[str], int], *, newest_first: bool = False
) -> Iterator[UnitToRead]:
    """The pages and shots that no committed row or failure has under these recipes, asset by asset.

    ``per_unit`` gives, for a kind of file, how many of them commit together.
    """
    count_settled(ledger, recipes)
    missing = ledger.query(
        f"""
        SELECT documents.*, recipe_of($1, kind, cue_key) AS recipe_id, coalesce(settled.pages, 0) AS settled
        FROM documents LEFT JOIN settled USING (asset_id)
        WHERE coalesce(settled.pages, 0) < segment_count ORDER BY {order_by(newest_first)}
        """,
        [recipes.ids],
    )
    begun = [row["asset_id"] for row in missing.select(["asset_id", "settled"]).to_pylist() if row["settled"]]
    settled = settled_pages(ledger, recipes, begun) if begun else {}
    for batch in missing.select(UNITS.names[:-2]).to_batches(max_chunksize=_CHUNK):
        for row in batch.to_pylist():
            known = settled.get(row["asset_id"], set())
            for first, last in page_ranges(row["segment_count"], known, per_unit(row["kind"])):
                yield UnitToRead.of_row(row | {"first": first, "last": last})


def order_by(first: bool) -> str:
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
