"""One run, from start to end: list, identify, plan, read, understand, publish, balance.

The driver holds the listing, the plan and counts; pages and texts pass it by. It may be killed at any moment: the
same command carries on from what is committed.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pyarrow as pa

from model.protocol import ReplicaDescription
from pipeline import plan
from pipeline.bill import Bill
from pipeline.books import Books, Postponed, balance
from pipeline.budget import Budget
from pipeline.config import RunConfig
from pipeline.decode.children import ChildLimits
from pipeline.decode.pages import DecodeSettings
from pipeline.estimate import Estimate, estimate
from pipeline.lease import Lease
from pipeline.ledger import Ledger
from pipeline.manifest import Manifest, load_manifest, save_manifest, unlisted
from pipeline.progress import StageProgress
from pipeline.publish import publish_results, read_published, replace_table
from pipeline.recipes import Recipes, make_recipes
from pipeline.remote import RETRIES
from pipeline.retry import kept_failures, merged_failures
from pipeline.rows import Provenance, now
from pipeline.session import ray_session, run_actors
from pipeline.snapshot import page_tallies, take_snapshot
from pipeline.spool import default_folder
from pipeline.stages.identify import FILES_PER_BLOCK, IdentifyActor, IdentifyJob
from pipeline.stages.pictures import PictureAccess
from pipeline.stages.prepare import ReadJob
from pipeline.stages.read import ReadActor
from pipeline.stages.results import UnitResult
from pipeline.stages.understand import DOCUMENTS, UnderstandActor, UnderstandJob
from pipeline.store import OutputError, OutputStore
from pipeline.versions import versions
from pipeline.work import WorkArea
from schemas.migrations import to_table

PAGES_PER_BLOCK = 128
DOCUMENTS_PER_BLOCK = 16
UNITS_PER_BLOCK_LIMITED = 4  # a run with a budget oversteps it by a block a replica: blocks are small then


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its books, its bill, where it published them, and how often a store had to be asked again."""

    run_id: str
    books: Books
    manifest: Manifest
    bill: Bill
    retried_requests: int


