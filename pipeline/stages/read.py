"""The read stage: each unit's pages or shots are decoded in a killable child, read by the replica, and committed.

The replica takes pages one after the other, across units and blocks, so that it has work while the next unit is being
decoded and while the last one's slowest page is still being read: an actor is given its next blocks before it is done
with the first. Images stay inside the actor and its child; to the driver go counts alone.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa

from model.load import load_replica
from model.protocol import PageInput, Reading, Replica, SegmentInput, ShotInput
from pipeline.decode.pages import DecodedSegment, DecodedShot, FailedPage
from pipeline.failures import Failure, Reason
from pipeline.metrics import ReplicaMetrics
from pipeline.rows import Row, failure_row, segment_row
from pipeline.stages.prepare import Coming, Preparation, Prepared, ReadJob
from pipeline.stages.results import UnitResult, results_table
from pipeline.watchdog import Watchdog

_T = TypeVar("_T")


class ReadActor:
    """Takes several blocks at once, each in a thread of its own; one thread reads them all."""

    def __init__(self, job: ReadJob) -> None:
        self._reading = _Reading(job, load_replica(job.model), Preparation(job))

    def __call__(self, units: pa.Table) -> pa.Table:
        """Read and commit the units of one block. What goes wrong with them is in the rows or in the result."""
        return results_table(self._reading.read(units.to_pylist()))


@dataclass(slots=True)
class _Block:
    """One call's units; ``settled`` gets their results, in order, once all are there."""

    rows: list[dict[str, Any]]
    results: list[UnitResult] = field(default_factory=list)
    settled: Future[list[UnitResult]] = field(default_factory=Future)

    def add(self, result: UnitResult) -> None:
        self.results.append(result)
        if len(self.results) == len(self.rows):
            self.settled.set_result(self.results)

    def fail(self, error: BaseException) -> None:
        if not self.settled.done():
            self.settled.set_exception(error)


@dataclass(slots=True)
class _Open:
    """A unit whose pages are with the replica; ``readings`` grows to the length of ``decoded``."""

    block: _Block
    prepared: Prepared
    decoded: list[DecodedSegment]
    readings: list[Reading | Failure] = field(default_factory=list)

    @property
    def next_page(self) -> DecodedSegment:
        return self.decoded[len(self.readings)]


