"""The Ray stage of an evaluation: blocks of items go out to a pool of replicas, counts come back.

The same pool and the same replicas as a run's; items are small rows, pictures are opened by the actor. An actor takes
two blocks at once: while the model works on one, the other's first pictures are being loaded. A killed actor's block is
put through again; of what it had committed the first stands.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from folioscope.model.load import ModelChoice, load_replica
from folioscope.model.protocol import ReplicaDescription
from folioscope.pipeline.block_stream import run_actors
from folioscope.pipeline.decode.child import ChildLimits
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.evaluation.asking import Asker
from folioscope.pipeline.evaluation.item_rows import of_row, to_table
from folioscope.pipeline.evaluation.items import Item
from folioscope.pipeline.evaluation.media import MediaLoader
from folioscope.pipeline.evaluation.predictions import Gathering, PredictionStore
from folioscope.pipeline.storage.store import OutputError

ITEMS_PER_BLOCK = 64
BLOCKS_AT_ONCE = 2
CHILDREN = 2


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """What an evaluating actor needs to know."""

    predictions: PredictionStore
    model: ModelChoice
    settings: DecodeSettings
    limits: ChildLimits


@dataclass(frozen=True, slots=True)
class BlockCounts:
    done: int
    failed: int


class EvaluationActor:
    """One loaded model. Blocks come in threads of their own; the model works on one at a time."""

    def __init__(self, job: EvaluationJob) -> None:
        self._job = job
        self._asker = Asker(load_replica(job.model), MediaLoader(DecodeChildren(CHILDREN, job.limits), job.settings))
        self._model = threading.Lock()

    def __call__(self, block: pa.Table) -> pa.Table:
        """Ask, and commit. An output that cannot be written is told in the result."""
        items = [of_row(row) for row in block.to_pylist()]
        counts, told = BlockCounts(0, 0), None
        try:
            gathering, prepared = Gathering(self._job.predictions), self._asker.prepare(items)
            with self._model:
                for prediction in self._asker.ask(prepared):
                    gathering.add(prediction)
            gathering.flush()
            counts = BlockCounts(gathering.done, gathering.failed)
        except OutputError as error:
            told = str(error)
        return pa.table(
            {"done": [counts.done], "failed": [counts.failed], "output_error": pa.array([told], pa.string())}
        )


def run_items(
    items: Sequence[Item], job: EvaluationJob, replica: ReplicaDescription, replicas: int
) -> Iterator[BlockCounts]:
    """Put items to a pool of replicas; a Ray session must have begun.

    Raises:
        SessionError: the model cannot be loaded.
        OutputError: the output cannot be written.
    """
    size = max(1, min(ITEMS_PER_BLOCK, -(-len(items) // (2 * replicas))))
    blocks = (to_table(items[start : start + size]) for start in range(0, len(items), size))
    results = run_actors(
        blocks,
        EvaluationActor,
        job,
        size=min(replicas, -(-len(items) // size)),
        num_cpus=replica.num_cpus,
        num_gpus=replica.num_gpus,
        calls_at_once=BLOCKS_AT_ONCE,
    )
    for table in results:
        [row] = table.to_pylist()
        if row["output_error"]:
            raise OutputError(row["output_error"])
        yield BlockCounts(row["done"], row["failed"])
