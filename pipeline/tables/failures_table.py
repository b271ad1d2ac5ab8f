"""Taking failures up again: which recorded failures stand, which are set aside for this run, and which are outdated.

A failure row goes when its page, summary or answer has been tried again and settled, whatever came of it: a new row
takes its place where it failed again, with the attempts of both. One that is not reached stays as it is. Set logic over
the failures table, which is small.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa

from folioscope.pipeline.storage.uris import redact
from folioscope.pipeline.tables.ledger import CONTRADICTED, SETTLED_ANEW, Ledger
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.recipes import Recipes
from folioscope.schemas.tables import FAILURES, SORT_KEYS


@dataclass(frozen=True, slots=True)
class UnreachedRetries:
    """Failures set aside for this run that it did not reach, by what they are of."""

    segments: int = 0
    summaries: int = 0
    answers: int = 0


def kept_failures(ledger: Ledger, recipes: Recipes) -> UnreachedRetries:
    """Count the failures set aside and not reached, of ``documents_now``, ``ready`` and ``asked_now``."""
    row = ledger.query(
        f"""
        WITH kept AS (
            SELECT * FROM recorded_failures AS f
            WHERE stage <> 'plan' AND reason IN (SELECT reason FROM reasons_excluded)
              AND NOT ({SETTLED_ANEW} OR {CONTRADICTED})
        ),
        due AS (
            SELECT asset_id, unnest([recipe_of($1, kind, cue_key), recipe_of($2, kind, cue_key)]) AS recipe_id
            FROM documents_now
        )
        SELECT
            (SELECT count(*) FROM kept SEMI JOIN due USING (asset_id, recipe_id)
             WHERE stage IN ('decode', 'read')) AS segments,
            (SELECT count(*) FROM kept SEMI JOIN ready USING (asset_id) SEMI JOIN due USING (asset_id, recipe_id)
             WHERE stage = 'summarize') AS summaries,
            (SELECT count(*) FROM kept SEMI JOIN ready USING (asset_id)
             SEMI JOIN asked_now USING (asset_id, question_id, recipe_id) WHERE stage = 'answer') AS answers
        """,
        [recipes.read.ids, recipes.summarize.ids],
    ).to_pylist()[0]
    return UnreachedRetries(**row)


def merge_failures(ledger: Ledger, cut: Collection[str], inputs: Sequence[str], publication: Publication) -> None:
    """Bring the failures table to its state after this run.

    Failures to look into a file go when it has been looked into again (``looked_into``) or, a video, been cut into
    shots (``cut``: uris); failures to transcribe it when it has been heard or has failed again; those of an input when
    it has been listed or has failed again, those of pages and tasks when these have been tried again. Attempts at the
    same bytes add up. Fresh ones are added as a file; only where some are outdated is the table written anew.
    """
    ledger.db.register("cut_now", pa.table({"uri": pa.array(sorted(cut), pa.string())}))
    ledger.db.register("inputs_now", pa.table({"uri": pa.array([redact(item) for item in inputs], pa.string())}))
    ledger.db.execute(
        f"""
        -- A run that died may have looked into files that are not under these inputs: they have no row of assets.
        CREATE OR REPLACE TEMP VIEW known_failures AS
        SELECT * FROM work_failures WHERE stage <> 'plan' OR listed_uri(uri) IN (
            SELECT uri FROM listing UNION ALL SELECT uri FROM unlisted UNION ALL SELECT uri FROM published_assets);
        CREATE OR REPLACE TEMP TABLE judged_failures AS
        SELECT *, CASE WHEN stage = 'plan'
                       THEN listed_uri(uri) IN (SELECT uri FROM looked_into) OR uri IN (SELECT uri FROM cut_now)
                            OR uri IN (SELECT uri FROM inputs_now ANTI JOIN listing USING (uri))
                       WHEN stage = 'transcribe' THEN asset_id IN (
                           SELECT asset_id FROM heard UNION ALL SELECT asset_id FROM uncut)
                       ELSE {SETTLED_ANEW} OR {CONTRADICTED} END AS outdated
        FROM recorded_failures AS f
        """
    )
    order = ", ".join(SORT_KEYS["failures"])
    outdated = ledger.query("SELECT 1 FROM judged_failures WHERE outdated LIMIT 1").num_rows > 0
    standing = "SELECT * EXCLUDE (outdated) FROM judged_failures WHERE NOT outdated UNION ALL BY NAME"
    if outdated:
        publication.drop("failures", publication.files("failures"))
    rows = ledger.stream(
        f"""
        WITH same AS (  -- what the attempts of a failure are counted over; the etag tells whether bytes are the same
            SELECT *, CASE stage WHEN 'decode' THEN 'read' ELSE stage END AS step,
                   CASE WHEN asset_id IS NULL THEN uri END AS place,
            FROM judged_failures WHERE outdated AND (stage <> 'plan' OR NOT EXISTS (
                SELECT 1 FROM looked_into AS now JOIN published_assets AS was USING (uri)
                WHERE now.uri = judged_failures.uri AND now.etag <> was.etag))
        ),
        tried AS (
            SELECT step, place, asset_id, recipe_id, question_id, segment, max(attempts) AS attempts
            FROM same GROUP BY ALL
        )
        {standing if outdated else ""}
        SELECT fresh.* REPLACE ((fresh.attempts + coalesce(tried.attempts, 0))::INTEGER AS attempts)
        FROM known_failures AS fresh LEFT JOIN tried
          ON tried.step = CASE fresh.stage WHEN 'decode' THEN 'read' ELSE fresh.stage END
         AND tried.place IS NOT DISTINCT FROM CASE WHEN fresh.asset_id IS NULL THEN fresh.uri END
         AND tried.asset_id IS NOT DISTINCT FROM fresh.asset_id
         AND tried.recipe_id IS NOT DISTINCT FROM fresh.recipe_id
         AND tried.question_id IS NOT DISTINCT FROM fresh.question_id
         AND tried.segment IS NOT DISTINCT FROM fresh.segment
        ORDER BY {order}
        """,
        FAILURES,
    )
    publication.append("failures", rows)
