"""One run, from start to end: list, plan, compute, publish, balance.

The driver holds the listing, the plan and counts. It may be killed at any moment: the same command carries on from
what is committed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

import pyarrow as pa

from model.protocol import ReplicaDescription
from pipeline import plan, plan_films
from pipeline.bill import Bill
from pipeline.books import Books, Postponed, balance
from pipeline.budget import Budget
from pipeline.compute import Computation
from pipeline.config import RunConfig
from pipeline.estimate import Estimate, estimate
from pipeline.lease import Lease
from pipeline.ledger import Ledger
from pipeline.logs import say
from pipeline.manifest import Manifest, load_manifest, save_manifest, unlisted
from pipeline.publish import publish_results, read_published, replace_table
from pipeline.remote import RETRIES
from pipeline.retry import kept_failures, merged_failures
from pipeline.rows import now
from pipeline.setup import RunSetup
from pipeline.snapshot import take_snapshot
from pipeline.store import OutputStore
from pipeline.versions import versions
from pipeline.work import WorkArea
from schemas.migrations import to_table


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its books and bill, where it published them, and how often a store had to be asked again."""

    run_id: str
    books: Books
    manifest: Manifest
    bill: Bill
    retried_requests: int


class Run:
    """One run. ``execute`` does all of it; ``preview`` tells what it would do."""

    def __init__(self, config: RunConfig, replica: ReplicaDescription) -> None:
        self.config = config
        self.replica = replica
        self.setup = RunSetup.of(config, replica)
        self.started_at = now()

    def preview(self) -> Estimate:
        """What the run would do, from the listing and the published tables. Writes nothing and starts nothing.

        Raises:
            ManifestError: with what to do about it.
        """
        store = OutputStore(self.config.output)
        manifest = load_manifest(store)
        ledger = Ledger(manifest, WorkArea(store, manifest.generation + 1), self.config.reasons_to_retry)
        try:
            return self._plan(ledger, plan.list_files(self.config))[1]
        finally:
            ledger.close()

    def execute(self) -> Outcome:
        """Do the run.

        Raises:
            ManifestError, SessionError, OutputError, OutputBusyError, LeaseLostError: with what to do about it.
        """
        store = OutputStore(self.config.output)
        with Lease(store, self.setup.run_id, say) as lease:
            return self._execute(store, lease)

    def _execute(self, store: OutputStore, lease: Lease) -> Outcome:
        manifest = load_manifest(store)
        work = WorkArea(store, manifest.generation + 1)
        work.clear_older()
        plan.forget_passing_failures(work)
        listing = plan.list_files(self.config)
        plan.commit_unlisted(work, listing, self.setup.run_id)
        ledger = Ledger(manifest, work, self.config.reasons_to_retry)
        budget = Budget(
            work, self.setup.run_id, replica_seconds=self.config.replica_seconds, deadline=self.config.deadline
        )
        computation = Computation(self.setup, ledger, budget, lease)
        try:
            with budget:
                unknown, planned = self._plan(ledger, listing)
                computation.run(unknown)
            bill = self._bill(computation, planned, budget)
            return self._publish(ledger, manifest, listing, computation, bill, lease)
        finally:
            ledger.close()

    def _plan(self, ledger: Ledger, listing: plan.Listing) -> tuple[pa.Table, Estimate]:
        """The files to look into, and the estimate of the whole run."""
        unknown = plan.files_to_identify(
            ledger,
            listing,
            passwords_given=bool(self.config.passwords),
            retry=self.config.reasons_to_retry,
            newest_first=self.config.limited,
        )
        self.setup.resolve(ledger)
        planned = estimate(ledger, listing, unknown, self.config, self.setup.recipes, self.setup.model)
        return unknown, planned

    def _bill(self, computed: Computation, planned: Estimate, budget: Budget) -> Bill:
        totals = computed.totals
        seconds = totals.busy_seconds + totals.idle_seconds
        price = self.config.price_per_replica_hour
        return Bill(
            pages=computed.pages.done + computed.pages.failed,
            tasks=computed.tasks.done + computed.tasks.failed,
            input_tokens=totals.input_tokens,
            output_tokens=totals.output_tokens,
            replica_seconds=seconds,
            cost=None if price is None else seconds / 3600 * price,
            estimate=planned,
            stopped=budget.stopped,
        )

    def _publish(
        self,
        ledger: Ledger,
        before: Manifest,
        listing: plan.Listing,
        computed: Computation,
        bill: Bill,
        lease: Lease,
    ) -> Outcome:
        setup, work, tasks = self.setup, ledger.work, self.config.tasks
        after = publish_results(work, before, setup.run_id)
        cut = plan_films.films_tried_again(ledger)
        failures = merged_failures(ledger, plan.identified_files(work), cut, self.config.inputs)
        kept = kept_failures(ledger, setup.recipes.read, setup.recipes.summarize)
        if failures is not None or not after.tables["failures"]:
            table = failures if failures is not None else read_published(work.store, before, "failures")
            after = replace_table(work.store, after, "failures", table, setup.run_id)
        ledger.advance(after, WorkArea(work.store, work.generation + 1))
        assets = take_snapshot(
            ledger, listing.complete_inputs, setup.recipes, tasks, setup.run_id, self.config.kinds, bill.stopped
        )
        if not before.tables["assets"] or not assets.equals(read_published(work.store, before, "assets")):
            after = replace_table(work.store, after, "assets", assets, setup.run_id)
        postponed = Postponed(
            computed.pages.postponed - kept.segments,
            computed.tasks.postponed_summaries - kept.summaries,
            computed.tasks.postponed - computed.tasks.postponed_summaries - kept.answers,
        )
        books = balance(ledger, setup.recipes, tasks, setup.run_id, assets, self.config.kinds, postponed)
        row = to_table("runs", [self._row(books, computed, bill)])
        runs = pa.concat_tables([read_published(work.store, before, "runs"), row])
        after = replace_table(work.store, after, "runs", runs, setup.run_id)
        after = Manifest(setup.run_id, work.generation, tables=after.tables)
        work.store.write("views.sql", resources.files("schemas").joinpath("views.sql").read_bytes())
        lease.check(thoroughly=True)
        save_manifest(work.store, after)
        WorkArea(work.store, work.generation + 1).clear_older()
        work.store.delete(unlisted(work.store, before, after))
        retried = computed.totals.retried_requests + RETRIES.take()
        return Outcome(setup.run_id, books, after, bill, retried)

    def _row(self, books: Books, computed: Computation, bill: Bill) -> dict[str, Any]:
        return {
            "run_id": self.setup.run_id,
            "started_at": self.started_at,
            "finished_at": now(),
            "arguments": json.dumps(self.config.public(), ensure_ascii=False),
            "versions": list(versions().items()),
            **books.rows(),
            "input_tokens": bill.input_tokens,
            "output_tokens": bill.output_tokens,
            "busy_seconds": computed.totals.busy_seconds,
            "idle_seconds": computed.totals.idle_seconds,
            "cost": bill.cost,
        }
