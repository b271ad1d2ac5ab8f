"""Planning of summaries and answers: which of them the settled documents and videos lack.

Set logic over the ledger's tables, as all planning; cost is linear in the assets and in the questions asked of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from folioscope.model.protocol import Task
from folioscope.pipeline.planning.documents import DocumentTasks, SegmentSource
from folioscope.pipeline.planning.files import order_by
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.part_files import keys_between, row_group_ranges
from folioscope.pipeline.tables.recipes import Recipes
from folioscope.pipeline.tables.settled import count_rows


def register_questions(ledger: Ledger, questions: Sequence[QuestionSpec], recipes: Recipes) -> None:
    """Register ``asked``: (asset_id, question_id, question, recipe_id), one row for each answer wanted.

    And what the published results have of that and of the run's other tasks, in ``have``.
    """
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE questions
            (question_id VARCHAR, question VARCHAR, bases VARCHAR[], everywhere BOOLEAN);
        CREATE OR REPLACE TABLE asked_of (asset_id VARCHAR, question_id VARCHAR);
        -- A view: as many rows as documents times questions would fill the memory.
        CREATE OR REPLACE VIEW asked AS
        SELECT asset_id, question_id, question, recipe_of(bases, kind, cue_key) AS recipe_id
        FROM documents CROSS JOIN questions WHERE everywhere
        UNION ALL
        SELECT asset_id, question_id, question, recipe_of(bases, kind, cue_key) AS recipe_id
        FROM asked_of JOIN questions USING (question_id) JOIN documents USING (asset_id)
        """
    )
    for spec in questions:
        values = [spec.id, spec.question, recipes.answer[spec.id].ids, spec.assets is None]
        ledger.db.execute("INSERT INTO questions VALUES ($1, $2, $3, $4)", values)
        if spec.assets is None:
            continue
        paths = ledger.query("SELECT asset_id, unnest(uris) AS uri FROM documents")
        meant = [spec.applies_to(uri) for uri in paths["uri"].to_pylist()]
        ledger.db.register("meant", paths.filter(pa.array(meant, pa.bool_())))
        ledger.db.execute("INSERT INTO asked_of SELECT DISTINCT asset_id, $1 FROM meant", [spec.id])
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE tasks_now AS
        SELECT bases, question_id FROM questions
        UNION ALL SELECT $1::VARCHAR[], NULL UNION ALL SELECT $2::VARCHAR[], NULL
        """,
        [recipes.read.ids, recipes.summarize.ids],
    )
    count_rows(ledger)


def documents_to_understand(
    ledger: Ledger, recipes: Recipes, tasks: tuple[Task, ...], *, newest_first: bool = False
) -> list[DocumentTasks]:
    """Settled documents and videos that lack a summary or an answer.

    ``ledger`` holds ``documents``, ``asked``, ``tallies`` and ``unread``.
    """
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE ready AS
        SELECT asset_id FROM documents JOIN tallies USING (asset_id)
        WHERE tallies.settled = documents.segment_count AND asset_id NOT IN (SELECT asset_id FROM unread)
        """
    )
    mark_lacking(ledger, recipes, tasks)
    rows = ledger.query(
        f"""
        WITH asking AS (
            SELECT asset_id, list({{'question_id': question_id, 'question': question, 'recipe_id': recipe_id}}
                                  ORDER BY question_id) AS questions
            FROM answers_lacking GROUP BY asset_id
        )
        SELECT documents.*, recipe_of($1, kind, cue_key) AS read_recipe_id,
               recipe_of($2, kind, cue_key) AS summary_recipe_id,
               summaries_lacking.asset_id IS NOT NULL AS summary_wanted,
               coalesce(asking.questions, []) AS questions
        FROM documents LEFT JOIN summaries_lacking USING (asset_id) LEFT JOIN asking USING (asset_id)
        WHERE summaries_lacking.asset_id IS NOT NULL OR asking.asset_id IS NOT NULL
        ORDER BY {order_by(newest_first)}
        """,
        [recipes.read.ids, recipes.summarize.ids],
    ).to_pylist()
    sources = segment_sources(ledger, [row["asset_id"] for row in rows])
    found = [DocumentTasks.of_row(row | {"sources": ()}) for row in rows]
    return [replace(document, sources=tuple(sources[document.asset_id])) for document in found]


def mark_lacking(ledger: Ledger, recipes: Recipes, tasks: tuple[Task, ...]) -> None:
    """Register what ``ready`` documents lack: ``summaries_lacking`` (asset_id), ``answers_lacking`` (as ``asked``)."""
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE summaries_lacking AS
        WITH due AS (
            SELECT asset_id, recipe_of($1, kind, cue_key) AS recipe_id FROM documents SEMI JOIN ready USING (asset_id)
        )
        SELECT asset_id FROM due ANTI JOIN (
            SELECT asset_id, recipe_id FROM have WHERE question_id IS NULL
            UNION ALL SELECT asset_id, recipe_id FROM work_units WHERE stage = 'summarize'
            UNION ALL SELECT asset_id, recipe_id FROM published_failures WHERE stage = 'summarize'
        ) AS settled USING (asset_id, recipe_id) WHERE $2
        """,
        [recipes.summarize.ids, "summarize" in tasks],
    )
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE answers_lacking AS
        SELECT asked.* FROM asked SEMI JOIN ready USING (asset_id)
        ANTI JOIN (
            SELECT asset_id, question_id, recipe_id FROM have WHERE question_id IS NOT NULL
            UNION ALL SELECT asset_id, question_id, recipe_id FROM work_units WHERE stage = 'answer'
            UNION ALL SELECT asset_id, question_id, recipe_id FROM published_failures WHERE stage = 'answer'
        ) AS settled USING (asset_id, question_id, recipe_id)
        """
    )


def segment_sources(ledger: Ledger, asset_ids: Sequence[str]) -> dict[str, list[SegmentSource]]:
    """For each asset the row groups, published and committed, that may hold its segments.

    Reads the footers of the larger files whose range holds one of the assets.
    """
    wanted = sorted(asset_ids)
    sources: dict[str, list[SegmentSource]] = {asset_id: [] for asset_id in wanted}
    committed = [part.file for record in ledger.records for part in record.parts if part.table == "segments"]
    for file in (*ledger.manifest.tables["segments"], *committed):
        if not keys_between(wanted, file.first, file.last):
            continue
        found: dict[str, list[int] | None] = {}
        for number, first, last in row_group_ranges(ledger.work.store, "segments", file):
            for asset_id in keys_between(wanted, first, last):
                known = found.setdefault(asset_id, [])
                if number is None or known is None:
                    found[asset_id] = None
                else:
                    known.append(number)
        for asset_id, numbers in found.items():
            sources[asset_id].append(SegmentSource(file.path, None if numbers is None else tuple(numbers)))
    return sources
