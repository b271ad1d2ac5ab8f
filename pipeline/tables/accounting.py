"""The accounting of a run: for files, pages, summaries and answers, seen = done + reused + failed + skipped.

``seen`` comes from the listing and the plan; done and failed from the commits that are published, reused from the
state, and skipped from what actors handed back. What gets lost between them shows as a difference. Of content under
several paths in different increments each page is counted once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass
from operator import add
from typing import Any

import pyarrow as pa

from folioscope.model.protocol import Task
from folioscope.pipeline.tables.commits import CommitRecord
from folioscope.pipeline.tables.ledger import CONTRADICTED, SETTLED_ANEW, Ledger
from folioscope.pipeline.tables.recipes import ByKind, Recipes

_TABLE_OF = {
    "decode": "segments",
    "read": "segments",
    "summarize": "summaries",
    "answer": "answers",
}


@dataclass(frozen=True, slots=True)
class Deferred:
    """What actors handed back since the run's budget was spent."""

    segments: int = 0
    summaries: int = 0
    answers: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    seen: int
    done: int
    reused: int
    failed: int
    skipped: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(add, astuple(self), astuple(other)))

    @property
    def missing(self) -> int:
        """How many of those seen are in no other column; 0 where the accounting balances."""
        return self.seen - self.done - self.reused - self.failed - self.skipped


@dataclass(frozen=True, slots=True)
class Accounting:
    assets: Counts
    segments: Counts
    summaries: Counts
    answers: Counts

    @property
    def balanced(self) -> bool:
        return not any(counts.missing for counts in (self.assets, self.segments, self.summaries, self.answers))

    @property
    def failed(self) -> int:
        """Files, pages, summaries and answers that ended as failures."""
        return self.assets.failed + self.segments.failed + self.summaries.failed + self.answers.failed

    def __add__(self, other: Accounting) -> Accounting:
        return Accounting(
            self.assets + other.assets,
            self.segments + other.segments,
            self.summaries + other.summaries,
            self.answers + other.answers,
        )

    @classmethod
    def nothing(cls) -> Accounting:
        none = Counts(0, 0, 0, 0, 0)
        return cls(none, none, none, none)

    def rows(self) -> dict[str, dict[str, int]]:
        """The counts by table, as the ``runs`` table has them."""
        return asdict(self)


def leave_out_counted(ledger: Ledger, counted: pa.Table) -> None:
    """Register ``documents_now`` and ``asked_now``: what of the plan no earlier increment has counted.

    ``counted``: (asset_id, question_id), of documents with question_id null.
    """
    ledger.db.register("counted", counted)
    ledger.db.execute(
        """
        CREATE OR REPLACE TEMP VIEW documents_now AS
        SELECT * FROM documents WHERE asset_id NOT IN (SELECT asset_id FROM counted WHERE question_id IS NULL);
        CREATE OR REPLACE TEMP VIEW asked_now AS
        SELECT * FROM asked ANTI JOIN counted USING (asset_id, question_id);
        """
    )


