"""The estimate: what a run would do, before it starts, from the listing and the published tables alone.

Nothing is written and no file is opened. Pages of files that were looked into before are counted; pages of new and
changed files are estimated from the published files of their kind: by their mean number of pages, or by pages a byte,
whichever has told known files better. The range holds four cases in five if files keep coming as they have come. Times
and tokens come from earlier runs' rates (``pipeline/rates.py``). Costs the set logic that every run does at its start.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from model.protocol import Task
from pipeline import plan, plan_tasks
from pipeline.config import RunConfig
from pipeline.ledger import Ledger
from pipeline.rates import Rates, WorkKey, rates_of
from pipeline.recipes import Recipes
from pipeline.snapshot import mark_gone, page_tallies
from pipeline.spans import Span

Z80 = 1.2816  # four cases in five lie within so many standard deviations
FEW_FILES = 5  # below this a kind's spread says too little: a third to three times is taken


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What becomes of each file listed; ``deleted`` and ``unlisted`` stand beside these."""

    new: int = 0
    changed: int = 0
    retried: int = 0  # failed before, taken up again
    unfinished: int = 0  # known bytes, with pages, summaries or answers left to do
    reused: int = 0
    failed: int = 0  # failed before, not taken up again
    skipped: int = 0
    deleted: int = 0
    unlisted: int = 0  # inputs that could not be listed


@dataclass(frozen=True, slots=True)
class Estimate:
    """A run's work before it starts. Figures that nothing published can tell are None; ``notes`` say why.

    ``pages`` counts pages and shots: ``known_pages`` of them are counted exactly, the rest is estimated.
    """

    files: FilePlan
    known_pages: int
    pages: Span | None
    summaries: int
    answers: int
    input_tokens: Span | None
    output_tokens: Span | None
    replica_seconds: Span | None
    cost: Span | None
    notes: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """True where nothing is to be computed."""
        work = self.known_pages or self.summaries or self.answers
        return not (work or self.files.new or self.files.changed or self.files.retried)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def estimate(
    ledger: Ledger, listing: plan.Listing, to_look: pa.Table, config: RunConfig, recipes: Recipes, model: str
) -> Estimate:
    """Estimate a run. ``ledger`` holds ``listed``, ``files``, ``documents`` and ``asked`` of the plan."""
    notes: list[str] = []
    ledger.db.register("to_look", to_look)
    reading = "read" in config.tasks
    known = _known_pages(ledger, recipes) if reading else {}
    coming = _coming_pages(ledger, notes)
    work: dict[WorkKey, Span] = {}
    if reading:
        for kind in known.keys() | coming.keys():
            found = coming.get(kind, Span.exactly(0))
            if found is not None:
                work["read", kind] = found + Span.exactly(known.get(kind, 0))
    tasks = _understanding(ledger, config, recipes)
    work |= {key: Span.exactly(count) for key, count in tasks.items()}
    pages_told = not reading or all(found is not None for found in coming.values())
    working = any(amount.high for amount in work.values()) or not pages_told
    rates = rates_of(ledger, model) if working else None
    prediction = rates.predict(work) if pages_told and rates and not _lacking(rates, work, model, notes) else None
    if working and rates is None:
        notes.append(f"No earlier run used {model}: its time and tokens cannot be told before a first run.")
    hours = prediction.replica_seconds * (1 / 3600) if prediction else None
    price = config.price_per_replica_hour
    pages = sum((amount for (task, _), amount in work.items() if task == "read"), Span.exactly(0))
    return Estimate(
        files=_file_plan(ledger, listing, reading),
        known_pages=sum(known.values()),
        pages=pages if pages_told else None,
        summaries=sum(count for (task, _), count in tasks.items() if task == "summarize"),
        answers=sum(count for (task, _), count in tasks.items() if task == "answer"),
        input_tokens=prediction.input_tokens if prediction else None,
        output_tokens=prediction.output_tokens if prediction else None,
        replica_seconds=prediction.replica_seconds if prediction else None,
        cost=hours * price if hours is not None and price is not None else None,
        notes=tuple(notes),
    )


def _known_pages(ledger: Ledger, recipes: Recipes) -> dict[str, int]:
    """Pages to read of files that were looked into before, by kind. Registers ``settled``."""
    ledger.db.register("settled", ledger.settled_counts(recipes.read))
    rows = ledger.query(
        """
        SELECT kind, sum(segment_count - coalesce(settled.pages, 0))::BIGINT AS pages
        FROM documents LEFT JOIN settled USING (asset_id)
        WHERE coalesce(settled.pages, 0) < segment_count GROUP BY kind
        """
    )
    return dict(zip(rows["kind"].to_pylist(), rows["pages"].to_pylist(), strict=True))


def _coming_pages(ledger: Ledger, notes: list[str]) -> dict[str, Span | None]:
    """Pages and shots of files not yet looked into, by kind as their names tell it; None where nothing can tell."""
    rows = ledger.query(
        """
        WITH known AS (
            SELECT kind, count(*) AS n, sum(pages) AS p, sum(bytes) AS b, sum(pages * pages) AS pp,
                   sum(pages * bytes) AS pb, sum(bytes * bytes) AS bb
            FROM (SELECT kind, coalesce(page_count, shot_count)::DOUBLE AS pages, size::DOUBLE AS bytes
                  FROM published_assets)
            WHERE pages IS NOT NULL AND bytes IS NOT NULL GROUP BY kind
        ),
        coming AS (
            SELECT coalesce(named_kind, 'pdf') AS kind, count(*) AS files,
                   coalesce(sum(listed.size), 0)::DOUBLE AS bytes
            FROM (SELECT uri FROM to_look UNION SELECT uri FROM documents WHERE segment_count IS NULL)
            JOIN listed USING (uri) GROUP BY ALL
        )
        SELECT coming.*, known.* EXCLUDE (kind) FROM coming LEFT JOIN known USING (kind) ORDER BY kind
        """
    )
    found: dict[str, Span | None] = {}
    for row in rows.to_pylist():
        found[row["kind"]] = _pages_of_kind(row)
        if found[row["kind"]] is None:
            notes.append(
                f"No {row['kind']} has been read into this output yet: the pages of {row['files']:,} cannot be told "
                "before a first run, say with --limit 100."
            )
        elif row["n"] is None or row["n"] < FEW_FILES:
            notes.append(f"Pages of {row['kind']} files rest on {row['n'] or 0} files known: a wide range is given.")
    return found


