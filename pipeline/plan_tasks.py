"""Planning of summaries and answers: which of them the settled documents and films lack.

Set logic over the ledger's tables, as all planning; cost is linear in the assets and in the questions asked of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from model.protocol import Task
from pipeline.config import QuestionSpec
from pipeline.ledger import Ledger
from pipeline.plan import newest
from pipeline.recipes import Recipes


def register_questions(ledger: Ledger, questions: Sequence[QuestionSpec], recipes: Recipes) -> None:
    """Register ``asked``: (asset_id, question_id, question, recipe_id), one row for each answer wanted."""
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE questions
            (question_id VARCHAR, question VARCHAR, recipe_id VARCHAR, everywhere BOOLEAN);
        CREATE OR REPLACE TABLE asked_of (asset_id VARCHAR, question_id VARCHAR);
        -- A view: as many rows as documents times questions would fill the memory.
        CREATE OR REPLACE VIEW asked AS
        SELECT asset_id, question_id, question, recipe_id FROM documents CROSS JOIN questions WHERE everywhere
        UNION ALL
        SELECT asset_id, question_id, question, recipe_id FROM asked_of JOIN questions USING (question_id)
        """
    )
    for spec in questions:
        values = [spec.id, spec.question, recipes.answer[spec.id], spec.assets is None]
        ledger.db.execute("INSERT INTO questions VALUES ($1, $2, $3, $4)", values)
        if spec.assets is None:
            continue
        paths = ledger.query("SELECT asset_id, unnest(uris) AS uri FROM documents")
        meant = [spec.applies_to(uri) for uri in paths["uri"].to_pylist()]
        ledger.db.register("meant", paths.filter(pa.array(meant, pa.bool_())))
        ledger.db.execute("INSERT INTO asked_of SELECT DISTINCT asset_id, $1 FROM meant", [spec.id])


def documents_to_understand(
    ledger: Ledger, recipes: Recipes, tasks: tuple[Task, ...], *, newest_first: bool = False
) -> list[dict[str, Any]]:
    """Rows of the understand stage: settled documents that lack a summary or an answer.

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
    to_summarize = set(ledger.query("SELECT asset_id FROM summaries_lacking")["asset_id"].to_pylist())
    questions: dict[str, list[dict[str, str]]] = {}
    for row in ledger.query("SELECT * FROM answers_lacking ORDER BY asset_id, question_id").to_pylist():
        questions.setdefault(row.pop("asset_id"), []).append(row)
    wanted = sorted(to_summarize | questions.keys())
    files = segment_files(ledger, recipes.read, wanted)
    ledger.db.register("wanted_documents", pa.table({"asset_id": pa.array(wanted, pa.string())}))
    rows = ledger.query(
        f"""
        SELECT asset_id, uri, etag, size, kind, title, duration_s
        FROM documents SEMI JOIN wanted_documents USING (asset_id)
        ORDER BY {newest(newest_first)}
        """
    )
    return [
        row
        | {
            "segment_files": files[row["asset_id"]],
            "summary_wanted": row["asset_id"] in to_summarize,
            "questions": questions.get(row["asset_id"], []),
        }
        for row in rows.to_pylist()
    ]


def mark_lacking(ledger: Ledger, recipes: Recipes, tasks: tuple[Task, ...]) -> None:
    """Register what ``ready`` documents lack: ``summaries_lacking`` (asset_id), ``answers_lacking`` (as ``asked``)."""
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE summaries_lacking AS
        SELECT asset_id FROM ready WHERE $2 AND asset_id NOT IN (
            SELECT asset_id FROM published_summaries WHERE recipe_id = $1
            UNION ALL SELECT asset_id FROM work_summaries WHERE recipe_id = $1
            UNION ALL SELECT asset_id FROM published_failures WHERE recipe_id = $1 AND stage = 'summarize'
            UNION ALL SELECT asset_id FROM work_failures WHERE recipe_id = $1 AND stage = 'summarize')
        """,
        [recipes.summarize, "summarize" in tasks],
    )
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE answers_lacking AS
        SELECT asked.* FROM asked SEMI JOIN ready USING (asset_id)
        ANTI JOIN (
            SELECT asset_id, question_id, recipe_id FROM published_answers
            UNION ALL SELECT asset_id, question_id, recipe_id FROM work_answers
            UNION ALL SELECT asset_id, question_id, recipe_id FROM published_failures WHERE stage = 'answer'
            UNION ALL SELECT asset_id, question_id, recipe_id FROM work_failures WHERE stage = 'answer'
        ) AS settled USING (asset_id, question_id, recipe_id)
        """
    )


def segment_files(ledger: Ledger, recipe_id: str, asset_ids: Sequence[str]) -> dict[str, list[str]]:
    """For each asset, the published and the committed files that may hold its segments."""
    published = ledger.manifest.tables["segments"]
    files = {asset_id: [file.path for file in published if file.may_hold(asset_id)] for asset_id in asset_ids}
    for unit in ledger.work.units():
        if unit.recipe_id == recipe_id and unit.asset_id in files:
            files[unit.asset_id].append(ledger.work.path("segments", unit.key))
    return files
