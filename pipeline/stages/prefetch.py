"""Pages and shots made ready for the replica, unit by unit, each fetched and decoded while the replica is at others.

A block is tried at once, its units decoded ahead. Ray gives a block again only where its worker died: then each unit is
prepared and read alone, behind a marker of its own, so that the one that kills workers is found and its neighbours are
not blamed. Memory is that of three units' pictures, or of one more than there are decode children.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

from folioscope.model.protocol import cue_text
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import DecodedSegment, DecodedShot, DecodeSettings, FailedSegment
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.planning.units import UnitToRead
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.cue_reader import CueReader
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.commits import BlockCommit, Unit
from folioscope.pipeline.tables.rows import Provenance
from folioscope.pipeline.tables.shot_lists import read_shots
from folioscope.pipeline.tables.work import MAX_ATTEMPTS, Attempts, WorkArea, digest
from folioscope.pipeline.video.cues import Cue, cues_by_shot

UNITS_AHEAD = 2
MOST_DECODERS = 8  # that a replica is given unasked
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class ReadJob:
    """What reading takes. ``decoders``: processes that decode a replica's units; 0 for a share of the node's CPUs."""

    store: OutputStore
    provenance: Provenance
    settings: DecodeSettings
    files: FileAccess
    seconds_per_read: float
    shots_recipe: str | None = None  # of videos
    speech_recipe: str | None = None  # of what is said in them
    stop: StopSignal | None = None
    decoders: int = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """A unit decoded. ``pages`` (or shots) is None where it is settled already, or where ``error`` says why not.

    ``deferred``: it was not taken up, since the run is to stop; ``pages`` is None then, too.
    ``alone``: nothing else may be in the replica's hands while it reads this unit.
    """

    row: UnitToRead
    unit: Unit
    pages: Sequence[DecodedSegment | FailedSegment] | None
    attempt: int = 1
    alone: bool = False
    error: str | None = None
    deferred: bool = False


class Prefetch(Generic[P]):
    """A block's ``parts`` units on their way: started as they are wanted, ``ahead`` of them at a time.

    ``alone``: nothing else may be in the replica's hands when the next one is asked for. ``commit`` takes what they
    give.
    """

    def __init__(
        self, started: Iterator[Future[P]], commit: BlockCommit, parts: int, *, ahead: int = 1, alone: bool = False
    ) -> None:
        self.alone = alone
        self.commit = commit
        self.parts = parts
        self._started = started
        self._ahead = ahead
        self._waiting: deque[Future[P]] = deque()
        if not alone:
            self._start()

    @property
    def ready(self) -> bool:
        """Whether the next unit, or that there is none, can be had without waiting."""
        return not self._waiting or self._waiting[0].done()

    def next(self) -> P | None:
        """The next unit, waiting for it; None at the end of the block."""
        self._start()
        return self._waiting.popleft().result() if self._waiting else None

    def _start(self) -> None:
        self._waiting.extend(islice(self._started, self._ahead - len(self._waiting)))


def cpus_for_each_gpu() -> int:
    """The CPUs of this node that one of its GPUs may have to itself, within reason."""
    gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return max(1, min(MOST_DECODERS, (os.cpu_count() or 1) // max(1, gpus)))


class Prefetcher:
    """Prepares blocks, one after the other. Holds the decode children, and a thread for each, two at the least."""

    def __init__(self, job: ReadJob) -> None:
        self._job = job
        decoders = job.decoders or cpus_for_each_gpu()
        self._children = DecodeChildren(decoders, job.files.limits, job.files.passwords)
        self._cues = CueReader(job, self._children)
        self._at_once = max(UNITS_AHEAD, decoders)
        self._threads = ThreadPoolExecutor(self._at_once, thread_name_prefix="prepare")

    def prefetch(self, rows: Sequence[UnitToRead], work: WorkArea) -> Prefetch[Prepared]:
        """The units of a block, in order. Never raises: what cannot be had is told in its place."""
        units = [(row, row.unit) for row in rows]
        block = digest([unit.key for _, unit in units])
        commit = BlockCommit(work, "read", block, self._job.provenance.run_id)
        attempts = Attempts(work, self._job.provenance.run_id)
        try:
            if self._stopping():
                deferred = (known(Prepared(row, unit, None, deferred=True)) for row, unit in units)
                return Prefetch(deferred, commit, len(units))
            again = not attempts.is_first(f"block-{block}")
            if again:
                commit.recall()
        except OSError as error:
            words = told(error)
            kept = (known(Prepared(row, unit, None, error=words)) for row, unit in units)
            return Prefetch(kept, commit, len(units))
        if again:
            guarded = (known(self._guarded(row, unit, commit, attempts)) for row, unit in units)
            return Prefetch(guarded, commit, len(units), alone=True)
        started = (self._threads.submit(self._decoded, row, unit, 1, alone=False) for row, unit in units)
        return Prefetch(started, commit, len(units), ahead=self._at_once + 1)

    def close(self) -> None:
        self._threads.shutdown()
        self._children.close()

    def _guarded(self, row: UnitToRead, unit: Unit, commit: BlockCommit, attempts: Attempts) -> Prepared:
        """A unit of a block that took a worker down: it may be settled, or be what did it."""
        try:
            if unit in commit.settled:
                return Prepared(row, unit, None, alone=True)
            if self._stopping():
                return Prepared(row, unit, None, alone=True, deferred=True)
            attempt = 1 + attempts.begin(unit.key)  # the block's own try was the first
        except OSError as error:
            return Prepared(row, unit, None, alone=True, error=told(error))
        if attempt > MAX_ATTEMPTS:
            message = f"{row.uri}: the worker died {MAX_ATTEMPTS} times on this unit of pages; read it alone"
            failed = _all_failed(row, Failure(Reason.WORKER_DIED, message))
            return Prepared(row, unit, failed, attempt - 1, alone=True)
        return self._decoded(row, unit, attempt, alone=True)

    def _decoded(self, row: UnitToRead, unit: Unit, attempt: int, *, alone: bool) -> Prepared:
        pages: Sequence[DecodedSegment | FailedSegment]
        try:
            if self._stopping():
                return Prepared(row, unit, None, attempt, alone, deferred=True)
            with self._job.files.open(row.source, row.asset_id, self._children) as path:
                pages = self._segments(path, row)
        except Failure as failure:
            pages = _all_failed(row, failure)
        except OSError as error:  # of this node; what the file does is a Failure
            return Prepared(row, unit, None, attempt, alone, told(error))
        return Prepared(row, unit, pages, attempt, alone)

    def _segments(self, path: Path, row: UnitToRead) -> Sequence[DecodedSegment | FailedSegment]:
        settings = self._job.settings
        if row.kind not in ("video", "audio") or self._job.shots_recipe is None:
            return self._children.decode(path, row.kind, row.first, row.last, settings, row.uri)
        listed = read_shots(self._job.store, self._job.shots_recipe, row.asset_id, row.segment_count or 0)
        shots = listed[row.first - 1 : row.last]
        whole = [shot for shot in shots if shot.reason is None]
        found: list[DecodedSegment | FailedSegment] = [
            FailedSegment(shot.number, Failure(shot.reason, shot.message or "")) for shot in shots if shot.reason
        ]
        if row.kind == "audio":
            found += [DecodedShot(shot.number, shot.start_s, shot.end_s, 0, 0, 0, ()) for shot in whole]
        else:
            found += self._children.decode_shots(path, whole, settings, row.uri)
        cues, notes = self._cues.of(row)
        by_number = dict(zip((shot.number for shot in listed), cues_by_shot(cues, listed), strict=True))
        return [_with_cues(segment, by_number, notes) for segment in found]

    def _stopping(self) -> bool:
        return self._job.stop is not None and self._job.stop.is_set()


def _with_cues(
    segment: DecodedSegment | FailedSegment, cues: Mapping[int, Sequence[Cue]], notes: tuple[str, ...]
) -> DecodedSegment | FailedSegment:
    """The shot with what is said in it, also one of which no frame could be had."""
    if isinstance(segment, DecodedShot):
        return replace(segment, cues=tuple(cues[segment.shot_number]), flags=(*segment.flags, *notes))
    if isinstance(segment, FailedSegment):
        said = cue_text(cue.block() for cue in cues[segment.page_number] if not cue.flags)
        return replace(segment, text_salvaged=segment.text_salvaged or said or None)
    return segment


def known(prepared: P) -> Future[P]:
    """What needs no thread to prepare it."""
    future: Future[P] = Future()
    future.set_result(prepared)
    return future


def _all_failed(row: UnitToRead, failure: Failure) -> list[FailedSegment]:
    return [FailedSegment(page, failure) for page in range(row.first, row.last + 1)]


def told(error: OSError) -> str:
    """The words of a result's ``output_error``."""
    return f"{type(error).__name__}: {error}"
