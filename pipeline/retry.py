"""Taking failures up again: which recorded failures stand, which are set aside for this run, and which are outdated.

A failure row goes when its page, summary or answer has been tried again and settled, whatever came of it: a new row
takes its place where it failed again, with the attempts of both. One that is not reached stays as it is. Set logic over
the failures table, which is small.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.sources import redact
from schemas.tables import FAILURES

if TYPE_CHECKING:
    from pipeline.ledger import Ledger

# A recorded failure f whose work has been committed anew.
_SETTLED_ANEW = """
    (f.stage IN ('decode', 'read') AND EXISTS (
        SELECT 1 FROM work_units AS u WHERE u.asset_id = f.asset_id AND u.recipe_id = f.recipe_id
        AND f.segment BETWEEN u."first" AND u."last"))
    OR (f.stage = 'summarize' AND EXISTS (
        SELECT 1 FROM work_summaries AS s WHERE s.asset_id = f.asset_id AND s.recipe_id = f.recipe_id))
    OR (f.stage = 'answer' AND EXISTS (
        SELECT 1 FROM work_answers AS a WHERE a.asset_id = f.asset_id AND a.recipe_id = f.recipe_id
        AND a.question_id = f.question_id))
    OR (f.stage IN ('summarize', 'answer') AND EXISTS (
        SELECT 1 FROM work_failures AS w WHERE w.asset_id = f.asset_id AND w.recipe_id = f.recipe_id
        AND w.stage = f.stage AND w.question_id IS NOT DISTINCT FROM f.question_id))
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """Failures set aside for this run that it did not reach, by what they are of."""

    segments: int = 0
    summaries: int = 0
    answers: int = 0


def set_aside(ledger: Ledger, reasons: Sequence[str]) -> None:
    """Make ``published_failures`` the recorded failures that stand: neither settled anew nor of these reasons.

    Failures to look into a file are not touched here: they do not settle anything.
    """
    ledger.db.register("reasons_set_aside", pa.table({"reason": pa.array(list(reasons), pa.string())}))
    ledger.db.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW published_failures AS
        SELECT * FROM recorded_failures AS f
        WHERE stage = 'plan' OR NOT (
            reason IN (SELECT reason FROM reasons_set_aside) OR {_SETTLED_ANEW})
        """
    )


def kept_failures(ledger: Ledger, read_recipe: str, summary_recipe: str) -> Kept:
    """Count the failures set aside and not reached, of what the plan holds (``documents``, ``ready``, ``asked``)."""
    row = ledger.query(
        f"""
        WITH kept AS (
            SELECT * FROM recorded_failures AS f
            WHERE stage <> 'plan' AND reason IN (SELECT reason FROM reasons_set_aside) AND NOT ({_SETTLED_ANEW})
        )
        SELECT
            (SELECT count(*) FROM kept SEMI JOIN documents USING (asset_id)
             WHERE stage IN ('decode', 'read') AND recipe_id = $1) AS segments,
            (SELECT count(*) FROM kept SEMI JOIN ready USING (asset_id)
             WHERE stage = 'summarize' AND recipe_id = $2) AS summaries,
            (SELECT count(*) FROM kept SEMI JOIN ready USING (asset_id)
             SEMI JOIN asked USING (asset_id, question_id, recipe_id) WHERE stage = 'answer') AS answers
        """,
        [read_recipe, summary_recipe],
    ).to_pylist()[0]
    return Kept(**row)


def merged_failures(
    ledger: Ledger, identified: pa.Table, cut: Collection[str], inputs: Sequence[str]
) -> pa.Table | None:
    """The failures table after this run; None where it stays as it is.

    Failures to look into a file go when it has been looked into again (``identified``: uri, etag) or, a film, been cut
    into shots (``cut``: uris); those of an input when it has been listed or has failed again, those of pages and tasks
    when these have been tried again. Attempts at the same bytes add up.
    """
    fresh = [table.cast(FAILURES) for table in ledger.work.read(ledger.work.names("failures"))]
    ledger.db.register("fresh_failures", pa.concat_tables([FAILURES.empty_table(), *fresh]))
    ledger.db.register("identified_now", identified.select(["uri", "etag"]))
    ledger.db.register("cut_now", pa.table({"uri": pa.array(sorted(cut), pa.string())}))
    ledger.db.register("inputs_now", pa.table({"uri": pa.array([redact(item) for item in inputs], pa.string())}))
    ledger.db.execute(
        f"""
        -- A run that died may have looked into files that are not under these inputs: they have no row of assets.
        CREATE OR REPLACE TEMP VIEW known_failures AS
        SELECT * FROM fresh_failures WHERE stage <> 'plan' OR uri IN (
            SELECT uri FROM listed UNION ALL SELECT uri FROM unlisted UNION ALL SELECT uri FROM published_assets);
        CREATE OR REPLACE TEMP TABLE judged_failures AS
        SELECT *, CASE WHEN stage = 'plan'
                       THEN uri IN (SELECT uri FROM identified_now UNION ALL SELECT uri FROM cut_now)
                            OR uri IN (SELECT uri FROM inputs_now ANTI JOIN listed USING (uri))
                       ELSE {_SETTLED_ANEW} END AS outdated
        FROM recorded_failures AS f
        """
    )
    if not fresh and not ledger.query("SELECT 1 FROM judged_failures WHERE outdated").num_rows:
        return None
    return ledger.query(
        """
        WITH same AS (  -- what the attempts of a failure are counted over; the etag tells whether bytes are the same
            SELECT *, CASE stage WHEN 'decode' THEN 'read' ELSE stage END AS step,
                   CASE WHEN asset_id IS NULL THEN uri END AS place,
            FROM judged_failures WHERE outdated AND (stage <> 'plan' OR NOT EXISTS (
                SELECT 1 FROM identified_now AS now JOIN published_assets AS was USING (uri)
                WHERE now.uri = judged_failures.uri AND now.etag <> was.etag))
        ),
        tried AS (
            SELECT step, place, asset_id, recipe_id, question_id, segment, max(attempts) AS attempts
            FROM same GROUP BY ALL
        )
        SELECT * EXCLUDE (outdated) FROM judged_failures WHERE NOT outdated
        UNION ALL BY NAME
        SELECT fresh.* REPLACE ((fresh.attempts + coalesce(tried.attempts, 0))::INTEGER AS attempts)
        FROM known_failures AS fresh LEFT JOIN tried
          ON tried.step = CASE fresh.stage WHEN 'decode' THEN 'read' ELSE fresh.stage END
         AND tried.place IS NOT DISTINCT FROM CASE WHEN fresh.asset_id IS NULL THEN fresh.uri END
         AND tried.asset_id IS NOT DISTINCT FROM fresh.asset_id
         AND tried.recipe_id IS NOT DISTINCT FROM fresh.recipe_id
         AND tried.question_id IS NOT DISTINCT FROM fresh.question_id
         AND tried.segment IS NOT DISTINCT FROM fresh.segment
        """
    ).cast(FAILURES)