def reconcile(
    ledger: Ledger,
    recipes: Recipes,
    tasks: tuple[Task, ...],
    run_id: str,
    kinds: tuple[str, ...],
    deferred: Deferred,
) -> Accounting:
    """Count what stands, once the ledger's commits are published, of what this run's inputs hold.

    ``ledger`` holds ``files``, ``documents_now``, ``asked_now``, ``assets_changed``, ``tallies`` and ``unread`` of the
    plan. ``kinds`` are the kinds of file that the run reads.
    """
    ledger.db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE results_now AS
        SELECT asset_id, recipe_id, question_id, sum(done)::BIGINT AS done, sum(reused)::BIGINT AS reused FROM (
            SELECT asset_id, recipe_id, question_id, 0 AS done, rows AS reused FROM have
            UNION ALL
            SELECT asset_id, recipe_id, question_id, CASE WHEN run_id = '{run_id}' THEN rows ELSE 0 END,
                   CASE WHEN run_id = '{run_id}' THEN 0 ELSE rows END
            FROM work_rows
        ) GROUP BY ALL;
        CREATE OR REPLACE TEMP VIEW failures_now AS
        SELECT asset_id, stage, segment, question_id, recipe_id FROM recorded_failures AS f
        WHERE NOT ({SETTLED_ANEW} OR {CONTRADICTED})
        UNION ALL SELECT asset_id, stage, segment, question_id, recipe_id FROM work_failures;
        -- Of these no task was due: no page could be read, or some are still to be read.
        CREATE OR REPLACE TEMP TABLE not_due AS
        SELECT asset_id FROM unread
        UNION SELECT asset_id FROM tallies WHERE segment_count IS NULL OR settled < segment_count
        """
    )
    return Accounting(
        assets=_assets(ledger, kinds, run_id),
        segments=_segments(ledger, recipes.read, deferred.segments if "read" in tasks else None),
        summaries=_summaries(ledger, recipes.summarize, deferred.summaries if "summarize" in tasks else None),
        answers=_answers(ledger, deferred.answers if "answer" in tasks else None),
    )


def lost_rows(records: Iterable[CommitRecord]) -> dict[str, int]:
    """By table, how many rows fewer the commits' files hold than their units tell; 0 unless something was lost."""
    missing = dict.fromkeys(_TABLE_OF.values(), 0)
    for record in records:
        for unit in record.units:
            if unit.stage != "identify":
                missing[_TABLE_OF[unit.stage]] += unit.pages or 1
        for row in record.failures:
            if row["stage"] in _TABLE_OF:
                missing[_TABLE_OF[row["stage"]]] -= 1
        for part in record.parts:
            if part.table in missing:
                missing[part.table] -= part.file.rows
            missing["answers"] -= part.covers
    return missing


def _assets(ledger: Ledger, kinds: tuple[str, ...], run_id: str) -> Counts:
    row = _one(
        ledger,
        """
        SELECT count(*) AS seen,
               count(*) FILTER (status = 'failed') AS failed,
               count(*) FILTER (status IN ('skipped', 'pending')) AS skipped,
               count(*) FILTER (status IN ('done', 'partial') AND touched.asset_id IS NOT NULL) AS done,
               count(*) FILTER (status IN ('done', 'partial') AND touched.asset_id IS NULL) AS reused
        FROM (SELECT coalesce(now.asset_id, known.asset_id) AS asset_id,
                     -- What the sister job read of the same folder is not this run's.
                     CASE WHEN files.skipped AND NOT list_contains($1, coalesce(files.named_kind, '')) THEN 'skipped'
                          ELSE coalesce(now.status, known.status) END AS status
              FROM files LEFT JOIN assets_changed AS now ON now.uri = files.uri
              LEFT JOIN published_assets AS known ON known.uri = files.uri) AS counted
        LEFT JOIN (SELECT DISTINCT asset_id FROM work_rows WHERE run_id = $2
                   UNION SELECT asset_id FROM assets_changed WHERE run_id = $2 AND kind = 'subtitles') AS touched
          ON touched.asset_id = counted.asset_id
        """,
        [list(kinds), run_id],
    )
    listed = _one(ledger, "SELECT count(*) AS seen FROM listed")["seen"]
    inside = _one(  # by what the files around them tell
        ledger,
        """
        SELECT coalesce(sum(len(list_filter(attachments, lambda a: a.uri IS NOT NULL))), 0)::BIGINT AS seen FROM files
        """,
    )["seen"]
    unlisted = _one(ledger, "SELECT count(*) AS seen FROM unlisted")["seen"]
    return Counts(**{**row, "seen": listed + inside + unlisted, "failed": row["failed"] + unlisted})


