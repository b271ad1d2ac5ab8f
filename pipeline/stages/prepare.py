"""Pages and shots made ready for the replica, unit by unit, each fetched and decoded while the replica is at others.

A block is tried at once, its units decoded ahead. Ray gives a block again only where its worker died: then each unit is
prepared and read alone, behind a marker of its own, so that the one that kills workers is found and its neighbours are
not blamed. Memory is that of three units' pictures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from model.load import ModelChoice
from pipeline.budget import StopSign
from pipeline.decode.children import ChildLimits, DecodeChildren
from pipeline.decode.pages import DecodedSegment, DecodeSettings, FailedPage
from pipeline.failures import Failure, Reason
from pipeline.films import read_shots
from pipeline.plan import unit_of
from pipeline.rows import Provenance
from pipeline.sources import SourceFile
from pipeline.spool import open_asset
from pipeline.work import MAX_ATTEMPTS, Attempts, PageUnit, WorkArea, digest

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
    cut_recipe: str | None = None  # of films
    stop: StopSign | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A unit decoded. ``pages`` (or shots) is None where it is settled already, or where ``error`` says why not.

    ``postponed``: it was not taken up, since the run is to stop; ``pages`` is None then, too.
    ``alone``: nothing else may be in the replica's hands while it reads this unit.
    """

    row: dict[str, Any]
    unit: PageUnit
    pages: Sequence[DecodedSegment | FailedPage] | None
    attempt: int = 1
    alone: bool = False
    error: str | None = None
    postponed: bool = False


class Coming:
    """A block's units on their way: started as they are wanted, ``ahead`` of them at a time.

    ``alone``: nothing else may be in the replica's hands when the next one is asked for.
    """

    def __init__(self, started: Iterator[Future[Prepared]], *, ahead: int = 1, alone: bool = False) -> None:
        self.alone = alone
        self._started = started
        self._ahead = ahead
        self._waiting: deque[Future[Prepared]] = deque()
        if not alone:
            self._start()

    @property
    def ready(self) -> bool:
        """Whether the next unit, or that there is none, can be had without waiting."""
        return not self._waiting or self._waiting[0].done()

    def next(self) -> Prepared | None:
        """The next unit, waiting for it; None at the end of the block."""
        self._start()
        return self._waiting.popleft().result() if self._waiting else None

    def _start(self) -> None:
        self._waiting.extend(islice(self._started, self._ahead - len(self._waiting)))


class Preparation:
    """Prepares blocks, one after the other. Holds a decode child and two threads."""

    def __init__(self, job: ReadJob) -> None:
        self._job = job
        self._attempts = Attempts(job.work, job.provenance.run_id)
        self._children = DecodeChildren(1, job.limits, job.passwords)
        self._threads = ThreadPoolExecutor(UNITS_AHEAD, thread_name_prefix="prepare")

    def ahead(self, rows: list[dict[str, Any]]) -> Coming:
        """The units of a block, in order. Never raises: what cannot be had is told in its place."""
        units = [(row, unit_of(row, self._job.provenance.recipe_id)) for row in rows]
        try:
            if self._stopping():
                return Coming(_done(Prepared(row, unit, None, postponed=True)) for row, unit in units)
            tries = self._attempts.begin(f"block-{digest([unit.key for _, unit in units])}")
        except OSError as error:
            words = _words(error)
            return Coming(_done(Prepared(row, unit, None, error=words)) for row, unit in units)
        if tries > 1:
            return Coming((_done(self._guarded(row, unit)) for row, unit in units), alone=True)
        started = (self._threads.submit(self._decoded, row, unit, 1, alone=False) for row, unit in units)
        return Coming(started, ahead=UNITS_AHEAD + 1)

    def close(self) -> None:
        self._threads.shutdown()
        self._children.close()

    def _guarded(self, row: dict[str, Any], unit: PageUnit) -> Prepared:
        """A unit of a block that took a worker down: it may be settled, or be what did it."""
        try:
            if self._job.work.is_settled(unit):
                return Prepared(row, unit, None, alone=True)
            if self._stopping():
                return Prepared(row, unit, None, alone=True, postponed=True)
            attempt = 1 + self._attempts.begin(unit.key)  # the block's own try was the first
        except OSError as error:
            return Prepared(row, unit, None, alone=True, error=_words(error))
        if attempt > MAX_ATTEMPTS:
            message = f"{row['uri']}: the worker died {MAX_ATTEMPTS} times on this unit of pages; read it alone"
            failed = _all_failed(unit, Failure(Reason.WORKER_DIED, message))
            return Prepared(row, unit, failed, attempt - 1, alone=True)
        return self._decoded(row, unit, attempt, alone=True)

    def _decoded(self, row: dict[str, Any], unit: PageUnit, attempt: int, *, alone: bool) -> Prepared:
        source = SourceFile(row["uri"], row["size"], row["etag"], None)
        job = self._job
        pages: Sequence[DecodedSegment | FailedPage]
        try:
            if self._stopping():
                return Prepared(row, unit, None, attempt, alone, postponed=True)
            with open_asset(source, row["asset_id"], Path(job.spool_folder), job.max_file_bytes) as path:
                pages = self._segments(path, row, unit)
        except Failure as failure:
            pages = _all_failed(unit, failure)
        except OSError as error:  # of this node; what the file does is a Failure
            return Prepared(row, unit, None, attempt, alone, _words(error))
        return Prepared(row, unit, pages, attempt, alone)

    def _segments(self, path: Path, row: dict[str, Any], unit: PageUnit) -> Sequence[DecodedSegment | FailedPage]:
        settings = self._job.settings
        if row["kind"] != "video" or self._job.cut_recipe is None:
            return self._children.decode(path, row["kind"], unit.first, unit.last, settings, row["uri"])
        listed = read_shots(self._job.work.store, self._job.cut_recipe, row["asset_id"], row["segment_count"])
        shots = listed[unit.first - 1 : unit.last]
        whole = [shot for shot in shots if shot.reason is None]
        found: list[DecodedSegment | FailedPage] = [
            FailedPage(shot.number, Failure(shot.reason, shot.message or "")) for shot in shots if shot.reason
        ]
        return [*self._children.decode_shots(path, whole, settings, row["uri"]), *found]

    def _stopping(self) -> bool:
        return self._job.stop is not None and self._job.stop.is_up()


def _done(prepared: Prepared) -> Future[Prepared]:
    future: Future[Prepared] = Future()
    future.set_result(prepared)
    return future


def _all_failed(unit: PageUnit, failure: Failure) -> list[FailedPage]:
    return [FailedPage(page, failure) for page in range(unit.first, unit.last + 1)]


def _words(error: OSError) -> str:
    return f"{type(error).__name__}: {error}"