class Run:
    """The state of one run. ``execute`` does all of it; ``preview`` tells what it would do."""

    budget: Budget
    estimate: Estimate
    session: _LazySession

    def __init__(self, config: RunConfig, replica: ReplicaDescription) -> None:
        self.config = config
        self.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        self.started_at = now()
        self.replica = replica
        if config.gpus_per_replica is not None:
            self.replica = replace(replica, num_gpus=config.gpus_per_replica)
        self.settings = DecodeSettings(
            dpi=config.dpi,
            # Whoever reads the picture compares words with the layer at most: no layout network is run for that.
            layout=config.layout if replica.reads_layer else "fast",
            render="when_needed" if self.replica.reads_layer else "always",
            max_pixels=config.max_pixels,
            thumbnail_px=config.thumbnails,
        )
        questions = config.questions if config.asks else ()
        self.recipes: Recipes = make_recipes(self.replica, self.settings, {q.id: q.question for q in questions})
        self.totals = UnitResult()
        self.pages = UnitResult()  # of the read stage
        self.tasks = UnitResult()  # of the understand stage

    def preview(self) -> Estimate:
        """What the run would do, from the listing and the published tables. Writes nothing and starts nothing.

        Raises:
            ManifestError: with what to do about it.
        """
        store = OutputStore(self.config.output)
        manifest = load_manifest(store)
        ledger = Ledger(manifest, WorkArea(store, manifest.generation + 1), self.config.reasons_to_retry)
        try:
            self._plan(ledger, plan.list_files(self.config))
            return self.estimate
        finally:
            ledger.close()

    def execute(self) -> Outcome:
        """Do the run.

        Raises:
            ManifestError, SessionError, OutputError, OutputBusyError, LeaseLostError: with what to do about it.
        """
        store = OutputStore(self.config.output)
        with Lease(store, self.run_id, _say) as self._lease:
            return self._execute(store)

    def _execute(self, store: OutputStore) -> Outcome:
        manifest = load_manifest(store)
        work = WorkArea(store, manifest.generation + 1)
        work.clear_older()
        plan.forget_passing_failures(work)
        listing = plan.list_files(self.config)
        plan.commit_unlisted(work, listing, self.run_id)
        ledger = Ledger(manifest, work, self.config.reasons_to_retry)
        self.budget = Budget(
            work, self.run_id, replica_seconds=self.config.replica_seconds, deadline=self.config.deadline
        )
        try:
            with self.budget:
                self._compute(ledger, listing)
            return self._publish(ledger, manifest, listing)
        finally:
            ledger.close()

    # The stages. Ray starts only where there is something to do.

    def _plan(self, ledger: Ledger, listing: plan.Listing) -> pa.Table:
        """The files to look into; the estimate is made on the way."""
        unknown = plan.files_to_identify(
            ledger,
            listing,
            passwords_given=bool(self.config.passwords),
            retry=self.config.reasons_to_retry,
            newest_first=self.config.limited,
        )
        self._resolve(ledger)
        self.estimate = estimate(ledger, listing, unknown, self.config, self.recipes, self._model)
        return unknown

    def _resolve(self, ledger: Ledger) -> None:
        plan.resolve_files(ledger)
        plan.register_questions(ledger, self.config.questions if self.config.asks else (), self.recipes)

    def _compute(self, ledger: Ledger, listing: plan.Listing) -> None:
        unknown = self._plan(ledger, listing)
        spool = str(default_folder())
        with _LazySession(self.config, self.replica) as self.session:
            if unknown.num_rows:
                self._identify(ledger, unknown, spool)
                self._resolve(ledger)
            if self.config.limited:  # what the last budget left read and not understood comes first
                self._understand(ledger, spool)
            if "read" in self.config.tasks:
                self._read(ledger, spool)
            self._understand(ledger, spool)

    def _identify(self, ledger: Ledger, files: pa.Table, spool: str) -> None:
        job = IdentifyJob(ledger.work, self.run_id, spool, *self._access(), self.budget.sign)
        blocks = [files.slice(start, FILES_PER_BLOCK) for start in range(0, files.num_rows, FILES_PER_BLOCK)]
        untouched = UnitResult(postponed=files.num_rows)
        self._stage("identify", "files", untouched, blocks, IdentifyActor, job, gpus=0.0)
        ledger.refresh()

    def _read(self, ledger: Ledger, spool: str) -> None:
        units = list(
            plan.units_to_read(ledger, self.recipes.read, self.config.pages_per_unit, newest_first=self.config.limited)
        )
        if not units:
            return
        provenance = self._provenance(self.recipes.read)
        job = ReadJob(
            ledger.work,
            self.config.choice,
            provenance,
            self.settings,
            spool,
            *self._access(),
            self.config.seconds_per_read,
            self.budget.sign,
        )
        most = UNITS_PER_BLOCK_LIMITED * self.config.pages_per_unit if self.config.limited else PAGES_PER_BLOCK
        blocks = plan.into_blocks(units, self.config.replicas, min(most, PAGES_PER_BLOCK))
        untouched = UnitResult(postponed=sum(unit["last"] - unit["first"] + 1 for unit in units))
        self.pages = self._stage("read", "pages", untouched, blocks, ReadActor, job, gpus=self.replica.num_gpus)
        ledger.refresh()

    def _understand(self, ledger: Ledger, spool: str) -> None:
        page_tallies(ledger, self.recipes.read)
        documents = plan.documents_to_understand(
            ledger, self.recipes, self.config.tasks, newest_first=self.config.limited
        )
        self.tasks = replace(self.tasks, postponed=0, postponed_summaries=0)  # all that is still lacking is told anew
        if not documents:
            return
        job = UnderstandJob(
            ledger.work,
            self.config.choice,
            self.recipes.read,
            self._provenance(self.recipes.summarize),
            self.config.seconds_per_read,
            PictureAccess(replace(self.settings, thumbnail_px=0), spool, *self._access())
            if self.replica.looks
            else None,
            self.budget.sign,
        )
        most = UNITS_PER_BLOCK_LIMITED if self.config.limited else DOCUMENTS_PER_BLOCK
        size = max(1, min(most, len(documents) // (4 * self.config.replicas)))
        blocks = [
            pa.Table.from_pylist(documents[start : start + size], schema=DOCUMENTS)
            for start in range(0, len(documents), size)
        ]
        untouched = UnitResult(
            postponed=sum(row["summary_wanted"] + len(row["questions"]) for row in documents),
            postponed_summaries=sum(row["summary_wanted"] for row in documents),
        )
        self.tasks.add(
            self._stage("understand", "tasks", untouched, blocks, UnderstandActor, job, gpus=self.replica.num_gpus)
        )
        ledger.refresh()

    def _stage(
        self,
        name: str,
        noun: str,
        untouched: UnitResult,
        blocks: list[pa.Table],
        actor: type,
        job: object,
        *,
        gpus: float,
    ) -> UnitResult:
        """Put the blocks through and return what became of them: ``untouched`` where the run has stopped already."""
        if self.budget.stopped:
            return untouched
        self.session.start()
        outcomes = run_actors(
            blocks, actor, job, size=self.config.replicas, num_cpus=self.replica.num_cpus, num_gpus=gpus
        )
        with StageProgress(name, untouched.postponed, noun) as progress:
            for result in _unit_results(outcomes):
                progress.add(result)
                self.totals.add(result)
                self._lease.check()
                if result.output_error:
                    raise OutputError(result.output_error)
                self.budget.spend(result)
        return progress.total

    def _access(self) -> tuple[int, ChildLimits, tuple[str, ...]]:
        limits = ChildLimits(memory_bytes=self.config.memory_mb << 20, seconds_per_page=self.config.seconds_per_page)
        passwords = tuple(password.get_secret_value() for password in self.config.passwords)
        return self.config.max_file_mb << 20, limits, passwords

    def _provenance(self, recipe_id: str) -> Provenance:
        return Provenance(recipe_id, self.run_id, self._model)

    @property
    def _model(self) -> str:
        return f"{self.replica.name}@{self.replica.revision}"

    # Publishing.

    def _publish(self, ledger: Ledger, before: Manifest, listing: plan.Listing) -> Outcome:
        work = ledger.work
        after = publish_results(work, before, self.run_id)
        failures = merged_failures(ledger, plan.identified_files(work), self.config.inputs)
        kept = kept_failures(ledger, self.recipes.read, self.recipes.summarize)
        if failures is not None or not after.tables["failures"]:
            table = failures if failures is not None else read_published(work.store, before, "failures")
            after = replace_table(work.store, after, "failures", table, self.run_id)
        ledger.advance(after, WorkArea(work.store, work.generation + 1))
        assets = take_snapshot(
            ledger, listing.complete_inputs, self.recipes, self.config.tasks, self.run_id, self.budget.stopped
        )
        if not before.tables["assets"] or not assets.equals(read_published(work.store, before, "assets")):
            after = replace_table(work.store, after, "assets", assets, self.run_id)
        postponed = Postponed(
            self.pages.postponed - kept.segments,
            self.tasks.postponed_summaries - kept.summaries,
            self.tasks.postponed - self.tasks.postponed_summaries - kept.answers,
        )
        books = balance(ledger, self.recipes, self.config.tasks, self.run_id, assets, postponed)
        runs = pa.concat_tables([read_published(work.store, before, "runs"), to_table("runs", [self._row(books)])])
        after = replace_table(work.store, after, "runs", runs, self.run_id)
        after = Manifest(self.run_id, work.generation, tables=after.tables)
        work.store.write("views.sql", resources.files("schemas").joinpath("views.sql").read_bytes())
        self._lease.check(thoroughly=True)
        save_manifest(work.store, after)
        WorkArea(work.store, work.generation + 1).clear_older()
        work.store.delete(unlisted(work.store, before, after))
        retried = self.totals.retried_requests + RETRIES.take()
        return Outcome(self.run_id, books, after, self._bill(), retried)

    def _bill(self) -> Bill:
        seconds = self.totals.busy_seconds + self.totals.idle_seconds
        price = self.config.price_per_replica_hour
        return Bill(
            pages=self.pages.done + self.pages.failed,
            tasks=self.tasks.done + self.tasks.failed,
            input_tokens=self.totals.input_tokens,
            output_tokens=self.totals.output_tokens,
            replica_seconds=seconds,
            cost=None if price is None else seconds / 3600 * price,
            estimate=self.estimate,
            stopped=self.budget.stopped,
        )

    def _row(self, books: Books) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "started_at": self.started_at,
            "finished_at": now(),
            "arguments": json.dumps(self.config.public(), ensure_ascii=False),
            "versions": list(versions().items()),
            **books.rows(),
            "input_tokens": self.totals.input_tokens,
            "output_tokens": self.totals.output_tokens,
            "busy_seconds": self.totals.busy_seconds,
            "idle_seconds": self.totals.idle_seconds,
            "cost": self._bill().cost,
        }


def _say(words: str) -> None:
    sys.stderr.write(f"folioscope: {words}\n")
    sys.stderr.flush()


class _LazySession:
    """A Ray session that starts at the first stage with work, so that a run with none does not wait for it."""

    def __init__(self, config: RunConfig, replica: ReplicaDescription) -> None:
        self._session = ray_session(config.address, config.replicas * replica.num_cpus)
        self._started = False

    def start(self) -> None:
        if not self._started:
            self._session.__enter__()
            self._started = True

    def __enter__(self) -> _LazySession:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._started:
            self._session.__exit__(*error)


def _unit_results(tables: Iterable[pa.Table]) -> Iterable[UnitResult]:
    for table in tables:
        for row in table.to_pylist():
            yield UnitResult(**row)
