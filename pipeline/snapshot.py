"""The assets table after a run: every file ever seen, where it stands, and which recipes are current for it.

A row changes only where something about the file changed, so that a run over a finished archive leaves the table as
it was. A file that was under this run's inputs and is no longer there keeps its row as a tombstone (``deleted``).
"""

from __future__ import annotations

import pyarrow as pa

from model.protocol import Task
from pipeline.ledger import Ledger
from pipeline.recipes import Recipes
from pipeline.rows import now
from pipeline.sources import coverage
from schemas.tables import ASSETS

_COMPARED = [name for name in ASSETS.names if name not in ("run_id", "first_seen_at", "modified_at")]


def page_tallies(ledger: Ledger, recipe_id: str) -> None:
    """Register ``tallies``: (asset_id, settled, failed, reason), pages or shots under the recipe by asset.

    And ``unread``: the documents of which no page could be read, so that nothing can be asked of them.
    """
    ledger.db.register("settled", ledger.settled_counts(recipe_id))
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE tallies AS
        WITH failed AS (
            SELECT asset_id, count(*) AS failed, mode(reason) AS reason
            FROM (SELECT asset_id, reason, recipe_id, stage FROM published_failures
                  UNION ALL SELECT asset_id, reason, recipe_id, stage FROM work_failures)
            WHERE recipe_id = $1 AND stage IN ('decode', 'read') GROUP BY asset_id
        )
        SELECT documents.asset_id, documents.segment_count, coalesce(settled.pages, 0) AS settled,
               coalesce(failed.failed, 0) AS failed, failed.reason
        FROM documents LEFT JOIN settled USING (asset_id) LEFT JOIN failed USING (asset_id)
        """,
        [recipe_id],
    )
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE unread AS
        SELECT asset_id FROM tallies WHERE settled = segment_count AND failed = settled
        """
    )


def take_snapshot(
    ledger: Ledger,
    inputs: tuple[str, ...],
    recipes: Recipes,
    tasks: tuple[Task, ...],
    run_id: str,
    kinds: tuple[str, ...],
    stopped: str | None = None,
) -> pa.Table:
    """The assets table to publish. ``ledger`` holds ``files``, ``asked`` and ``tallies``.

    ``stopped`` is the reason of files left pending by a run that stopped before its work was done.
    """
    reading, summarizing, asking = "read" in tasks, "summarize" in tasks, "answer" in tasks
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE seen_now AS
        WITH recipes_asked AS (
            SELECT asset_id, list(DISTINCT recipe_id ORDER BY recipe_id) AS recipe_ids FROM asked GROUP BY asset_id
        )
        SELECT files.uri, files.asset_id, files.etag, files.size, files.modified_at,
               coalesce(files.kind, files.named_kind) AS kind,
               files.page_count, files.shot_count, files.duration_s, files.width_px, files.height_px, files.fps,
               files.variable_fps, files.rotation, files.container, files.codec, files.has_audio, files.title,
               CASE WHEN files.skipped AND list_contains($kinds, files.named_kind) THEN 'pending'
                    WHEN files.skipped THEN 'skipped'
                    WHEN files.unreadable IS NOT NULL THEN 'failed'
                    WHEN files.segment_count IS NULL OR tallies.settled IS NULL
                         OR tallies.settled < files.segment_count THEN 'pending'
                    WHEN tallies.failed = files.segment_count THEN 'failed'
                    WHEN tallies.failed > 0 THEN 'partial'
                    ELSE 'done' END AS status,
               CASE WHEN files.skipped AND list_contains($kinds, files.named_kind) THEN 'beyond_limit'
                    WHEN files.skipped THEN 'unsupported_type'
                    WHEN files.unreadable IS NULL AND (files.segment_count IS NULL OR tallies.settled IS NULL
                         OR tallies.settled < files.segment_count) THEN coalesce($stopped, tallies.reason)
                    ELSE coalesce(files.unreadable, tallies.reason) END AS reason,
               CASE WHEN $reading OR known.read_recipe_id IS NULL THEN $read_recipe
                    ELSE known.read_recipe_id END AS read_recipe_id,
               CASE WHEN $summarizing THEN $summary_recipe ELSE known.summary_recipe_id END AS summary_recipe_id,
               CASE WHEN $asking THEN coalesce(recipes_asked.recipe_ids, []) ELSE known.answer_recipe_ids END
                   AS answer_recipe_ids
        FROM files
        LEFT JOIN tallies ON tallies.asset_id = files.asset_id
        LEFT JOIN recipes_asked ON recipes_asked.asset_id = files.asset_id
        LEFT JOIN published_assets AS known ON known.uri = files.uri AND known.asset_id = files.asset_id
        -- Beyond --limit, what an earlier run found out stands.
        WHERE NOT (files.skipped AND EXISTS (
            SELECT 1 FROM published_assets AS p WHERE p.uri = files.uri AND p.etag = files.etag))
        """,
        {
            "reading": reading,
            "summarizing": summarizing,
            "asking": asking,
            "read_recipe": recipes.read,
            "summary_recipe": recipes.summarize,
            "kinds": list(kinds),
            "stopped": stopped,
        },
    )
    mark_gone(ledger, inputs)
    same = " AND ".join(f"now.{name} IS NOT DISTINCT FROM was.{name}" for name in _COMPARED)
    table = ledger.query(
        f"""
        SELECT now.*, CASE WHEN {same} THEN was.run_id ELSE $1 END AS run_id,
               coalesce(was.first_seen_at, $2) AS first_seen_at
        FROM seen_now AS now LEFT JOIN published_assets AS was ON was.uri = now.uri
        UNION ALL BY NAME
        SELECT * REPLACE (
            CASE WHEN gone.uri IS NULL OR status = 'deleted' THEN status ELSE 'deleted' END AS status,
            CASE WHEN gone.uri IS NULL OR status = 'deleted' THEN run_id ELSE $1 END AS run_id)
        FROM published_assets LEFT JOIN gone USING (uri)
        WHERE published_assets.uri NOT IN (SELECT uri FROM seen_now)
        """,
        [run_id, now()],
    )
    return table.select(ASSETS.names).cast(ASSETS).sort_by("uri")


def mark_gone(ledger: Ledger, inputs: tuple[str, ...]) -> None:
    """Register ``gone``: published paths that lie under this run's inputs and were not listed."""
    known = ledger.query("SELECT uri FROM published_assets WHERE uri NOT IN (SELECT uri FROM listed)")
    covered = coverage(inputs)
    gone = [uri for uri in known["uri"].to_pylist() if covered(uri)]
    ledger.db.register("gone", pa.table({"uri": pa.array(gone, pa.string())}))
