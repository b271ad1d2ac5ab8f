"""The stages of a run, each over what is still missing: identify, cut (films), read, understand.

Pages and texts pass the driver by: blocks of work go out to actors, counts come back. Ray starts at the first stage
with work, so that a run with none does not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from pipeline import plan, plan_films, plan_tasks
from pipeline.budget import Budget
from pipeline.lease import Lease
from pipeline.ledger import Ledger
from pipeline.logs import say
from pipeline.progress import StageProgress
from pipeline.session import Need, cluster_cpus, ray_session, run_actors
from pipeline.setup import RunSetup
from pipeline.snapshot import page_tallies
from pipeline.spool import default_folder
from pipeline.stages.cut import SPANS, CutActor, CutJob
from pipeline.stages.identify import FILES_PER_BLOCK, IdentifyActor, IdentifyJob
from pipeline.stages.pictures import PictureAccess
from pipeline.stages.prepare import ReadJob
from pipeline.stages.read import ReadActor
from pipeline.stages.results import UnitResult
from pipeline.stages.understand import DOCUMENTS, UnderstandActor, UnderstandJob
from pipeline.store import OutputError

PAGES_PER_BLOCK = 128
QUICK_PAGES_PER_BLOCK = 512  # of a few milliseconds each: what a block costs would show
BLOCKS_AT_ONCE = 4  # in a read actor whose model reads many pages at once: a small archive's blocks hold few each
DOCUMENTS_PER_BLOCK = 16
SPANS_PER_BLOCK = 16
UNITS_PER_BLOCK_LIMITED = 4  # a run with a budget oversteps it by a block a replica: blocks are small then


class Computation:
    """The stages of one run over one ledger. ``pages`` and ``tasks`` are what became of reading and understanding."""

    def __init__(self, setup: RunSetup, ledger: Ledger, budget: Budget, lease: Lease) -> None:
        self._setup = setup
        self._config = setup.config
        self._ledger = ledger
        self._budget = budget
        self._lease = lease
        self._spool = str(default_folder())
        self.totals = UnitResult()
        self.pages = UnitResult()
        self.tasks = UnitResult()

    def run(self, unknown: pa.Table) -> None:
        """Do all that is missing. ``unknown``: the files to look into.

        Raises:
            SessionError, OutputError, LeaseLostError: with what to do about it.
        """
        with _LazySession(self._setup) as self._session:
            if unknown.num_rows:
                self._identify(unknown)
                self._setup.resolve(self._ledger)
            if self._config.limited:  # what the last budget left read and not understood comes first
                self._understand()
            if "read" in self._config.tasks:
                self._cut()
                self._read()
            self._understand()

    def _identify(self, files: pa.Table) -> None:
        setup = self._setup
        job = IdentifyJob(
            self._ledger.work, setup.run_id, self._spool, *setup.access(), self._config.kinds, self._budget.sign
        )
        blocks = [files.slice(start, FILES_PER_BLOCK) for start in range(0, files.num_rows, FILES_PER_BLOCK)]
        self._stage("identify", "files", UnitResult(postponed=files.num_rows), blocks, IdentifyActor, job)

    def _cut(self) -> None:
        setup = self._setup
        if setup.cut is None or setup.cut_recipe is None:
            return
        seconds = self._config.seconds_per_unit
        spans = list(
            plan_films.spans_to_cut(self._ledger, setup.cut_recipe, seconds, newest_first=self._config.limited)
        )
        if not spans or self._budget.stopped:
            return
        self._session.start()
        workers = cluster_cpus()  # no replica is loaded now: every CPU may decode
        job = CutJob(
            self._ledger.work, setup.run_id, setup.cut, seconds, self._spool, *setup.access(), self._budget.sign
        )
        blocks = plan.into_blocks(spans, workers, SPANS_PER_BLOCK, schema=SPANS, size_of=lambda span: 1)
        self._stage("cut", "spans", UnitResult(postponed=len(spans)), blocks, CutActor, job, workers=workers)
        setup.resolve(self._ledger)

    def _read(self) -> None:
        setup, per_unit = self._setup, self._config.segments_per_unit
        units = list(plan.units_to_read(self._ledger, setup.recipes.read, per_unit, newest_first=self._config.limited))
        if not units:
            return
        job = ReadJob(
            self._ledger.work,
            self._config.choice,
            setup.provenance(setup.recipes.read),
            setup.settings,
            self._spool,
            *setup.access(),
            self._config.seconds_per_read,
            setup.cut_recipe,
            self._budget.sign,
        )
        blocks = plan.into_blocks(units, self._config.replicas, self._pages_per_block(per_unit))
        untouched = UnitResult(postponed=sum(map(plan.segments_of, units)))
        noun = "pages" if setup.cut is None else "shots"
        calls = BLOCKS_AT_ONCE if setup.replica.batches else 1
        self.pages = self._stage(
            "read", noun, untouched, blocks, ReadActor, job, gpus=setup.replica.num_gpus, calls=calls
        )

    def _pages_per_block(self, per_unit: int) -> int:
        """Few where pages take long or the run may stop: the driver hears of a block when all of it is read."""
        if self._config.limited:
            return min(UNITS_PER_BLOCK_LIMITED * per_unit, PAGES_PER_BLOCK)
        settings = self._setup.settings
        quick = settings.layout == "fast" and settings.render == "when_needed" and self._setup.cut is None
        return QUICK_PAGES_PER_BLOCK if quick else PAGES_PER_BLOCK

    def _understand(self) -> None:
        setup = self._setup
        page_tallies(self._ledger, setup.recipes.read)
        documents = plan_tasks.documents_to_understand(
            self._ledger, setup.recipes, self._config.tasks, newest_first=self._config.limited
        )
        self.tasks = replace(self.tasks, postponed=0, postponed_summaries=0)  # all that is still lacking is told anew
        if not documents:
            return
        looking = PictureAccess(replace(setup.settings, thumbnail_px=0), self._spool, *setup.access())
        job = UnderstandJob(
            self._ledger.work,
            self._config.choice,
            setup.recipes.read,
            setup.provenance(setup.recipes.summarize),
            self._config.seconds_per_read,
            looking if setup.replica.looks else None,
            self._budget.sign,
        )
        untouched = UnitResult(
            postponed=sum(row["summary_wanted"] + len(row["questions"]) for row in documents),
            postponed_summaries=sum(row["summary_wanted"] for row in documents),
        )
        blocks = self._document_blocks(documents)
        gpus = setup.replica.num_gpus
        self.tasks.add(self._stage("understand", "tasks", untouched, blocks, UnderstandActor, job, gpus=gpus))

    def _document_blocks(self, documents: Sequence[dict[str, Any]]) -> list[pa.Table]:
        most = UNITS_PER_BLOCK_LIMITED if self._config.limited else DOCUMENTS_PER_BLOCK
        size = max(1, min(most, len(documents) // (4 * self._config.replicas)))
        return [
            pa.Table.from_pylist(documents[start : start + size], schema=DOCUMENTS)
            for start in range(0, len(documents), size)
        ]

    def _stage(
        self,
        name: str,
        noun: str,
        untouched: UnitResult,
        blocks: list[pa.Table],
        actor: type,
        job: object,
        *,
        gpus: float = 0.0,
        calls: int = 1,
        workers: int | None = None,
    ) -> UnitResult:
        """Put the blocks through and return what became of them: ``untouched`` where the run has stopped already."""
        if self._budget.stopped:
            return untouched
        self._session.start()
        outcomes = run_actors(
            blocks,
            actor,
            job,
            size=workers or self._config.replicas,
            num_cpus=1.0 if workers else self._setup.replica.num_cpus,
            num_gpus=gpus,
            calls_at_once=calls,
        )
        config = self._config
        with StageProgress(
            name,
            untouched.postponed,
            noun,
            replicas=config.replicas,
            price_per_hour=config.price_per_replica_hour,
        ) as progress:
            for result in _unit_results(outcomes):
                progress.add(result)
                self.totals.add(result)
                self._lease.check()
                if result.output_error:
                    raise OutputError(result.output_error)
                self._budget.spend(result)
        self._ledger.refresh()
        return progress.total


class _LazySession:
    """A Ray session that starts when it is first wanted."""

    def __init__(self, setup: RunSetup) -> None:
        need = Need(setup.config.replicas, setup.replica.num_cpus, setup.replica.num_gpus)
        self._session = ray_session(setup.config.address, need, say)
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


def _unit_results(tables: Iterable[pa.Table]) -> Iterator[UnitResult]:
    for table in tables:
        for row in table.to_pylist():
            yield UnitResult(**row)
