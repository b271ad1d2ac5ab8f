"""The replica actor: one loaded model that reads pages and understands documents, as blocks of either kind come.

One model serves both stages and every increment of a run, so that none waits for weights to be loaded. What a block is
of, and which generation it commits into, stands in its schema's metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from folioscope.model.load import ModelChoice, load_replica
from folioscope.model.protocol import (
    Answer,
    AssetTasks,
    AssetText,
    Question,
    Reading,
    SegmentInput,
    Summary,
    Understanding,
)
from folioscope.pipeline.planning.documents import DOCUMENTS, DocumentTasks
from folioscope.pipeline.planning.units import UNITS, UnitToRead
from folioscope.pipeline.stages.canary import Canary, CanaryJob
from folioscope.pipeline.stages.document_prefetch import UnderstandJob
from folioscope.pipeline.stages.prefetch import Prefetcher, ReadJob
from folioscope.pipeline.stages.read import ReadLoop
from folioscope.pipeline.stages.results import block_result
from folioscope.pipeline.stages.turns import Turns
from folioscope.pipeline.stages.understand import UnderstandLoop
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.work import WorkArea

BlockKind = Literal["read", "understand"]
_KIND, _GENERATION = b"folioscope_block", b"folioscope_generation"


@dataclass(frozen=True, slots=True)
class ReplicaJob:
    """What a replica actor needs to know."""

    store: OutputStore
    model: ModelChoice
    read: ReadJob
    understand: UnderstandJob
    canary: CanaryJob | None = None


def read_block(units: Iterable[UnitToRead], generation: int) -> pa.Table:
    return _block("read", [unit.to_row() for unit in units], UNITS, generation)


def understand_block(documents: Iterable[DocumentTasks], generation: int) -> pa.Table:
    return _block("understand", [document.to_row() for document in documents], DOCUMENTS, generation)


def _block(kind: BlockKind, rows: list[dict[str, object]], schema: pa.Schema, generation: int) -> pa.Table:
    metadata = {_KIND: kind.encode(), _GENERATION: str(generation).encode()}
    return pa.Table.from_pylist(rows, schema=schema.with_metadata(metadata))


class _Unloaded:
    """Stands in for a model in a run that is stopping: nothing is handed to it."""

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        return iter([RuntimeError("the run is stopping") for segment in segments if segment is not None])

    def understand(self, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
        for asked in tasks:
            if asked is not None:
                raise RuntimeError("the run is stopping")
        return iter(())

    def summarize(self, asset: AssetText) -> Summary:
        raise RuntimeError("the run is stopping")

    def answer(self, asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
        raise RuntimeError("the run is stopping")


class ReplicaActor:
    """Takes several blocks at once, each in a thread of its own; the model works on all of them in one."""

    def __init__(self, job: ReplicaJob) -> None:
        self._job = job
        stopping = job.canary is not None and job.canary.stop.is_set()  # whatever comes is handed back: load nothing
        replica = _Unloaded() if stopping else load_replica(job.model)
        turns = Turns(Canary(job.canary, replica))
        self._reading = ReadLoop(job.read, replica, Prefetcher(job.read), turns)
        self._understanding = UnderstandLoop(job.understand, replica, turns)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Read, or understand, and commit what a block holds. What goes wrong is in the failures or in the result."""
        metadata = block.schema.metadata
        kind, work = metadata[_KIND].decode(), WorkArea(self._job.store, int(metadata[_GENERATION]))
        if kind == "read":
            result = self._reading.read([UnitToRead.of_row(row) for row in block.to_pylist()], work)
        else:
            documents = [DocumentTasks.of_row(row) for row in block.to_pylist()]
            result = self._understanding.understand(documents, work)
        return block_result(kind, work.generation, result)
