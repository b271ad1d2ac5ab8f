"""The estimate: what a run would do, before it starts, from the listing and the published tables alone.

Nothing is written, and no file is opened but a few PDFs at random where none is known yet (``sample.py``). Pages of
files looked into before are counted; those of new and changed files are estimated from the published files of their
kind: by their mean number of pages, or by pages a byte, whichever told known files better. The range holds four cases
in five if files come as they have come. Times and tokens come from earlier runs' rates (``rates.py``).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from folioscope.model.protocol import Task
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.interval import Interval
from folioscope.pipeline.logs import counted
from folioscope.pipeline.planning import tasks as plan_tasks
from folioscope.pipeline.planning.listing import Listing
from folioscope.pipeline.planning.rates import Rates, WorkKey, rates_of
from folioscope.pipeline.planning.sample import CountedFile, PageSampler
from folioscope.pipeline.tables.assets import page_tallies
from folioscope.pipeline.tables.attachments import mark_gone
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.problems import FailedItem, Problems, listing_problems, problems_of
from folioscope.pipeline.tables.recipes import Recipes
from folioscope.pipeline.tables.settled import count_settled

Z80 = 1.2816  # four cases in five lie within so many standard deviations
COUNTED_BY_LOOKING = ("pdf",)  # a picture is a page, mostly; shots are found by decoding all of a video
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
    pages: Interval | None
    summaries: int
    answers: int
    input_tokens: Interval | None
    output_tokens: Interval | None
    replica_seconds: Interval | None
    cost: Interval | None
    notes: tuple[str, ...]
    problems: Problems
    pages_by_layer: Interval | None = None  # of PDFs, read without the model; None where nobody looked
    pages_by_model: Interval | None = None  # and shots

    @property
    def empty(self) -> bool:
        """True where nothing is to be computed."""
        work = self.known_pages or self.summaries or self.answers
        return not (work or self.files.new or self.files.changed or self.files.retried)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def estimate(
    ledger: Ledger,
    listing: Listing,
    config: RunConfig,
    recipes: Recipes,
    model: str,
    sampler: PageSampler | None = None,
) -> Estimate:
    """Estimate a run. ``ledger`` holds ``listed``, ``at_rest``, ``to_look``, ``files``, ``documents``, ``asked``;
    a ``sampler`` looks into a few files of kinds of which nothing is known yet.
    """
    notes: list[str] = []
    reading = "read" in config.tasks
    known = _known_pages(ledger, recipes) if reading else {}
    coming = _coming_pages(ledger, notes, sampler)
    work: dict[WorkKey, Interval] = {}
    if reading:
        for kind in known.keys() | coming.keys():
            found = coming.get(kind, Interval.exactly(0))
            if found is not None:
                work["read", kind] = found + Interval.exactly(known.get(kind, 0))
    tasks = _understanding(ledger, config, recipes)
    work |= {key: Interval.exactly(count) for key, count in tasks.items()}
    pages_told = not reading or all(found is not None for found in coming.values())
    working = any(amount.high for amount in work.values()) or not pages_told
    rates = rates_of(ledger, model) if working else None
    prediction = rates.predict(work) if pages_told and rates and not _lacking(rates, work, model, notes) else None
    if working and rates is None:
        notes.append(f"No earlier run used {model}: its time and tokens cannot be told before a first run.")
    cost = None
    if prediction is not None:
        cost = config.prices.cost(prediction.replica_seconds, prediction.input_tokens, prediction.output_tokens)
    pages = sum((amount for (task, _), amount in work.items() if task == "read"), Interval.exactly(0))
    by_layer = sampler.by_layer(ledger, work.get(("read", "pdf")), notes) if sampler else None
    return Estimate(
        files=_file_plan(ledger, listing, reading),
        known_pages=sum(known.values()),
        pages=pages if pages_told else None,
        summaries=sum(count for (task, _), count in tasks.items() if task == "summarize"),
        answers=sum(count for (task, _), count in tasks.items() if task == "answer"),
        input_tokens=prediction.input_tokens if prediction else None,
        output_tokens=prediction.output_tokens if prediction else None,
        replica_seconds=prediction.replica_seconds if prediction else None,
        cost=cost,
        notes=tuple(notes),
        problems=_problems(ledger, listing, config, recipes),
        pages_by_layer=by_layer,
        pages_by_model=pages - by_layer if by_layer is not None and pages_told else None,
    )


def _problems(ledger: Ledger, listing: Listing, config: RunConfig, recipes: Recipes) -> Problems:
    """What is left undone as things stand: inputs that cannot be listed, failures not tried again, files skipped."""
    known = problems_of(ledger, config.kinds, recipes.ids)
    failed = [FailedItem(item.uri, "plan", None, item.failure.message) for item in listing.failed_inputs]
    unlisted = listing_problems(failed, [item.failure.reason for item in listing.failed_inputs])
    return replace(known, failures=(*unlisted, *known.failures))


def _known_pages(ledger: Ledger, recipes: Recipes) -> dict[str, int]:
    """Pages to read of files that were looked into before, by kind. Registers ``settled``."""
    count_settled(ledger, recipes.read)
    rows = ledger.query(
        """
        SELECT kind, sum(segment_count - coalesce(settled.pages, 0))::BIGINT AS pages
        FROM documents LEFT JOIN settled USING (asset_id)
        WHERE coalesce(settled.pages, 0) < segment_count GROUP BY kind
        """
    )
    return dict(zip(rows["kind"].to_pylist(), rows["pages"].to_pylist(), strict=True))


def _coming_pages(ledger: Ledger, notes: list[str], sampler: PageSampler | None) -> dict[str, Interval | None]:
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
            JOIN listed USING (uri) WHERE named_kind IS DISTINCT FROM 'subtitles' GROUP BY ALL
        )
        SELECT coming.*, known.* EXCLUDE (kind) FROM coming LEFT JOIN known USING (kind) ORDER BY kind
        """
    )
    found: dict[str, Interval | None] = {}
    for row in rows.to_pylist():
        if not row["n"] and row["kind"] in COUNTED_BY_LOOKING and sampler is not None:
            looked_into = sampler.count(ledger, row["kind"])
            row |= _sums(looked_into)
            notes.append(
                f"Pages of {row['kind']} files were counted in {len(looked_into):,} of {row['files']:,}, at random."
            )
        found[row["kind"]] = _pages_of_kind(row)
        if found[row["kind"]] is None:
            notes.append(
                f"No {row['kind']} has been read into this output yet: the pages of {row['files']:,} cannot be told "
                "before a first run, say with --limit 100."
            )
        elif row["n"] is None or row["n"] < FEW_FILES:
            notes.append(
                f"Pages of {row['kind']} files rest on {counted(row['n'] or 0, 'known file')}: a wide range is given."
            )
    return found


