"""Streams of blocks that take turns with one replica: reading, and understanding.

An actor is given several blocks at once, each in a thread of its own that waits for what became of it. One thread has
the replica. A stream goes from block to block for as long as the next one is its own, so that the replica is not
emptied between them; only where another stream's block is next does it finish what it has taken.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from folioscope.pipeline.stages.canary import Canary
from folioscope.pipeline.stages.results import UnitResult
from folioscope.pipeline.tables.commits import BlockCommit
from folioscope.pipeline.tables.work import WorkArea

Row = TypeVar("Row")
T = TypeVar("T")


@dataclass(slots=True)
class Block(Generic[Row]):
    """One call's rows; ``settled`` gets what became of them once all that they gave is committed.

    ``commit``, and the number of ``parts`` that there will be a result of, are known once the block is begun.
    """

    rows: Sequence[Row]
    work: WorkArea
    parts: int = 0
    commit: BlockCommit | None = None
    result: UnitResult = field(default_factory=UnitResult)
    finished: int = 0
    settled: Future[UnitResult] = field(default_factory=Future)

    def add(self, result: UnitResult) -> None:
        """Take in what became of one part."""
        self.result.add(result)
        self.finished += 1
        if self.finished < self.parts:
            return
        try:
            if self.commit is not None:
                self.commit.flush()
        except OSError as error:
            self.result.output_error = f"{type(error).__name__}: {error}"
        if self.result.output_error:  # some of it is not committed: nothing is claimed
            self.result.done = self.result.failed = 0
        self.settled.set_result(self.result)


class Clock:
    """Tells how long a replica has had work, and how long it has waited for some."""

    def __init__(self) -> None:
        self._since = time.perf_counter()
        self._idle = 0.0

    def waiting_for(self, what: Callable[[], T]) -> T:
        """What ``what`` returns; the replica has nothing to do until then."""
        begun = time.perf_counter()
        found = what()
        self._idle += time.perf_counter() - begun
        return found

    def lap(self) -> UnitResult:
        """The seconds since the last lap, as a result that they are all of."""
        now = time.perf_counter()
        result = UnitResult(busy_seconds=now - self._since - self._idle, idle_seconds=self._idle)
        self._since, self._idle = now, 0.0
        return result


class Stream(Protocol):
    def run(self, block: Block[Any]) -> None:
        """Settle a block and those of this stream that follow, as ``Turns.next_of`` gives them."""


class Turns:
    """Hands blocks to their streams in the order in which they came, from the one thread that has the replica."""

    def __init__(self, canary: Canary | None = None) -> None:
        """``canary`` tries the replica; each stream calls it before it hands anything out."""
        self.clock = Clock()
        self.canary = canary or Canary.off()
        self._given: queue.SimpleQueue[tuple[Stream, Block[Any]]] = queue.SimpleQueue()
        self._next: tuple[Stream, Block[Any]] | None = None
        self._begun: list[Block[Any]] = []
        threading.Thread(target=self._serve, name="replica", daemon=True).start()

    def give(self, stream: Stream, block: Block[Any]) -> UnitResult:
        """What became of a block, once it is committed. Called by any thread.

        Raises:
            BaseException: what a stream raised, which is a defect of ours; no more blocks are worked on then.
        """
        self._given.put((stream, block))
        return block.settled.result()

    def next_of(self, stream: Stream) -> Block[Any] | None:
        """The next block, if it is there and this stream's. For the stream that has its turn."""
        if self._next is None and not self._given.empty():
            self._next = self._given.get()
        return self._taken() if self._next is not None and self._next[0] is stream else None

    def _serve(self) -> None:
        """Work on blocks for as long as the actor lives."""
        try:
            while True:
                if self._next is None:
                    self._next = self.clock.waiting_for(self._given.get)
                stream = self._next[0]
                stream.run(self._taken())
        except BaseException as error:  # noqa: BLE001  a defect of ours: whoever waits for a block must hear of it
            begun = [block for block in self._begun if not block.settled.done()]
            for block in (*begun, *([self._next[1]] if self._next is not None else [])):
                block.settled.set_exception(error)
            while True:
                self._given.get()[1].settled.set_exception(error)

    def _taken(self) -> Block[Any]:
        assert self._next is not None
        block = self._next[1]
        self._next = None
        self._begun = [begun for begun in self._begun if not begun.settled.done()] + [block]
        return block