def _segments(ledger: Ledger, recipes: ByKind, deferred: int | None) -> Counts:
    """``deferred`` is None where the run does not read: what nobody has read is then not its own to do."""
    seen = _one(ledger, "SELECT coalesce(sum(segment_count), 0)::BIGINT AS seen FROM documents_now")["seen"]
    row = _sums(ledger, recipes)
    failed = _one(
        ledger,
        """
        WITH due AS (SELECT asset_id, recipe_of($1, kind, cue_key) AS recipe_id FROM documents_now)
        SELECT count(*) AS failed FROM failures_now SEMI JOIN due USING (asset_id, recipe_id)
        WHERE stage IN ('decode', 'read')
        """,
        [recipes.ids],
    )["failed"]
    settled = row["done"] + row["reused"] + failed
    return Counts(seen=seen, failed=failed, skipped=seen - settled if deferred is None else deferred, **row)


def _summaries(ledger: Ledger, recipes: ByKind, deferred: int | None) -> Counts:
    if deferred is None:
        return Counts(0, 0, 0, 0, 0)
    row = _sums(ledger, recipes)
    rest = _one(
        ledger,
        """
        WITH due AS (SELECT asset_id, recipe_of($1, kind, cue_key) AS recipe_id FROM documents_now),
        failed AS (
            SELECT DISTINCT asset_id FROM failures_now SEMI JOIN due USING (asset_id, recipe_id)
            WHERE stage = 'summarize'
        ),
        made AS (SELECT asset_id FROM results_now SEMI JOIN due USING (asset_id, recipe_id) WHERE question_id IS NULL)
        SELECT count(*) AS seen, count(failed.asset_id) AS failed,
               count(*) FILTER (failed.asset_id IS NULL AND documents_now.asset_id IN (SELECT asset_id FROM not_due)
                                AND documents_now.asset_id NOT IN (SELECT asset_id FROM made)) AS skipped
        FROM documents_now LEFT JOIN failed USING (asset_id)
        """,
        [recipes.ids],
    )
    return Counts(seen=rest["seen"], failed=rest["failed"], skipped=rest["skipped"] + deferred, **row)


def _answers(ledger: Ledger, deferred: int | None) -> Counts:
    if deferred is None:
        return Counts(0, 0, 0, 0, 0)
    row = _one(
        ledger,
        """
        SELECT count(*) AS seen, coalesce(sum(results.done), 0)::BIGINT AS done,
               coalesce(sum(results.reused), 0)::BIGINT AS reused, count(failed.asset_id) AS failed,
               count(*) FILTER (results.asset_id IS NULL AND failed.asset_id IS NULL
                                AND asked_now.asset_id IN (SELECT asset_id FROM not_due)) AS skipped
        FROM asked_now
        LEFT JOIN results_now AS results USING (asset_id, recipe_id, question_id)
        LEFT JOIN (SELECT DISTINCT asset_id, question_id, recipe_id FROM failures_now WHERE stage = 'answer') AS failed
          ON failed.asset_id = asked_now.asset_id AND failed.question_id = asked_now.question_id
         AND failed.recipe_id = asked_now.recipe_id
        """,
    )
    return Counts(**{**row, "skipped": row["skipped"] + deferred})


def _sums(ledger: Ledger, recipes: ByKind) -> dict[str, int]:
    return _one(
        ledger,
        """
        SELECT coalesce(sum(done), 0)::BIGINT AS done, coalesce(sum(reused), 0)::BIGINT AS reused
        FROM results_now SEMI JOIN (SELECT asset_id, recipe_of($1, kind, cue_key) AS recipe_id FROM documents_now)
        USING (asset_id, recipe_id) WHERE question_id IS NULL
        """,
        [recipes.ids],
    )


def _one(ledger: Ledger, sql: str, parameters: list[Any] | None = None) -> dict[str, int]:
    """The one row of counts that a query gives."""
    return dict(ledger.query(sql, parameters or []).to_pylist()[0])