def _pages_of_kind(row: Mapping[str, Any]) -> Span | None:
    files, n = row["files"], row["n"] or 0
    if n == 0:
        return Span(files, files, 3 * files) if row["kind"] == "image" else None
    by_mean, by_bytes = row["pp"] - row["p"] ** 2 / n, math.inf
    if row["b"]:
        ratio = row["p"] / row["b"]
        by_bytes = row["pp"] - 2 * ratio * row["pb"] + ratio**2 * row["bb"]
    expected = files * row["p"] / n if by_mean <= by_bytes else ratio * row["bytes"]
    expected = max(expected, files)
    if n < FEW_FILES:
        return Span(max(files, expected / 3), expected, 3 * expected)
    # One file more that is off by a whole mean: known files that are all alike do not promise that the next one is.
    variance = (max(0.0, min(by_mean, by_bytes)) + (row["p"] / n) ** 2) / n
    spread = Z80 * math.sqrt(variance * files * (1 + files / n))
    return Span(max(files, expected - spread), expected, expected + spread)


def _understanding(ledger: Ledger, config: RunConfig, recipes: Recipes) -> dict[WorkKey, int]:
    """Summaries and answers to make, by kind: those that known documents lack, and those of files to come."""
    page_tallies(ledger, recipes.read)
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE ready AS
        SELECT asset_id FROM documents JOIN tallies USING (asset_id)
        WHERE ($1 OR tallies.settled = documents.segment_count) AND asset_id NOT IN (SELECT asset_id FROM unread)
        """,
        ["read" in config.tasks],
    )
    plan_tasks.mark_lacking(ledger, recipes, config.tasks)
    counts: defaultdict[WorkKey, int] = defaultdict(int)
    lacking: tuple[tuple[Task, str], ...] = (("summarize", "summaries_lacking"), ("answer", "answers_lacking"))
    for task, table in lacking:
        rows = ledger.query(f"SELECT kind, count(*) AS n FROM {table} JOIN documents USING (asset_id) GROUP BY kind")
        for row in rows.to_pylist():
            counts[task, row["kind"]] += row["n"]
    if "read" not in config.tasks:
        return dict(counts)
    coming = ledger.query("SELECT uri, coalesce(named_kind, 'pdf') AS kind FROM to_look JOIN listed USING (uri)")
    kinds = coming["kind"].value_counts().to_pylist()
    if "summarize" in config.tasks:
        for item in kinds:
            counts["summarize", item["values"]] += item["counts"]
    for spec in config.questions if config.asks else ():
        if spec.assets is None:
            for item in kinds:
                counts["answer", item["values"]] += item["counts"]
            continue
        for uri, kind in zip(coming["uri"].to_pylist(), coming["kind"].to_pylist(), strict=True):
            counts["answer", kind] += spec.applies_to(uri)
    return dict(counts)


def _lacking(rates: Rates, work: Mapping[WorkKey, Span], model: str, notes: list[str]) -> bool:
    lacking = rates.lacking(work)
    if lacking:
        notes.append(f"No earlier run of {model} did {', '.join(lacking)}: its time and tokens cannot be told yet.")
    elif rates.model != model:
        notes.append(f"Rates are those of {rates.model}: {model} has not been run on this output yet.")
    return bool(lacking)


def _file_plan(ledger: Ledger, listing: plan.Listing, reading: bool) -> FilePlan:
    mark_gone(ledger, listing.complete_inputs)
    rows = ledger.query(
        """
        WITH work_left AS (
            SELECT asset_id FROM tallies WHERE $1 AND (segment_count IS NULL OR settled < segment_count)
            UNION SELECT asset_id FROM summaries_lacking
            UNION SELECT asset_id FROM answers_lacking
        )
        SELECT CASE WHEN listed.skipped THEN 'skipped'
                    WHEN to_look.uri IS NOT NULL AND known.etag <> listed.etag AND known.status <> 'deleted'
                        THEN 'changed'
                    WHEN to_look.uri IS NOT NULL AND known.status = 'failed' THEN 'retried'
                    WHEN to_look.uri IS NOT NULL THEN 'new'
                    WHEN work_left.asset_id IS NOT NULL THEN 'unfinished'
                    WHEN files.unreadable IS NOT NULL OR known.status = 'failed' THEN 'failed'
                    ELSE 'reused' END AS fate, count(*) AS n
        FROM listed LEFT JOIN to_look USING (uri) LEFT JOIN published_assets AS known USING (uri)
        LEFT JOIN files USING (uri) LEFT JOIN work_left ON work_left.asset_id = files.asset_id
        GROUP BY ALL
        """,
        [reading],
    )
    counts = dict(zip(rows["fate"].to_pylist(), rows["n"].to_pylist(), strict=True))
    gone = ledger.query("SELECT count(*) AS n FROM gone JOIN published_assets USING (uri) WHERE status <> 'deleted'")
    return FilePlan(**counts, deleted=gone["n"][0].as_py(), unlisted=len(listing.unlisted))