def _sums(files: Sequence[CountedFile]) -> dict[str, float]:
    """What the query over published files tells, of files that were looked into."""
    return {
        "n": len(files),
        "p": sum(file.pages for file in files),
        "b": sum(file.size for file in files),
        "pp": sum(file.pages**2 for file in files),
        "pb": sum(file.pages * file.size for file in files),
        "bb": sum(file.size**2 for file in files),
    }


def _pages_of_kind(row: Mapping[str, Any]) -> Interval | None:
    files, n = row["files"], row["n"] or 0
    if n == 0:
        return Interval(files, files, 3 * files) if row["kind"] == "image" else None
    by_mean, by_bytes = row["pp"] - row["p"] ** 2 / n, math.inf
    if row["b"]:
        ratio = row["p"] / row["b"]
        by_bytes = row["pp"] - 2 * ratio * row["pb"] + ratio**2 * row["bb"]
    expected = files * row["p"] / n if by_mean <= by_bytes else ratio * row["bytes"]
    expected = max(expected, files)
    if n < FEW_FILES:
        return Interval(max(files, expected / 3), expected, 3 * expected)
    # One file more that is off by a whole mean: known files that are all alike do not promise that the next one is.
    variance = (max(0.0, min(by_mean, by_bytes)) + (row["p"] / n) ** 2) / n
    spread = Z80 * math.sqrt(variance * files * (1 + files / n))
    return Interval(max(files, expected - spread), expected, expected + spread)


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
    coming = ledger.query(
        """
        SELECT uri, coalesce(named_kind, 'pdf') AS kind FROM to_look JOIN listed USING (uri)
        WHERE named_kind IS DISTINCT FROM 'subtitles'
        """
    )
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


def _lacking(rates: Rates, work: Mapping[WorkKey, Interval], model: str, notes: list[str]) -> bool:
    lacking = rates.lacking(work)
    if lacking:
        notes.append(f"No earlier run of {model} did {', '.join(lacking)}: its time and tokens cannot be told yet.")
    elif rates.model != model:
        notes.append(f"Rates are those of {rates.model}: {model} has not been run on this output yet.")
    return bool(lacking)


def _file_plan(ledger: Ledger, listing: Listing, reading: bool) -> FilePlan:
    mark_gone(ledger, listing.coverage)
    rows = ledger.query(
        """
        WITH work_left AS (
            SELECT asset_id FROM tallies WHERE $1 AND (segment_count IS NULL OR settled < segment_count)
            UNION SELECT asset_id FROM summaries_lacking
            UNION SELECT asset_id FROM answers_lacking
        )
        SELECT CASE WHEN files.skipped THEN 'skipped'
                    WHEN to_look.uri IS NULL AND work_left.asset_id IS NOT NULL THEN 'unfinished'
                    WHEN to_look.uri IS NULL AND (files.unreadable IS NOT NULL OR known.status = 'failed') THEN 'failed'
                    WHEN to_look.uri IS NULL THEN 'reused'
                    WHEN known.etag <> files.etag AND known.status <> 'deleted' THEN 'changed'
                    WHEN known.status IN ('failed', 'done', 'partial') THEN 'retried'
                    ELSE 'new' END AS fate, count(*) AS n
        FROM files LEFT JOIN to_look USING (uri) LEFT JOIN published_assets AS known USING (uri)
        LEFT JOIN work_left ON work_left.asset_id = files.asset_id
        GROUP BY ALL
        """,
        [reading],
    )
    counts = dict(zip(rows["fate"].to_pylist(), rows["n"].to_pylist(), strict=True))
    counts["reused"] = counts.get("reused", 0) + ledger.query("SELECT count(*) AS n FROM at_rest")["n"][0].as_py()
    gone = ledger.query("SELECT count(*) AS n FROM gone JOIN published_assets USING (uri) WHERE status <> 'deleted'")
    return FilePlan(**counts, deleted=gone["n"][0].as_py(), unlisted=len(listing.failed_inputs))
