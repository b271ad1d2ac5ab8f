"""One run, from start to end: list, plan, and increment by increment compute, publish and reconcile.

The driver holds the listing, the plan and counts. It may be killed at any moment: the same command carries on from
what is committed.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any

from folioscope.model.protocol import ReplicaDescription
from folioscope.model.speech.choice import describe_speech
from folioscope.pipeline.config import RunConfig, without_speech
from folioscope.pipeline.grounding.tallies import ErrorBound, error_bounds
from folioscope.pipeline.increments import Increment
from folioscope.pipeline.logs import counted, log_error, log_info
from folioscope.pipeline.planning.deletions import check_deletions
from folioscope.pipeline.planning.estimate import Estimate
from folioscope.pipeline.planning.listing import Listing, list_files
from folioscope.pipeline.planning.sample import PageSampler
from folioscope.pipeline.run_plan import RunPlan
from folioscope.pipeline.search.build import can_hold_index, publish_index
from folioscope.pipeline.search.embeddings import EmbeddingError, load_embedder
from folioscope.pipeline.search.engine import SearchIndexError
from folioscope.pipeline.search.rows import IndexRecipe
from folioscope.pipeline.setup import RunSetup
from folioscope.pipeline.stage_runner import StageRunner
from folioscope.pipeline.stages.budget import Budget
from folioscope.pipeline.stages.canary import StoppedActor, StopRecords
from folioscope.pipeline.stages.suspicion import Suspects
from folioscope.pipeline.storage.lease import Lease
from folioscope.pipeline.storage.retries import RETRIES
from folioscope.pipeline.storage.store import OutputError, OutputStore
from folioscope.pipeline.tables.accounting import Accounting
from folioscope.pipeline.tables.compaction import compact, compact_state
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import DataFile, Manifest, load_manifest
from folioscope.pipeline.tables.problems import Problems
from folioscope.pipeline.tables.publish import sweep
from folioscope.pipeline.tables.rows import now
from folioscope.pipeline.tables.takeover import inherited_commits, take_over
from folioscope.pipeline.tables.work import WorkArea
from folioscope.pipeline.usage import UsageReport
from folioscope.pipeline.versions import versions
from folioscope.schemas.errors import ExitCode, FolioscopeError
from folioscope.schemas.extras import require
from folioscope.schemas.migrations import to_table


class RunStoppedError(FolioscopeError):
    """The run was interrupted (Ctrl-C); the message says how much of its work is kept."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: accounting, usage, what it published, left undone and doubts, and how often it asked again.

    ``stopped_actors`` are those whose model could not read.
    """

    run_id: str
    accounting: Accounting
    manifest: Manifest
    usage: UsageReport
    suspects: Suspects
    retried_requests: int
    problems: Problems
    stopped_actors: tuple[StoppedActor, ...] = ()
    error_bounds: tuple[ErrorBound, ...] = ()


class Run:
    """One run. ``execute`` does all of it; ``preview`` tells what it would do."""

    def __init__(self, config: RunConfig, replica: ReplicaDescription) -> None:
        """Raises SpeechModelError."""
        speech = describe_speech(config.speech) if config.watches else None
        if speech is None:
            config = without_speech(config)
        self.config = config
        self.replica = replica
        self.setup = RunSetup.of(config, replica, speech)
        self.started_at = now()

    def preview(self) -> Estimate:
        """What the run would do, from the listing and the published tables. Writes nothing and starts nothing.

        Raises:
            ManifestError, TooManyDeletedError: with what to do about it.
        """
        store = OutputStore(self.config.output)
        manifest = load_manifest(store)
        with list_files(self.config) as listing:
            _check_deletions(store, manifest, listing, self.config)
            commits = inherited_commits(store, manifest.generation, self.setup.run_id)
            sampler = PageSampler(self.config, self.setup.settings)
            planned = RunPlan(self.setup, store, manifest, listing, commits, sampler)
            planned.close()
        return planned.estimate

    def execute(self) -> Outcome:
        """Do the run.

        Raises:
            ManifestError, TooManyDeletedError, SessionError, OutputError, OutputBusyError, LeaseLostError,
                EmbeddingError: with what to do about it.
            RunStoppedError: it was interrupted.
        """
        store = OutputStore(self.config.output)
        if self.config.embeddings:
            load_embedder(self.config.embeddings)  # what is wrong with it is told before the work, not after
        if self.config.iceberg or self.config.catalog:
            require("iceberg", "--iceberg")
        with Lease(store, self.setup.run_id, log_info) as lease:
            manifest = load_manifest(store)
            with list_files(self.config) as listing:
                _check_deletions(store, manifest, listing, self.config)
                sweep(store, manifest, self.setup.run_id)
                commits = take_over(store, manifest.generation, self.setup.run_id)
                planned = RunPlan(self.setup, store, manifest, listing, commits)
            try:
                return _Execution(self, store, lease, manifest, planned).run()
            finally:
                planned.close()


def _check_deletions(store: OutputStore, manifest: Manifest, listing: Listing, config: RunConfig) -> None:
    """Before anything is written: a listing that lost its files ends the run."""
    ledger = Ledger(manifest, WorkArea(store, manifest.generation + 1))
    try:
        check_deletions(ledger, listing, config.max_deleted)
    finally:
        ledger.close()


class _Execution:
    """A run at work: what is published of it so far, and what it has used."""

    def __init__(
        self,
        run: Run,
        store: OutputStore,
        lease: Lease,
        manifest: Manifest,
        planned: RunPlan,
    ) -> None:
        self._run, self._store, self._lease = run, store, lease
        self._setup, self._config = run.setup, run.config
        self._manifest = manifest
        self._plan = planned
        self._accounting = Accounting.nothing()
        self._versions = list(versions().items())
        self._own_row: tuple[DataFile, ...] = ()
        self._budget = Budget(store, run.setup.run_id, run.config.allowance, by_actors=run.setup.has_canary)
        self._stages = StageRunner(
            run.setup,
            self._budget,
            lease,
            next_increment=self._next,
            hand_back=planned.take_back,
            publish=self._publish,
        )

    def run(self) -> Outcome:
        try:
            with self._budget:
                self._stages.run()
        except KeyboardInterrupt as interrupt:
            raise RunStoppedError(self._kept()) from interrupt
        retried = self._stages.totals.retried_requests + RETRIES.take()
        problems = self._plan.problems(self._manifest)
        suspects = self._stages.suspects
        return Outcome(
            self._setup.run_id,
            self._accounting,
            self._manifest,
            self._usage(),
            suspects,
            retried,
            problems,
            self._stopped_actors(),
            tuple(error_bounds(self._stages.totals.tallies)),
        )

    def _stopped_actors(self) -> tuple[StoppedActor, ...]:
        if not self._setup.has_canary:
            return ()
        records = StopRecords(self._store, self._setup.run_id)
        found = tuple(records.all())
        records.clear()
        return found

    def _next(self) -> Increment | None:
        increment = self._plan.next(self._manifest)
        if increment is not None and increment.last:
            increment.commit_failed_inputs()
        return increment

    def _publish(self, increment: Increment) -> Manifest:
        stopped = self._budget.stopped
        self._accounting += increment.reconcile(stopped)
        publication = increment.publication(self._manifest)
        if self._config.iceberg or self._config.catalog:
            publication.keep_iceberg(self._config.catalog)
        publication.drop("runs", self._own_row)
        publication.append("runs", [to_table("runs", [self._row()])])
        if increment.last:
            compact(increment.work, publication, self._setup.run_id, self._stages.run_jobs)
            compact_state(increment.ledger, publication)
        self._store.write("views.sql", resources.files("folioscope.schemas").joinpath("views.sql").read_bytes())
        before, self._manifest = self._manifest, publication.publish(partial(self._lease.check, thoroughly=True))
        self._own_row = tuple(file for file in self._manifest.tables["runs"] if file not in before.tables["runs"])
        if increment.last:
            self._index()
        else:
            self._plan.count(increment)
            self._plan.set_pace(increment.files, time.monotonic() - increment.begun)
            log_info(f"published so far: {counted(self._accounting.assets.seen, 'file')}", "increment")
            increment.close()
        return self._manifest

    def _index(self) -> None:
        """Bring the search index up. The tables stand whatever comes of it, and the next run makes good for it."""
        if not self._config.search_index or not can_hold_index(self._store):
            return
        before = self._manifest.index
        recipe = IndexRecipe(self._config.embeddings or (before.embeddings if before else None))
        try:
            self._manifest = publish_index(
                self._store,
                self._manifest,
                recipe,
                partial(self._lease.check, thoroughly=True),
                self._stages.run_jobs,
            )
        except (SearchIndexError, EmbeddingError, OutputError) as error:
            log_error(f"{error} Until then search finds what the index before holds.", "search_index")

    def _kept(self) -> str:
        """What is committed of what this run set out to do, in words."""
        done = self._stages.kept()
        words = [f"{done.pages:,} of {done.pages_planned:,} {self._config.segment_noun}"] if done.pages_planned else []
        if done.tasks_planned:
            words.append(f"{done.tasks:,} of {done.tasks_planned:,} summaries and answers")
        return f"Stopped. {', '.join(words) or 'Nothing'} kept; run the same command to continue."

    def _usage(self) -> UsageReport:
        stages, totals = self._stages, self._stages.totals
        seconds = totals.busy_seconds + totals.idle_seconds
        return UsageReport(
            pages=stages.pages.done + stages.pages.failed,
            tasks=stages.tasks.done + stages.tasks.failed,
            readers={
                "layer": stages.pages.pages_by_layer,
                "ocr": stages.pages.pages_by_ocr,
                "model": stages.pages.pages_by_model,
            },
            reference_seconds=totals.reference_seconds,
            input_tokens=totals.input_tokens,
            output_tokens=totals.output_tokens,
            replica_seconds=seconds,
            cost=self._config.prices.cost(seconds, float(totals.input_tokens), float(totals.output_tokens)),
            estimate=self._plan.estimate,
            stopped=self._budget.stopped,
        )

    def _row(self) -> dict[str, Any]:
        usage = self._usage()
        return {
            "run_id": self._setup.run_id,
            "started_at": self._run.started_at,
            "finished_at": now(),
            "arguments": json.dumps(self._config.public(), ensure_ascii=False),
            "versions": self._versions,
            **self._accounting.rows(),
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "busy_seconds": self._stages.totals.busy_seconds,
            "idle_seconds": self._stages.totals.idle_seconds,
            "cost": usage.cost,
            "suspect_segments": self._stages.suspects.suspect,
            "error_bounds": [found.row() for found in error_bounds(self._stages.totals.tallies)],
            "reference_seconds": self._stages.totals.reference_seconds,
        }
