"""What an increment's way through the replicas is made of: its stages one after the other, each with its blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from folioscope.pipeline.increments import Increment
from folioscope.pipeline.progress import StageProgress
from folioscope.pipeline.stages.replica import BlockKind
from folioscope.pipeline.stages.results import UnitResult


@dataclass(slots=True)
class Kept:
    """Pages, and summaries and answers, that a run has settled, and how many it had planned."""

    pages: int
    pages_planned: int
    tasks: int
    tasks_planned: int


@dataclass(slots=True)
class Phase:
    """One stage of one increment on its way through the replicas."""

    kind: BlockKind
    planned: UnitResult  # what is deferred where nothing of it is done
    blocks: Iterator[pa.Table]
    progress: StageProgress
    out: int = 0  # blocks that are with the replicas
    result: UnitResult = field(default_factory=UnitResult)

    @property
    def deferred(self) -> int:
        return self.planned.deferred - self.result.done - self.result.failed


class IncrementWork:
    """An increment at work: the stages that it has still to go through, one after the other."""

    def __init__(self, increment: Increment, stages: Iterable[BlockKind]) -> None:
        self.increment = increment
        self.stages = list(stages)
        self.phase: Phase | None = None

    @property
    def is_done(self) -> bool:
        return self.phase is None and not self.stages


class Background:
    """One thread beside the driver's own; waited for at the end, unless somebody pressed Ctrl-C."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def start(self, call: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=call, name="identify", daemon=True)
        self._thread.start()

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._thread is not None and kind is not KeyboardInterrupt:
            self._thread.join()
