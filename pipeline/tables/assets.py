"""The assets table after a run: every file ever seen, where it stands, and which recipes are current for it.

A row changes only where something about the file changed, so that a run over a finished archive leaves the table as
it was. A file that was under this run's inputs and is no longer there keeps its row as a tombstone (``deleted``). Rows
that changed go into a file of their own and leave the files that held them before; no other file is touched.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from folioscope.model.protocol import Task
from folioscope.pipeline.storage.inputs import Coverage
from folioscope.pipeline.tables.attachments import mark_gone
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import DataFile
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.recipes import ByKind, Recipes
from folioscope.pipeline.tables.rows import now
from folioscope.pipeline.tables.settled import count_settled
from folioscope.schemas.tables import ASSETS

_COMPARED = [name for name in ASSETS.names if name not in ("run_id", "first_seen_at", "modified_at")]


def page_tallies(ledger: Ledger, recipes: ByKind) -> None:
    """Register ``tallies``: (asset_id, settled, failed, lacking, reason), pages or shots under the recipe by asset.

    And ``unread``: the documents of which no page could be read, so that nothing can be asked of them.
    """
    count_settled(ledger, recipes)
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE tallies AS
        WITH due AS (SELECT asset_id, recipe_of($1, kind, cue_key) AS recipe_id FROM documents),
        failed AS (
            -- Pages that were read but for a part in an unknown script (stage ocr) are lacking, not failed.
            SELECT asset_id, count(*) FILTER (stage <> 'ocr') AS failed, count(*) AS lacking, mode(reason) AS reason
            FROM (SELECT asset_id, reason, recipe_id, stage FROM published_failures
                  UNION ALL SELECT asset_id, reason, recipe_id, stage FROM work_failures)
            SEMI JOIN due USING (asset_id, recipe_id)
            WHERE stage IN ('decode', 'read', 'ocr') GROUP BY asset_id
        )
        SELECT documents.asset_id, documents.segment_count, coalesce(settled.pages, 0) AS settled,
               coalesce(failed.failed, 0) AS failed, coalesce(failed.lacking, 0) AS lacking, failed.reason
        FROM documents LEFT JOIN settled USING (asset_id) LEFT JOIN failed USING (asset_id)
        """,
        [recipes.ids],
    )
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE unread AS
        SELECT asset_id FROM tallies WHERE settled = segment_count AND failed = settled
        """
    )


def mark_changed_assets(
    ledger: Ledger,
    covered: Coverage | None,
    recipes: Recipes,
    tasks: tuple[Task, ...],
    run_id: str,
    kinds: tuple[str, ...],
    stopped: str | None = None,
) -> None:
    """Register ``assets_changed``: the rows of ``assets`` that this run adds or changes.

    ``ledger`` holds ``files``, ``asked`` and ``tallies``. ``stopped`` is the reason of files left pending by a run that
    stopped before its work was done.
    """
    reading, summarizing, asking = "read" in tasks, "summarize" in tasks, "answer" in tasks
    mark_gone(ledger, covered)
    same = " AND ".join(f"now.{name} IS NOT DISTINCT FROM was.{name}" for name in _COMPARED)
    ledger.db.execute(
        f"""
        CREATE OR REPLACE TABLE assets_changed AS
        WITH recipes_asked AS (
            SELECT asset_id, list(DISTINCT recipe_id ORDER BY recipe_id) AS recipe_ids FROM asked GROUP BY asset_id
        ),
        seen_now AS (
        SELECT files.uri, files.asset_id, files.parent_uri, files.parent_asset_id, files.etag, files.size,
               files.modified_at,
               coalesce(files.kind, files.named_kind) AS kind,
               files.page_count, files.shot_count, files.duration_s, files.width_px, files.height_px, files.fps,
               files.variable_fps, files.rotation, files.container, files.codec, files.has_audio,
               files.mirrored, files.pixel_aspect, files.interlaced, files.timecode, files.recorded_at, files.tracks,
               files.chapters, files.title, files.attachments, files.outline,
               CASE WHEN files.skipped AND list_contains($kinds, files.named_kind) THEN 'pending'
                    WHEN files.skipped THEN 'skipped'
                    WHEN files.unreadable IS NOT NULL THEN 'failed'
                    WHEN files.kind = 'subtitles' THEN 'done'
                    WHEN files.segment_count IS NULL OR tallies.settled IS NULL
                         OR tallies.segment_count IS NULL OR tallies.settled < files.segment_count THEN 'pending'
                    WHEN tallies.failed = files.segment_count THEN 'failed'
                    WHEN tallies.lacking > 0 THEN 'partial'
                    ELSE 'done' END AS status,
               CASE WHEN files.skipped AND list_contains($kinds, files.named_kind) THEN 'beyond_limit'
                    WHEN files.skipped THEN 'unsupported_type'
                    WHEN files.kind = 'subtitles' THEN files.unreadable
                    WHEN files.unreadable IS NULL AND (files.segment_count IS NULL OR tallies.settled IS NULL
                         OR tallies.settled < files.segment_count) THEN coalesce($stopped, tallies.reason)
                    ELSE coalesce(files.unreadable, tallies.reason) END AS reason,
               CASE WHEN $reading OR known.read_recipe_id IS NULL THEN
                        recipe_of($read_recipe, coalesce(files.kind, files.named_kind), documents.cue_key)
                    ELSE known.read_recipe_id END AS read_recipe_id,
               CASE WHEN $summarizing THEN
                        recipe_of($summary_recipe, coalesce(files.kind, files.named_kind), documents.cue_key)
                    ELSE known.summary_recipe_id END AS summary_recipe_id,
               CASE WHEN $asking THEN coalesce(recipes_asked.recipe_ids, []) ELSE known.answer_recipe_ids END
                   AS answer_recipe_ids
        FROM files
        LEFT JOIN documents ON documents.asset_id = files.asset_id
        LEFT JOIN tallies ON tallies.asset_id = files.asset_id
        LEFT JOIN recipes_asked ON recipes_asked.asset_id = files.asset_id
        LEFT JOIN published_assets AS known ON known.uri = files.uri AND known.asset_id = files.asset_id
        -- Beyond --limit, what an earlier run found out stands.
        WHERE NOT (files.skipped AND EXISTS (
            SELECT 1 FROM published_assets AS p WHERE p.uri = files.uri AND p.etag = files.etag)))
        SELECT now.*, $run_id::VARCHAR AS run_id, coalesce(was.first_seen_at, $now) AS first_seen_at
        FROM seen_now AS now LEFT JOIN published_assets AS was ON was.uri = now.uri
        WHERE was.uri IS NULL OR NOT ({same})
        UNION ALL BY NAME
        SELECT * REPLACE ('deleted' AS status, $run_id AS run_id) FROM published_assets SEMI JOIN gone USING (uri)
        WHERE status <> 'deleted'
        """,
        {
            "reading": reading,
            "summarizing": summarizing,
            "asking": asking,
            "read_recipe": recipes.read.ids,
            "summary_recipe": recipes.summarize.ids,
            "kinds": list(kinds),
            "stopped": stopped,
            "run_id": run_id,
            "now": now(),
        },
    )


def publish_assets(ledger: Ledger, publication: Publication) -> None:
    """Put ``assets_changed`` into the table, in the place of what it held of those files."""
    replaced = ledger.query("SELECT uri FROM assets_changed SEMI JOIN published_assets USING (uri) ORDER BY uri")[
        "uri"
    ].to_pylist()
    for file in publication.files("assets"):
        if file.rows and _holds_any(file, replaced):
            publication.rewrite("assets", file, partial(_without, replaced))
    publication.append("assets", ledger.stream("SELECT * FROM assets_changed ORDER BY uri", ASSETS))


def upgraded(ledger: Ledger, name: str, group: pa.Table) -> pa.Table:
    """A row group of an older file, with the path of each row's file where the version then had none."""
    if name == "assets" or "uri" not in group.column_names or not group["uri"].null_count:
        return group
    ledger.db.register("assets_met", pa.table({"asset_id": group["asset_id"].unique()}))
    known = ledger.query(
        "SELECT asset_id, min(uri) AS uri FROM published_assets SEMI JOIN assets_met USING (asset_id) GROUP BY asset_id"
    )
    places = pc.index_in(group["asset_id"], value_set=known["asset_id"].combine_chunks())
    uris = pc.coalesce(group["uri"], known["uri"].combine_chunks().take(places.combine_chunks()))
    return group.set_column(group.schema.get_field_index("uri"), group.schema.field("uri"), uris)


def _holds_any(file: DataFile, uris: Sequence[str]) -> bool:
    """Whether one of the paths, which are sorted, may stand in the file."""
    if file.first is None or file.last is None:
        return bool(uris)
    place = bisect_left(uris, file.first)
    return place < len(uris) and uris[place] <= file.last


def _without(uris: Sequence[str], group: pa.Table) -> pa.Table:
    return group.filter(pc.invert(pc.is_in(group["uri"], value_set=pa.array(uris, pa.string()))))
