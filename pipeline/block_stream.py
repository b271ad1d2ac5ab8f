"""One way of running blocks of work through a pool of actors by Ray Data, fed as a stream.

The caller's source is asked for the next block when there is room, so that no list of all blocks ever exists: at any
time Ray holds two or three blocks an actor. A source that waits for results before it knows more gives None. Blocks
travel as bytes, so that those of several kinds can share one pool, and one model. Costs the driver some 14 ms a block.
"""

from __future__ import annotations

import asyncio
import logging
import re
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from folioscope.model.load import ModelLoadError
from folioscope.pipeline.ray_session import NO_PROGRESS_TIMEOUT_S, SessionError

# Of an actor that died while it was made Ray gives the trace as text alone.
_LOAD_ERROR = re.compile(rf"^{ModelLoadError.__module__}\.{ModelLoadError.__qualname__}: (.+)$", re.M)
BLOCKS_WAITING = 1  # beside those in an actor's hands, for each actor

Source = Iterator[pa.Table | None]
T = TypeVar("T")


def run_actors(
    source: Source,
    actor: type,
    job: object,
    *,
    size: int,
    num_cpus: float,
    num_gpus: float = 0.0,
    calls_at_once: int = 1,
) -> Generator[pa.Table, None, None]:
    """Put each block through one call of a pool of ``size`` actors; yields what they return, as it comes.

    An actor gets so many ``calls_at_once``, each in a thread, and one block more waits for it. A killed actor is
    started again and its blocks put through again: actors must make that harmless. ``source`` may give None while
    results are out that it waits for.

    Raises:
        SessionError: an actor could not load its model.
    """
    import ray

    levels = {name: logging.getLogger(name).level for name in ("ray", "ray.data")}
    room = size * (calls_at_once + 1 + BLOCKS_WAITING)
    feed = _Feed(source, room)
    if not feed.fill():
        return
    try:
        results = _through_pool(feed, actor, job, size, num_cpus, num_gpus, calls_at_once)
        for result in results:
            feed.out -= 1
            yield result
            feed.fill()
    except ray.exceptions.ActorDiedError as error:
        told = _LOAD_ERROR.findall(str(error))
        if not told:
            raise
        raise SessionError(told[-1]) from error
    finally:
        feed.close()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def run_jobs(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """What jobs give, in order, each done by a task of the cluster that is joined; a lost one is done again."""
    import ray

    task = ray.remote(num_cpus=1)(_do)
    found: list[T] = ray.get([task.remote(job) for job in jobs])
    return found


def _do(job: Callable[[], T]) -> T:
    return job()


class _Feed:
    """Hands blocks from the driver to the task that Ray Data reads from, through an actor that holds them."""

    def __init__(self, source: Source, room: int) -> None:
        import ray

        self._source = source
        self._room = room
        self._ended = False
        self._number = 0
        self.out = 0
        self.here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self.queue = ray.remote(_Queue).options(num_cpus=0, max_concurrency=4, scheduling_strategy=self.here).remote()

    def fill(self) -> bool:
        """Hand out blocks while there is room; False where there is nothing out any more."""
        while not self._ended and self.out < self._room:
            block = next(self._source, _END)
            if block is None:
                if not self.out:
                    raise RuntimeError("the source waits for results, and none is out")
                break
            if isinstance(block, _End):
                self._ended = True
                self._put(None)
            else:
                self._put(_as_bytes(block))
                self.out += 1
        return self.out > 0

    def _put(self, block: bytes | None) -> None:
        self.queue.put.remote(self._number, block)
        self._number += 1

    def close(self) -> None:
        import ray

        ray.kill(self.queue)


class _End:
    pass


_END = _End()


class _Queue:
    """Blocks by number: calls of an actor that waits for others may overtake each other."""

    def __init__(self) -> None:
        self._blocks: dict[int, bytes | None] = {}
        self._next = 0
        self._changed = asyncio.Event()

    async def put(self, number: int, block: bytes | None) -> None:
        self._blocks[number] = block
        self._changed.set()

    async def take(self) -> bytes | None:
        while self._next not in self._blocks:
            self._changed.clear()
            await self._changed.wait()
        self._next += 1
        return self._blocks.pop(self._next - 1)


def _through_pool(
    feed: _Feed, actor: type, job: object, size: int, num_cpus: float, num_gpus: float, calls_at_once: int
) -> Iterator[pa.Table]:
    import ray
    from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
    from ray.data.block import BlockMetadata

    queue = feed.queue

    class Fed(Datasource):  # type: ignore[misc,unused-ignore]
        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, *_: Any, **__: Any) -> list[Any]:
            def read() -> Iterator[pa.Table]:
                while (block := ray.get(queue.take.remote())) is not None:
                    yield pa.table({"block": pa.array([block], pa.binary())})

            return [ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None))]

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    context.target_max_block_size = 1  # a block is one row: it leaves the source, and a pool, by itself and at once
    # A pool of fixed size has nobody to share with; to work that out ten times a second takes 1 % of a CPU.
    context.op_resource_reservation_enabled = False
    context.execution_no_progress_timeout_s = NO_PROGRESS_TIMEOUT_S  # type: ignore[attr-defined,unused-ignore]
    with warnings.catch_warnings(), DataContext.current(context):
        warnings.simplefilter("ignore", DeprecationWarning)
        pool = ray.data.read_datasource(
            Fed(), override_num_blocks=1, ray_remote_args={"num_cpus": 0, "scheduling_strategy": feed.here}
        ).map_batches(
            _taking_bytes(actor),
            batch_size=1,
            batch_format="pyarrow",
            fn_constructor_args=(job,),
            compute=ActorPoolStrategy(
                size=size,
                max_tasks_in_flight_per_actor=calls_at_once + 1,
                enable_true_multi_threading=calls_at_once > 1,
            ),
            max_concurrency=calls_at_once,
            num_cpus=num_cpus,
            num_gpus=num_gpus or None,
        )
        # Prefetching would hold a result back until the next one is there.
        results = iter(pool.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0))
    yield from results


def _as_bytes(block: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, block.schema) as writer:
        writer.write_table(block)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _taking_bytes(actor: type) -> type:
    """The actor class, for calls with a block as bytes; under its own name, which Ray shows."""

    def call(self: Any, batch: pa.Table) -> pa.Table:
        return actor.__call__(self, pa.ipc.open_stream(batch["block"][0].as_buffer()).read_all())

    return type(actor.__name__, (actor,), {"__call__": call, "__qualname__": actor.__qualname__})
