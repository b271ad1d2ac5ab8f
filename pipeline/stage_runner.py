"""Puts increments through their stages: identify, cut (videos), read, understand; each is published when it is done.

Files are identified and videos cut by actors without a model. One pool of replicas then reads and understands, for all
increments: while one is understood and published, the next one's files are identified and its pages go out, so that no
replica waits for the driver. Pages and texts pass the driver by: blocks of work go out to actors, counts come back. Ray
starts at the first block, so that a run with nothing to do does not wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from itertools import chain
from typing import TypeVar

import pyarrow as pa

from folioscope.pipeline.block_stream import run_actors, run_jobs
from folioscope.pipeline.decoding import looking_settings
from folioscope.pipeline.file_stages import FileStages
from folioscope.pipeline.increments import Increment
from folioscope.pipeline.phase_planner import PhasePlanner
from folioscope.pipeline.phases import Background, IncrementWork, Kept, Phase
from folioscope.pipeline.progress import StageProgress
from folioscope.pipeline.session import LazySession
from folioscope.pipeline.setup import RunSetup
from folioscope.pipeline.stages.budget import Budget
from folioscope.pipeline.stages.document_prefetch import UnderstandJob
from folioscope.pipeline.stages.pictures import PictureAccess
from folioscope.pipeline.stages.prefetch import ReadJob
from folioscope.pipeline.stages.replica import BlockKind, ReplicaActor, ReplicaJob
from folioscope.pipeline.stages.results import UnitResult, of_block
from folioscope.pipeline.stages.suspicion import Suspects
from folioscope.pipeline.storage.lease import Lease
from folioscope.pipeline.storage.store import OutputError
from folioscope.pipeline.tables.compaction import one_by_one
from folioscope.pipeline.tables.manifest import Manifest

SPEECH_KEY = "FOLIOSCOPE_SPEECH_KEY"  # names the environment variable with a speech server's key
BLOCKS_AT_ONCE = 4  # in a read actor whose model reads many pages at once: a small archive's blocks hold few each
INCREMENTS_AT_ONCE = 2  # whose work goes out
INCREMENTS_HELD = 4  # with those that are done and wait for an older one: each has its ledger in memory
FEW_JOBS = 2
T = TypeVar("T")


class StageRunner:
    """The stages of one run. ``pages`` and ``tasks`` are what became of reading and understanding so far."""

    def __init__(
        self,
        setup: RunSetup,
        budget: Budget,
        lease: Lease,
        *,
        next_increment: Callable[[], Increment | None],
        hand_back: Callable[[pa.Table], None],
        publish: Callable[[Increment], Manifest],
    ) -> None:
        """``next_increment`` gives what to do; ``publish`` takes an increment whose stages are done.

        ``hand_back`` takes files that another increment's content stands in the way of.
        """
        self._setup = setup
        self._config = setup.config
        self._planner = PhasePlanner(setup)
        self._budget = budget
        self._lease = lease
        self._next_increment, self._hand_back, self._publish = next_increment, hand_back, publish
        self._active: list[IncrementWork] = []
        self._coming: Future[Increment | None] | None = None
        self._preparing: Increment | None = None
        self._background = Background()
        self._planning = threading.RLock()  # held while ledgers are asked, and while files are put in their places
        self._counting = threading.Lock()
        self.totals = UnitResult()
        self.pages = UnitResult()
        self.tasks = UnitResult()

    def run(self) -> None:
        """Do all that is missing.

        Raises:
            SessionError, OutputError, LeaseLostError: with what to do about it.
        """
        with LazySession(self._setup) as self._session, self._background:
            self._files = FileStages(self._setup, self._budget, self._session, self._planning, self._count)
            source = self._blocks()
            first = next(source, None)
            if first is None:
                return
            self._session.start()
            results = run_actors(
                chain([first], source),
                ReplicaActor,
                self._replica_job(),
                size=self._config.replicas,
                num_cpus=self._setup.replica.num_cpus,
                num_gpus=self._setup.replica.num_gpus,
                calls_at_once=BLOCKS_AT_ONCE if self._setup.replica.batches else 1,
            )
            with closing(results):  # an error leaves no actor behind for a later session to stumble over
                for table in results:
                    self._take(table)
            if self._active or self._coming is not None:
                raise RuntimeError("blocks ended before their increments")

    def kept(self) -> Kept:
        """What is committed, or published, of what was planned so far."""
        done = Kept(self.pages.done + self.pages.failed, 0, self.tasks.done + self.tasks.failed, 0)
        done.pages_planned, done.tasks_planned = done.pages, done.tasks
        for work in self._active:
            units = work.increment.committed_units()
            for phase in (work.phase,) if work.phase else ():
                if phase.kind == "read":
                    done.pages_planned += phase.planned.deferred
                    done.pages += min(phase.planned.deferred, units.pages)
                else:
                    done.tasks_planned += phase.planned.deferred
                    done.tasks += min(phase.planned.deferred, units.tasks)
        return done

    def run_jobs(self, jobs: Sequence[Callable[[], T]]) -> Iterable[T]:
        """Do jobs on the cluster where a run has many and has joined one; a few are done here."""
        return run_jobs(jobs) if len(jobs) > FEW_JOBS and self._session.started else one_by_one(jobs)

    @property
    def suspects(self) -> Suspects:
        """Of the segments that this run read."""
        read = self.pages
        return Suspects(read.done, read.suspect, read.wordless, tuple(read.first_suspects))

    # What goes out.

    def _blocks(self) -> Iterator[pa.Table | None]:
        """Blocks for the replicas, older increments' first; None where the next are not known before results come."""
        while True:
            block = self._next_block()
            if block is None and not any(work.phase and work.phase.out for work in self._active):
                if not self._take_up_next(waiting=True):
                    return
            else:
                yield block

    def _next_block(self) -> pa.Table | None:
        for work in list(self._active):
            block = self._block_of(work)
            if block is not None:
                return block
        busy = sum(not work.is_done for work in self._active)
        room = busy < INCREMENTS_AT_ONCE and 0 < len(self._active) < INCREMENTS_HELD
        return self._next_block() if room and self._take_up_next(waiting=False) else None

    def _block_of(self, work: IncrementWork) -> pa.Table | None:
        """The increment's next block; None where it waits for those that are out, or for an older increment's end."""
        while True:
            if work.phase is None:
                if not work.stages:
                    # Whoever is published takes the work area of all before it: the oldest goes first.
                    if work is self._active[0]:
                        self._finish(work)
                    return None
                work.phase = self._begin_phase(work.increment, work.stages.pop(0))
            block = None if self._budget.stopped else next(work.phase.blocks, None)
            if block is not None:
                work.phase.out += 1
                return block
            if work.phase.out:
                return None
            self._close_phase(work, work.phase)

    def _begin_phase(self, increment: Increment, kind: BlockKind) -> Phase:
        with self._planning:
            phase = self._planner.plan(increment, kind)
        if phase.planned.deferred and not self._budget.stopped:
            phase.progress.__enter__()
        return phase

    # What comes back.

    def _take(self, table: pa.Table) -> None:
        kind, generation, result = of_block(table)
        [work] = [work for work in self._active if work.increment.work.generation == generation]
        if work.phase is None or work.phase.kind != kind:
            raise RuntimeError(f"a result of {kind} came while none was due")
        work.phase.out -= 1
        work.phase.result.add(result)
        self._count(result, work.phase.progress)

    def _count(self, result: UnitResult, progress: StageProgress) -> None:
        self._lease.check()
        with self._counting:
            progress.add(result)
            self.totals.add(result)
            if result.output_error:
                raise OutputError(result.output_error)
            self._budget.spend(result)

    def _close_phase(self, work: IncrementWork, phase: Phase) -> None:
        phase.progress.close()
        left = work.increment.outstanding
        if phase.kind == "read":
            self.pages.add(replace(phase.result, deferred=0))
            left.segments = phase.deferred
        else:
            self.tasks.add(replace(phase.result, deferred=0, deferred_summaries=0))
            # Summaries that were handed back, and those that never went out.
            unsent = sum(_summaries_of(block) for block in phase.blocks) if self._budget.stopped else 0
            left.summaries = phase.result.deferred_summaries + unsent
            left.answers = phase.deferred - left.summaries
        work.phase = None

    def _finish(self, work: IncrementWork) -> None:
        with self._planning:
            manifest = self._publish(work.increment)
            self._active.remove(work)
            for other in (*(work.increment for work in self._active), self._preparing):
                if other is not None:
                    other.ledger.rebase(manifest)

    # Increments.

    def _take_up_next(self, *, waiting: bool) -> bool:
        """Begin another increment; False where there is none, or, unless ``waiting``, none that is ready."""
        if self._coming is None:
            if self._active:
                return False
            self._coming = Future()
            self._prepare(self._coming)
        if not (waiting or self._coming.done()):
            return False
        increment = self._coming.result()
        if increment is None:
            self._coming = None
            return False
        if increment.last and self._active:  # it is planned over all that the others leave
            return False
        self._coming = None
        with self._planning:
            self._preparing = None
            increment.resolve()
            for other in self._active:
                self._hand_back(increment.leave_to_later(other.increment.content()))
        early: list[BlockKind] = ["understand"] if self._config.limited else []
        self._active.append(IncrementWork(increment, [*early, "read", "understand"]))
        if not increment.last:
            self._session.start()  # not by the thread that prepares the next one, which ends before the run
            self._prepare_in_background()
        return True

    def _prepare_in_background(self) -> None:
        coming = self._coming = Future()
        self._background.start(lambda: self._prepare(coming))

    def _prepare(self, coming: Future[Increment | None]) -> None:
        """Identify the next increment's files, cut its videos and hear what is said in them."""
        try:
            with self._planning:
                increment = self._preparing = self._next_increment()
            if increment is not None:
                self._files.prepare(increment)
            coming.set_result(increment)
        except BaseException as error:  # noqa: BLE001  whoever waits for the increment must hear of it
            coming.set_exception(error)

    def _replica_job(self) -> ReplicaJob:
        setup, config = self._setup, self._config
        store = self._active[0].increment.work.store
        looking = PictureAccess(looking_settings(setup.settings), setup.files())
        return ReplicaJob(
            store,
            config.choice,
            ReadJob(
                store,
                setup.provenance(setup.recipes.read.documents),
                setup.settings,
                setup.files(),
                config.seconds_per_read,
                setup.shots_recipe,
                setup.speech_recipe,
                self._budget.signal,
                decoders=config.decode_processes or (0 if setup.replica.num_gpus else 1),
            ),
            UnderstandJob(
                setup.provenance(setup.recipes.summarize.documents),
                config.seconds_per_read,
                looking if setup.replica.looks else None,
                self._budget.signal,
            ),
            setup.canary(store, self._budget.signal),
        )


def _summaries_of(block: pa.Table) -> int:
    return sum(block["summary_wanted"].to_pylist())
