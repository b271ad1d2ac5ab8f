"""The read stage: each unit's pages are decoded in a killable child, read by the replica, and committed.

While the replica works on one unit, the next is being fetched and decoded, so that the model never waits for a page.
Images stay inside the actor and its child; to the driver go counts alone. Memory is that of two units' page images.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from model.load import ModelChoice, load_replica
from model.protocol import PageInput, Reading
from pipeline.decode.children import ChildLimits, DecodeChildren
from pipeline.decode.pages import DecodedPage, DecodeSettings, FailedPage
from pipeline.failures import Failure, Reason
from pipeline.plan import unit_of
from pipeline.rows import Provenance, Row, failure_row, page_row
from pipeline.sources import SourceFile
from pipeline.spool import open_asset
from pipeline.stages.results import UnitResult, results_table
from pipeline.watchdog import deadline
from pipeline.work import MAX_ATTEMPTS, Attempts, PageUnit, WorkArea

UNITS_AHEAD = 2


@dataclass(frozen=True, slots=True)
class ReadJob:
    """What a read actor needs to know."""

    work: WorkArea
    model: ModelChoice
    provenance: Provenance
    settings: DecodeSettings
    spool_folder: str
    max_file_bytes: int
    limits: ChildLimits
    passwords: tuple[str, ...]
    seconds_per_read: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """A unit with its pages decoded; ``pages`` is None where it is settled already, or where ``error`` says why not."""

    row: dict[str, Any]
    unit: PageUnit
    attempt: int
    pages: list[DecodedPage | FailedPage] | None
    error: str | None = None


class ReadActor:
    def __init__(self, job: ReadJob) -> None:
        self._job = job
        self._attempts = Attempts(job.work, job.provenance.run_id)
        self._children = DecodeChildren(1, job.limits, job.passwords)
        self._ahead = ThreadPoolExecutor(UNITS_AHEAD, thread_name_prefix="prepare")
        self._replica = load_replica(job.model)

    def __call__(self, units: pa.Table) -> pa.Table:
        """Read and commit the units of one block. Never raises: what goes wrong is in the rows or in the result."""
        results: list[UnitResult] = []
        waiting_since = time.perf_counter()
        for prepared in self._prepare_ahead(units.to_pylist()):
            result = UnitResult(idle_seconds=time.perf_counter() - waiting_since)
            try:
                self._settle(prepared, result)
            except OSError as error:
                result.output_error = f"{type(error).__name__}: {error}"
            results.append(result)
            waiting_since = time.perf_counter()
        return results_table(results)

    def _prepare_ahead(self, rows: list[dict[str, Any]]) -> Iterator[Prepared]:
        """Units in order, the next ones being prepared meanwhile.

        In a block that took a worker down before, each unit is prepared alone: if one does so again, its neighbours
        are not blamed.
        """
        waiting: deque[Future[Prepared]] = deque()
        coming = iter(rows)

        def fill(depth: int) -> None:
            for row in islice(coming, max(0, depth - len(waiting))):
                waiting.append(self._ahead.submit(self._prepare, row))

        ahead = 0
        tried_before = False
        fill(1)
        while waiting:
            prepared = waiting.popleft().result()
            tried_before = tried_before or prepared.attempt > 1
            ahead = 0 if tried_before else UNITS_AHEAD if prepared.attempt == 1 else ahead
            fill(ahead)
            yield prepared
            fill(1)

    def _prepare(self, row: dict[str, Any]) -> Prepared:
        unit = unit_of(row, self._job.provenance.recipe_id)
        try:
            return self._decode(row, unit)
        except OSError as error:  # of the output or of this node; what the file does is a Failure
            return Prepared(row, unit, 0, None, f"{type(error).__name__}: {error}")

    def _decode(self, row: dict[str, Any], unit: PageUnit) -> Prepared:
        if self._job.work.is_settled(unit):
            return Prepared(row, unit, 0, None)
        attempt = self._attempts.begin(unit.key)
        if attempt > MAX_ATTEMPTS:
            message = f"{row['uri']}: the worker died {MAX_ATTEMPTS} times on this unit of pages; read it alone"
            return Prepared(row, unit, attempt - 1, _all_failed(unit, Failure(Reason.WORKER_DIED, message)))
        source = SourceFile(row["uri"], row["size"], row["etag"], None)
        try:
            folder = Path(self._job.spool_folder)
            with open_asset(source, row["asset_id"], folder, self._job.max_file_bytes) as path:
                pages = self._children.decode(path, row["kind"], unit.first, unit.last, self._job.settings, row["uri"])
        except Failure as failure:
            return Prepared(row, unit, attempt, _all_failed(unit, failure))
        return Prepared(row, unit, attempt, pages)

    def _settle(self, prepared: Prepared, result: UnitResult) -> None:
        result.output_error = prepared.error
        if prepared.pages is None:
            result.done = 0 if prepared.error else prepared.unit.pages
            return
        decoded = [page for page in prepared.pages if isinstance(page, DecodedPage)]
        failed = [(page, "decode") for page in prepared.pages if isinstance(page, FailedPage)]
        begun = time.perf_counter()
        with deadline(self._job.seconds_per_read * max(1, len(decoded)), f"reading {prepared.row['uri']}"):
            readings = self._read(decoded, prepared.row["uri"])
        result.busy_seconds = time.perf_counter() - begun
        rows: list[Row] = []
        for page, reading in zip(decoded, readings, strict=True):
            if isinstance(reading, Failure):
                failed.append((FailedPage(page.page_number, reading), "read"))
                continue
            rows.append(page_row(prepared.unit.asset_id, page, reading, self._job.provenance))
            result.input_tokens += reading.usage.input_tokens
            result.output_tokens += reading.usage.output_tokens
        failures = [self._failure(prepared, page, stage) for page, stage in failed]
        self._job.work.commit_unit(prepared.unit, rows, failures)
        result.done, result.failed = len(rows), len(failures)

    def _read(self, pages: list[DecodedPage], uri: str) -> list[Reading | Failure]:
        """One reading a page. Where the replica stumbles over several pages, each is tried alone."""
        inputs = [PageInput(page.page_number, page.width_px, page.height_px, page.image, page.layer) for page in pages]
        if not inputs:
            return []
        try:
            found = self._replica.read(inputs)
        except Exception as error:  # noqa: BLE001  any model may raise anything; it becomes a failure row
            if len(pages) > 1:
                return [reading for page in pages for reading in self._read([page], uri)]
            found = [error]
        return [
            _model_failure(uri, page, reading) if isinstance(reading, Exception) else reading
            for page, reading in zip(pages, found, strict=True)
        ]

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


def _model_failure(uri: str, page: DecodedPage, error: Exception) -> Failure:
    message = f"{uri} page {page.page_number}: the model failed ({type(error).__name__}: {error})"
    return Failure(Reason.MODEL_ERROR, message)


def _all_failed(unit: PageUnit, failure: Failure) -> list[DecodedPage | FailedPage]:
    return [FailedPage(page, failure) for page in range(unit.first, unit.last + 1)]
