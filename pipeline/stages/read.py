"""The read stage: each unit's pages or shots are decoded in a killable child, read by the replica, and committed.

The replica takes pages one after the other, across units, so that it has work while the next unit is being decoded and
while the last one's slowest page is still being read. Images stay inside the actor and its child; to the driver go
counts alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from model.load import load_replica
from model.protocol import PageInput, Reading, Replica, SegmentInput, ShotInput
from pipeline.decode.pages import DecodedSegment, DecodedShot, FailedPage
from pipeline.failures import Failure, Reason
from pipeline.rows import Row, failure_row, segment_row
from pipeline.stages.prepare import Preparation, Prepared, ReadJob
from pipeline.stages.results import UnitResult, results_table
from pipeline.watchdog import Watchdog


class ReadActor:
    def __init__(self, job: ReadJob) -> None:
        self._job = job
        self._preparation = Preparation(job)
        self._replica = load_replica(job.model)

    def __call__(self, units: pa.Table) -> pa.Table:
        """Read and commit the units of one block. What goes wrong with them is in the rows or in the result."""
        rows = units.to_pylist()
        reading = _BlockReading(self._job, self._replica, self._preparation.ahead(rows))
        results = reading.finish()
        if len(results) != len(rows):
            raise RuntimeError(f"{len(rows)} units went in and {len(results)} came out: a defect of the read stage")
        return results_table(results)


@dataclass(slots=True)
class _Open:
    """A unit whose pages are with the replica; ``readings`` grows to the length of ``decoded``."""

    prepared: Prepared
    decoded: list[DecodedSegment]
    readings: list[Reading | Failure] = field(default_factory=list)

    @property
    def next_page(self) -> DecodedSegment:
        return self.decoded[len(self.readings)]


class _BlockReading:
    """One block's way through the replica."""

    def __init__(self, job: ReadJob, replica: Replica, coming: Iterator[Prepared]) -> None:
        self._job = job
        self._replica = replica
        self._coming = coming
        self._exhausted = False
        self._open: deque[_Open] = deque()
        self._to_hand: deque[DecodedSegment] = deque()
        self._alone = False
        self._handed_out = 0  # pages that the replica has taken and not yet given back
        self._results: list[UnitResult] = []
        self._since = time.perf_counter()
        self._idle = 0.0

    def finish(self) -> list[UnitResult]:
        """One result a unit, in order."""
        with Watchdog("reading pages") as self._watchdog:
            while not self._exhausted:
                try:
                    for found in self._replica.read(self._pages()):
                        self._take(found)
                    if self._handed_out:
                        raise RuntimeError(f"the replica gave no reading for {self._handed_out} of its pages")
                except Exception as error:  # noqa: BLE001  any model may raise anything; it becomes a failure row
                    self._read_singly(error)
        return self._results

    def _pages(self) -> Iterator[SegmentInput]:
        """Pages for the replica to take, up to the end of the block or of a unit that must be read alone."""
        while self._to_hand or self._open_next():
            while self._to_hand:
                self._handed_out += 1
                self._watch()
                yield _input(self._to_hand.popleft())
            if self._alone:
                return

    def _open_next(self) -> bool:
        """Take the next unit in; False at the end of the block."""
        self._watchdog.rest()
        begun = time.perf_counter()
        prepared = next(self._coming, None)
        self._idle += time.perf_counter() - begun
        self._watch()
        if prepared is None:
            self._exhausted = True
            return False
        self._alone = prepared.alone
        decoded = [page for page in prepared.pages or () if not isinstance(page, FailedPage)]
        self._to_hand.extend(decoded)
        self._open.append(_Open(prepared, decoded))
        self._settle_finished()
        return True

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
        self._results.append(result)
        if prepared.pages is None:
            if prepared.postponed:
                result.postponed = prepared.unit.pages
            elif not prepared.error:
                result.done = prepared.unit.pages
            return
        failed = [(page, "decode") for page in prepared.pages if isinstance(page, FailedPage)]
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
