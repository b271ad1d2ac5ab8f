"""The read stage: each unit's pages or shots are decoded in a killable child, read by the replica, and committed.

The replica takes pages one after the other, across units and blocks, so that it has work while the next unit is being
decoded and while the last one's slowest page is still being read: an actor is given its next blocks before it is done
with the first. Images stay inside the actor and its child; to the driver go counts alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence

from folioscope.model.canary import CanaryPage
from folioscope.model.protocol import Reading, Replica, SegmentInput
from folioscope.pipeline.decode.pages import DecodedSegment, FailedSegment, segment_input
from folioscope.pipeline.planning.units import UnitToRead
from folioscope.pipeline.stages.canary import DoubtfulReadingError
from folioscope.pipeline.stages.in_flight import InFlightUnit
from folioscope.pipeline.stages.metrics import ReplicaMetrics
from folioscope.pipeline.stages.prefetch import Prefetch, Prefetcher, Prepared, ReadJob
from folioscope.pipeline.stages.results import UnitResult
from folioscope.pipeline.stages.turns import Block, Turns
from folioscope.pipeline.stages.unit_rows import commit_unit, model_failure
from folioscope.pipeline.stages.watchdog import Watchdog
from folioscope.pipeline.tables.work import WorkArea


class ReadLoop:
    """The way of all blocks' pages through the replica, one after the other, without a gap between blocks."""

    def __init__(self, job: ReadJob, replica: Replica, prefetcher: Prefetcher, turns: Turns) -> None:
        self._job = job
        self._replica = replica
        self._prefetcher = prefetcher
        self._turns = turns
        self._metrics = ReplicaMetrics("read", job.provenance.model, job.provenance.run_id)
        self._block: Block[UnitToRead] | None = None  # the one whose units are being opened
        self._coming: Prefetch[Prepared] | None = None  # what of it is still to open
        self._open: deque[InFlightUnit] = deque()
        self._to_hand: deque[DecodedSegment] = deque()
        self._handed: deque[DecodedSegment | CanaryPage] = deque()  # which the replica has not yet given back
        self._alone = False

    def read(self, rows: Sequence[UnitToRead], work: WorkArea) -> UnitResult:
        """What became of a block's units, once it is committed."""
        return self._turns.give(self, Block(rows, work)) if rows else UnitResult()

    def run(self, block: Block[UnitToRead]) -> None:
        """See :class:`folioscope.pipeline.stages.turns.Stream`."""
        self._begin(block)
        while self._coming is not None or self._to_hand:
            self._read_on()

    def _read_on(self) -> None:
        """Read until there are no more blocks, or up to where the replica must be empty-handed."""
        self._turns.canary.check()
        with Watchdog("reading pages") as self._watchdog:
            readings = self._replica.read(self._pages())
            try:
                for found in readings:
                    self._take(found)
                if self._handed:
                    raise RuntimeError(f"the replica gave no reading for {len(self._handed)} of its pages")
            except DoubtfulReadingError:
                self._take_back(readings)
            except Exception as error:  # any model may raise anything; it becomes a failure row
                if not self._handed:
                    raise
                self._read_singly(error)

    def _take_back(self, readings: Iterator[Reading | Exception]) -> None:
        """Whether the model can read at all is to be settled first: what it holds is handed to it again after that."""
        if isinstance(readings, Generator):
            readings.close()
        self._to_hand.extendleft(page for page in reversed(self._handed) if not isinstance(page, CanaryPage))
        self._handed.clear()

    def _pages(self) -> Iterator[SegmentInput | None]:
        """Pages for the replica to take, None where the next is not ready; ends where it must be empty-handed."""
        while True:
            while self._to_hand:
                for page in self._turns.canary.pages():
                    yield self._handing(page)
                yield self._handing(self._to_hand.popleft())
            if self._alone:
                self._alone = False
                return
            if self._coming is None and (block := self._turns.next_of(self)) is not None:
                self._begin(block)
            coming = self._coming
            if self._handed and (coming is None or not (coming.alone or coming.ready)):
                yield None
            elif coming is None or (coming.alone and self._handed):
                return
            else:
                self._open_next(coming)

    def _handing(self, page: DecodedSegment | CanaryPage) -> SegmentInput:
        self._handed.append(page)
        self._watch()
        return page.page if isinstance(page, CanaryPage) else segment_input(page)

    def _begin(self, block: Block[UnitToRead]) -> None:
        self._block, self._coming = block, self._prefetcher.prefetch(block.rows, block.work)
        block.commit, block.parts = self._coming.commit, self._coming.parts

    def _open_next(self, coming: Prefetch[Prepared]) -> None:
        """Take the next unit of the block in, or note that there is none."""
        self._watchdog.rest()
        prepared = self._turns.clock.waiting_for(coming.next)
        self._watch()
        if prepared is None:
            self._coming = None
            return
        self._alone = prepared.alone
        decoded = [page for page in prepared.pages or () if not isinstance(page, FailedSegment)]
        if self._block is not None:
            unit = InFlightUnit(self._block, prepared, decoded)
            self._to_hand.extend(unit.for_replica)
            self._open.append(unit)
        self._settle_finished()

    def _watch(self) -> None:
        self._watchdog.allow(self._job.seconds_per_read * max(1, len(self._handed)))

    def _take(self, found: Reading | Exception) -> None:
        page = self._handed.popleft()
        self._watch()
        if isinstance(page, CanaryPage):
            self._turns.canary.take(page, found)
            return
        unit = self._open[0]
        if isinstance(found, Exception):
            found = model_failure(unit.prepared.row.uri, page, found)
        unit.take(found)
        self._settle_finished()

    def _read_singly(self, error: Exception) -> None:
        """The replica stumbled: each page that it held is tried alone; a single one has failed."""
        held, pages = len(self._handed), [page for page in self._handed if not isinstance(page, CanaryPage)]
        self._handed = deque(pages)
        if held == 1 == len(pages):
            self._take(error)
            return
        if len(pages) < held:
            self._turns.canary.hasten()
        for page in pages:
            try:
                [found] = self._replica.read([segment_input(page)])
            except Exception as own:  # noqa: BLE001  as above, and now it is this page's fault
                found = own
            self._take(found)

    def _settle_finished(self) -> None:
        while self._open and len(self._open[0].readings) == len(self._open[0].decoded):
            self._settle(self._open.popleft())

    def _settle(self, unit: InFlightUnit) -> None:
        prepared = unit.prepared
        result = self._turns.clock.lap()
        result.output_error = prepared.error
        if prepared.pages is None:
            if prepared.deferred:
                result.deferred = prepared.row.pages
            elif not prepared.error:
                result.done = prepared.row.pages
        else:
            commit_unit(unit, prepared.pages, self._job.provenance, result)
        self._metrics.add(result)
        unit.block.add(result)
