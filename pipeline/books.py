"""The books of a run: for files, pages, summaries and answers, seen = done + reused + failed + skipped.

``seen`` comes from the listing and the plan; the other four are counted in the published rows, by other queries. A
row lost anywhere between the two shows as a difference.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from model.protocol import Task
from pipeline.ledger import Ledger
from pipeline.recipes import Recipes


@dataclass(frozen=True, slots=True)
class Postponed:
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

    @property
    def missing(self) -> int:
        """How many of those seen are in no other column; 0 where the books balance."""
        return self.seen - self.done - self.reused - self.failed - self.skipped


@dataclass(frozen=True, slots=True)
class Books:
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

    def rows(self) -> dict[str, Any]:
        return asdict(self)


def balance(
    ledger: Ledger,
    recipes: Recipes,
    tasks: tuple[Task, ...],
    run_id: str,
    assets: pa.Table,
    kinds: tuple[str, ...],
    postponed: Postponed,
) -> Books:
    """Count what is published of what this run's inputs hold.

    ``ledger`` must see the tables to be published, and hold ``files``, ``documents`` and ``asked`` of the plan;
    ``assets`` is the assets table to be published; ``kinds`` are the kinds of file that the run reads.
    """
    ledger.db.register("assets_now", assets)
    ledger.db.register("touched", _touched(ledger, recipes, run_id))
    # Of these no task was due: no page could be read, or some are still to be read.
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE not_due AS
        SELECT asset_id FROM unread
        UNION SELECT asset_id FROM tallies WHERE segment_count IS NULL OR settled < segment_count
        """
    )
    return Books(
        assets=_assets(ledger, kinds),
        segments=_segments(ledger, recipes.read, run_id, postponed.segments if "read" in tasks else None),
        summaries=_summaries(ledger, recipes, run_id, postponed.summaries if "summarize" in tasks else None),
        answers=_answers(ledger, run_id, postponed.answers if "answer" in tasks else None),
    )


def _touched(ledger: Ledger, recipes: Recipes, run_id: str) -> pa.Table:
    """Assets of which this run computed anything."""
    return ledger.query(
        """
        SELECT asset_id FROM published_segments WHERE run_id = $1 AND recipe_id = $2
        UNION SELECT asset_id FROM published_summaries WHERE run_id = $1
        UNION SELECT asset_id FROM published_answers WHERE run_id = $1
        """,
        [run_id, recipes.read],
    )


def _assets(ledger: Ledger, kinds: tuple[str, ...]) -> Counts:
    row = _one(
        ledger,
        """
        SELECT count(*) AS seen,
               count(*) FILTER (status = 'failed') AS failed,
               count(*) FILTER (status IN ('skipped', 'pending')) AS skipped,
               count(*) FILTER (status IN ('done', 'partial') AND touched.asset_id IS NOT NULL) AS done,
               count(*) FILTER (status IN ('done', 'partial') AND touched.asset_id IS NULL) AS reused
        FROM (SELECT now.asset_id,
                     -- What the sister job read of the same folder is not this run's.
                     CASE WHEN files.skipped AND NOT list_contains($1, coalesce(files.named_kind, '')) THEN 'skipped'
                          ELSE now.status END AS status
              FROM files JOIN assets_now AS now ON now.uri = files.uri) AS counted
        LEFT JOIN touched ON touched.asset_id = counted.asset_id
        """,
        [list(kinds)],
    )
    listed = _one(ledger, "SELECT count(*) AS seen FROM listed")["seen"]
    unlisted = _one(ledger, "SELECT count(*) AS seen FROM unlisted")["seen"]
    return Counts(**{**row, "seen": listed + unlisted, "failed": row["failed"] + unlisted})


def _segments(ledger: Ledger, recipe_id: str, run_id: str, postponed: int | None) -> Counts:
    """``postponed`` is None where the run does not read: what nobody has read is then not its own to do."""
    seen = _one(ledger, "SELECT coalesce(sum(segment_count), 0)::BIGINT AS seen FROM documents")["seen"]
    row = _one(
        ledger,
        """
        SELECT count(*) FILTER (run_id = $1) AS done, count(*) FILTER (run_id <> $1) AS reused
        FROM published_segments SEMI JOIN documents USING (asset_id) WHERE recipe_id = $2
        """,
        [run_id, recipe_id],
    )
    failed = _one(
        ledger,
        """
        SELECT count(*) AS failed FROM published_failures SEMI JOIN documents USING (asset_id)
        WHERE recipe_id = $1 AND stage IN ('decode', 'read')
        """,
        [recipe_id],
    )["failed"]
    settled = row["done"] + row["reused"] + failed
    return Counts(seen=seen, failed=failed, skipped=seen - settled if postponed is None else postponed, **row)


def _summaries(ledger: Ledger, recipes: Recipes, run_id: str, postponed: int | None) -> Counts:
    if postponed is None:
        return Counts(0, 0, 0, 0, 0)
    row = _one(
        ledger,
        """
        SELECT (SELECT count(*) FROM documents) AS seen,
               count(*) FILTER (run_id = $1) AS done, count(*) FILTER (run_id <> $1) AS reused
        FROM published_summaries SEMI JOIN documents USING (asset_id) WHERE recipe_id = $2
        """,
        [run_id, recipes.summarize],
    )
    failed = _one(
        ledger,
        """
        SELECT count(*) AS failed FROM published_failures SEMI JOIN documents USING (asset_id)
        WHERE recipe_id = $1 AND stage = 'summarize'
        """,
        [recipes.summarize],
    )["failed"]
    not_due = _one(
        ledger,
        """
        SELECT count(*) AS n FROM documents SEMI JOIN not_due USING (asset_id) WHERE asset_id NOT IN (
            SELECT asset_id FROM published_summaries WHERE recipe_id = $1
            UNION ALL SELECT asset_id FROM published_failures WHERE recipe_id = $1 AND stage = 'summarize')
        """,
        [recipes.summarize],
    )["n"]
    return Counts(failed=failed, skipped=not_due + postponed, **row)


def _answers(ledger: Ledger, run_id: str, postponed: int | None) -> Counts:
    if postponed is None:
        return Counts(0, 0, 0, 0, 0)
    row = _one(
        ledger,
        """
        SELECT (SELECT count(*) FROM asked) AS seen,
               count(*) FILTER (run_id = $1) AS done, count(*) FILTER (run_id <> $1) AS reused
        FROM published_answers SEMI JOIN asked USING (asset_id, question_id, recipe_id)
        """,
        [run_id],
    )
    failed = _one(
        ledger,
        """
        SELECT count(*) AS failed FROM published_failures SEMI JOIN asked USING (asset_id, question_id, recipe_id)
        WHERE stage = 'answer'
        """,
    )["failed"]
    not_due = _one(
        ledger,
        """
        SELECT count(*) AS n FROM asked SEMI JOIN not_due USING (asset_id) ANTI JOIN (
            SELECT asset_id, question_id, recipe_id FROM published_answers
            UNION ALL SELECT asset_id, question_id, recipe_id FROM published_failures WHERE stage = 'answer'
        ) AS settled USING (asset_id, question_id, recipe_id)
        """,
    )["n"]
    return Counts(failed=failed, skipped=not_due + postponed, **row)


def _one(ledger: Ledger, sql: str, parameters: list[Any] | None = None) -> dict[str, Any]:
    return dict(ledger.query(sql, parameters or []).to_pylist()[0])