class _Reading:
    """The way of all blocks' pages through the replica, one after the other, without a gap between blocks."""

    def __init__(self, job: ReadJob, replica: Replica, preparation: Preparation) -> None:
        self._job = job
        self._replica = replica
        self._preparation = preparation
        self._metrics = ReplicaMetrics("read", job.provenance.model, job.provenance.run_id)
        self._blocks: queue.SimpleQueue[_Block] = queue.SimpleQueue()
        self._block = _Block([])  # the one whose units are being opened
        self._coming: Coming | None = None  # what of it is still to open
        self._open: deque[_Open] = deque()
        self._to_hand: deque[DecodedSegment] = deque()
        self._alone = False
        self._handed_out = 0  # pages that the replica has taken and not yet given back
        self._since = 0.0
        self._idle = 0.0
        threading.Thread(target=self._serve, name="read", daemon=True).start()

    def read(self, rows: list[dict[str, Any]]) -> list[UnitResult]:
        """One result a unit, in order."""
        if not rows:
            return []
        block = _Block(rows)
        self._blocks.put(block)
        return block.settled.result()

    def _serve(self) -> None:
        """Read blocks for as long as the actor lives."""
        self._since = time.perf_counter()
        try:
            while True:
                if self._coming is None:
                    self._begin(self._waiting_for(self._blocks.get))
                self._read_on()
        except BaseException as error:  # noqa: BLE001  a defect of ours: whoever waits for a block must hear of it
            for block in (self._block, *(unit.block for unit in self._open)):
                block.fail(error)
            while True:
                self._blocks.get().fail(error)

    def _read_on(self) -> None:
        """Read until there are no more blocks, or up to where the replica must be empty-handed."""
        with Watchdog("reading pages") as self._watchdog:
            try:
                for found in self._replica.read(self._pages()):
                    self._take(found)
                if self._handed_out:
                    raise RuntimeError(f"the replica gave no reading for {self._handed_out} of its pages")
            except Exception as error:  # any model may raise anything; it becomes a failure row
                if not self._handed_out:
                    raise
                self._read_singly(error)

    def _pages(self) -> Iterator[SegmentInput | None]:
        """Pages for the replica to take, None where the next is not ready; ends where it must be empty-handed."""
        while True:
            while self._to_hand:
                self._handed_out += 1
                self._watch()
                yield _input(self._to_hand.popleft())
            if self._alone:
                self._alone = False
                return
            if self._coming is None and not self._blocks.empty():
                self._begin(self._blocks.get())
            coming = self._coming
            if self._handed_out and (coming is None or not (coming.alone or coming.ready)):
                yield None
            elif coming is None or (coming.alone and self._handed_out):
                return
            else:
                self._open_next(coming)

    def _begin(self, block: _Block) -> None:
        self._block, self._coming = block, self._preparation.ahead(block.rows)

    def _open_next(self, coming: Coming) -> None:
        """Take the next unit of the block in, or note that there is none."""
        self._watchdog.rest()
        prepared = self._waiting_for(coming.next)
        self._watch()
        if prepared is None:
            self._coming = None
            return
        self._alone = prepared.alone
        decoded = [page for page in prepared.pages or () if not isinstance(page, FailedPage)]
        self._to_hand.extend(decoded)
        self._open.append(_Open(self._block, prepared, decoded))
        self._settle_finished()

    def _waiting_for(self, what: Callable[[], _T]) -> _T:
        begun = time.perf_counter()
        found = what()
        self._idle += time.perf_counter() - begun
        return found

    def _watch(self) -> None:
        self._watchdog.allow(self._job.seconds_per_read * max(1, self._handed_out))

    def _take(self, found: Reading | Exception) -> None:
        unit = self._open[0]
        if isinstance(found, Exception):
            found = _model_failure(unit.prepared.row["uri"], unit.next_page, found)
        unit.readings.append(found)
        self._handed_out -= 1
        self._watch()
        self._settle_finished()

    def _read_singly(self, error: Exception) -> None:
        """The replica stumbled: each page that it held is tried alone; a single one has failed."""
        if self._handed_out == 1:
            self._take(error)
            return
        for _ in range(self._handed_out):
            page = self._open[0].next_page
            try:
                [found] = self._replica.read([_input(page)])
            except Exception as own:  # noqa: BLE001  as above, and now it is this page's fault
                found = own
            self._take(found)

    def _settle_finished(self) -> None:
        while self._open and len(self._open[0].readings) == len(self._open[0].decoded):
            self._settle(self._open.popleft())

    def _settle(self, unit: _Open) -> None:
        prepared = unit.prepared
        elapsed = time.perf_counter() - self._since
        result = UnitResult(busy_seconds=elapsed - self._idle, idle_seconds=self._idle, output_error=prepared.error)
        self._since, self._idle = time.perf_counter(), 0.0
        if prepared.pages is None:
            if prepared.postponed:
                result.postponed = prepared.unit.pages
            elif not prepared.error:
                result.done = prepared.unit.pages
        else:
            self._commit(unit, prepared.pages, result)
        self._metrics.add(result)
        unit.block.add(result)

    def _commit(self, unit: _Open, pages: Sequence[DecodedSegment | FailedPage], result: UnitResult) -> None:
        prepared = unit.prepared
        failed = [(page, "decode") for page in pages if isinstance(page, FailedPage)]
        rows: list[Row] = []
        for page, reading in zip(unit.decoded, unit.readings, strict=True):
            if isinstance(reading, Failure):
                failed.append((FailedPage(_number(page), reading), "read"))
                continue
            rows.append(segment_row(prepared.unit.asset_id, page, reading, self._job.provenance))
            result.input_tokens += reading.usage.input_tokens
            result.output_tokens += reading.usage.output_tokens
        result.done, result.failed = len(rows), len(failed)
        try:
            failures = [self._failure(prepared, page, stage) for page, stage in failed]
            self._job.work.commit_unit(prepared.unit, rows, failures)
        except OSError as error:
            result.output_error = f"{type(error).__name__}: {error}"

    def _failure(self, prepared: Prepared, page: FailedPage, stage: str) -> Row:
        return failure_row(
            uri=prepared.row["uri"],
            asset_id=prepared.unit.asset_id,
            stage=stage,
            failure=page.failure,
            run_id=self._job.provenance.run_id,
            recipe_id=prepared.unit.recipe_id,
            segment=page.page_number,
            attempts=prepared.attempt,
            text_salvaged=page.text_salvaged,
        )


def _number(segment: DecodedSegment) -> int:
    return segment.shot_number if isinstance(segment, DecodedShot) else segment.page_number


def _input(page: DecodedSegment) -> SegmentInput:
    if isinstance(page, DecodedShot):
        return ShotInput(page.shot_number, page.start_s, page.end_s, page.width_px, page.height_px, page.frames)
    return PageInput(page.page_number, page.width_px, page.height_px, page.image, page.layer)


def _model_failure(uri: str, page: DecodedSegment, error: Exception) -> Failure:
    what = "shot" if isinstance(page, DecodedShot) else "page"
    message = f"{uri} {what} {_number(page)}: the model failed ({type(error).__name__}: {error})"
    return Failure(Reason.MODEL_ERROR, message)
