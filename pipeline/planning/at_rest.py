"""Files at rest: known, unchanged and done under every recipe of the run, so that nothing is planned over them.

Most of an archive is, on most nights. What a file needs to be at rest is asked once, by one join of the listing with
the published files and one with the state, and their counts go straight into the accounting; planning sees the others.
A file that is not clearly at rest is planned over: of another kind than documents, with files inside, with a failure or
a commit of its own, meant by a question for some files, or with the bytes of a file that is planned over.

Costs some two microseconds of CPU and twenty bytes a file.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from folioscope.model.protocol import Task
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.kinds import KINDS
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.tables.accounting import Accounting, Counts
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.recipes import Recipes

_PATHS = 10_000


def mark_at_rest(ledger: Ledger, config: RunConfig, recipes: Recipes) -> None:
    """Register ``at_rest``: (place in ``listing``, asset, pages), and make ``listed`` the files to be planned over.

    Those are the others, without what increments were given: ``ledger`` holds ``listing`` and ``files_given``.
    """
    questions = config.questions if config.asks else ()
    everywhere = [spec for spec in questions if spec.assets is None]
    summarizing = "summarize" in config.tasks
    _register_tasks(ledger, recipes, everywhere, summarizing=summarizing)
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE at_rest AS
        WITH due AS (SELECT DISTINCT task_key(recipe_id, question_id) AS task FROM tasks_due),
        settled AS (
            SELECT asset, max(rows) FILTER (task = key64($read)) AS pages FROM (
                SELECT asset, task, sum(rows) AS rows FROM state SEMI JOIN due USING (task)
                GROUP BY ALL HAVING sum(rows) > 0
            ) GROUP BY asset HAVING count(*) = (SELECT count(*) FROM due)
        ),
        known AS (
            SELECT listing.rowid AS place, key64(was.asset_id) AS asset, was.page_count AS pages
            FROM listing JOIN published_assets AS was USING (uri, etag)
            WHERE NOT listing.skipped AND was.size IS NOT DISTINCT FROM listing.size
              AND was.status = 'done' AND was.reason IS NULL AND was.shot_count IS NULL
              AND coalesce(len(was.attachments), 0) = 0
              AND was.read_recipe_id = $read AND list_contains($kinds::VARCHAR[], was.kind)
              AND (NOT $summarizing OR was.summary_recipe_id = $summary)
              AND (NOT $asking OR was.answer_recipe_ids = $answers::VARCHAR[])
        )
        SELECT known.* FROM known JOIN settled USING (asset, pages)
        WHERE asset NOT IN (
            SELECT key64(asset_id) FROM (
                SELECT asset_id FROM recorded_failures UNION SELECT asset_id FROM work_units
                UNION SELECT asset_id FROM work_failures
            ) WHERE asset_id IS NOT NULL)
        """,
        {
            "read": recipes.read.documents,
            "summary": recipes.summarize.documents,
            "answers": sorted({recipes.answer[spec.id].documents for spec in everywhere}),
            "kinds": [kind for kind in config.kinds if kind in KINDS["documents"]],
            "summarizing": summarizing,
            "asking": "answer" in config.tasks,
        },
    )
    _wake_meant(ledger, [spec for spec in questions if spec.assets is not None])
    wake(ledger)


def wake(ledger: Ledger) -> None:
    """Plan over files at rest, too, that hold the same bytes as a file that is planned over or was looked into."""
    _leave_out(ledger)
    ledger.db.execute(
        """
        DELETE FROM at_rest WHERE asset IN (
            SELECT key64(asset_id) FROM (
                SELECT asset_id FROM looked_into
                UNION SELECT asset_id FROM published_assets WHERE listed_uri(uri) IN (SELECT uri FROM listed)
            ) WHERE asset_id IS NOT NULL)
        """
    )
    _leave_out(ledger)


def count_at_rest(ledger: Ledger, tasks: tuple[Task, ...]) -> Accounting:
    """The part of the accounting that files at rest make up; content that an increment has counted is left out.

    ``ledger`` holds ``counted_so_far``.
    """
    files, documents, pages, answers = ledger.db.execute(
        """
        WITH counted AS (SELECT key64(asset_id) AS asset FROM counted_so_far WHERE question_id IS NULL)
        SELECT (SELECT count(*) FROM at_rest), count(*), coalesce(sum(pages), 0)::BIGINT,
               count(*) * (SELECT count(*) FROM tasks_due WHERE question_id IS NOT NULL)
        FROM (SELECT asset, any_value(pages) AS pages FROM at_rest ANTI JOIN counted USING (asset) GROUP BY asset)
        """
    ).fetchall()[0]
    summaries = documents if "summarize" in tasks else 0
    return Accounting(*(Counts(seen, 0, seen, 0, 0) for seen in (files, pages, summaries, answers)))


def _register_tasks(ledger: Ledger, recipes: Recipes, questions: Sequence[QuestionSpec], *, summarizing: bool) -> None:
    """Register ``tasks_due``: (recipe_id, question_id), what a document at rest has rows of."""
    due: list[tuple[str, str | None]] = [(recipes.read.documents, None)]
    due += [(recipes.summarize.documents, None)] if summarizing else []
    due += [(recipes.answer[spec.id].documents, spec.id) for spec in questions]
    columns = [pa.array(column, pa.string()) for column in zip(*due, strict=True)]
    ledger.db.register("tasks_due", pa.table(columns, names=["recipe_id", "question_id"]))


def _wake_meant(ledger: Ledger, questions: Sequence[QuestionSpec]) -> None:
    """Plan over the files that are meant by questions for some files, and over those that hold the same bytes."""
    if not questions:
        return
    reader = ledger.db.sql(
        "SELECT asset, uri FROM at_rest JOIN listing ON listing.rowid = at_rest.place"
    ).to_arrow_reader(_PATHS)
    meant: set[int] = set()
    for batch in reader:
        for asset, uri in zip(batch["asset"].to_pylist(), batch["uri"].to_pylist(), strict=True):
            if any(spec.applies_to(uri) for spec in questions):
                meant.add(asset)
    ledger.db.register("meant_assets", pa.table({"asset": pa.array(sorted(meant), pa.uint64())}))
    ledger.db.execute("DELETE FROM at_rest WHERE asset IN (SELECT asset FROM meant_assets)")


def _leave_out(ledger: Ledger) -> None:
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE listed_open AS
        SELECT listing.* FROM listing ANTI JOIN at_rest ON at_rest.place = listing.rowid;
        CREATE OR REPLACE VIEW listed AS SELECT * FROM listed_open ANTI JOIN files_given USING (uri);
        """
    )
