"""Ray, kept quiet: a connection to the cluster, and one way of running blocks through a fixed pool of actors.

Starting a local Ray takes 6 to 16 s; joining a running cluster takes about one.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import pyarrow as pa
import tenacity

from model.load import ModelLoadError

# Read by ray.data when it is imported.
os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Ray complains of every actor pool of Ray Data at level ERROR; what is fatal still speaks.
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
# Of an actor that died while it was made Ray gives the trace as text alone.
_LOAD_ERROR = re.compile(rf"^{ModelLoadError.__module__}\.{ModelLoadError.__qualname__}: (.+)$", re.M)
# A Ray of our own serves one run, on ports that nobody knows: what it counts for Prometheus and for Ray's state API
# would take 3 % of a CPU and reach nobody. Who sets these variables has it otherwise.
OWN_RAY = {"RAY_enable_metrics_collection": "0", "RAY_task_events_report_interval_ms": "0"}
NO_PROGRESS_TIMEOUT_S = 24 * 3600
LOCAL_STARTS = 3


class SessionError(RuntimeError):
    """Ray cannot be reached, or cannot hold or start the actors asked for; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Need:
    """The actors of a run: how many, and what each takes of a node."""

    replicas: int
    num_cpus: float
    num_gpus: float

    def fitting(self, cpus: float, gpus: float) -> int:
        """How many replicas a node with so much can hold."""
        rooms = [have / need for have, need in ((cpus, self.num_cpus), (gpus, self.num_gpus)) if need]
        return int(min(rooms, default=self.replicas))


@contextmanager
def ray_session(address: str | None, need: Need, say: Callable[[str], None]) -> Iterator[None]:
    """Join the cluster at ``address`` (or the one this job was submitted to), else start a local Ray for the block.

    Where this process is connected already, that connection is used and left open.

    Raises:
        SessionError: the cluster cannot be reached, or has no node that can hold one actor of the run.
    """
    import ray

    if ray.is_initialized():  # a program that embeds the pipeline brings its own
        yield
        return
    joining = address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if joining:
        options["address"] = joining
    else:
        options |= {
            "address": "local",  # not a head that happens to run on this machine: nobody asked for it
            "num_cpus": max(psutil.cpu_count() or 1, int(need.replicas * need.num_cpus) + 1),
            "include_dashboard": False,
            "object_store_memory": 256 << 20,
        }
    try:
        with _set_by_default({} if joining else OWN_RAY):
            _init(options, tries=1 if joining else LOCAL_STARTS)
    except Exception as error:  # where a node does not come up in time, Ray raises no more special one
        if joining is None:
            raise SessionError(
                f"Ray could not be started on this machine: {error}. Where it is short of memory or busy with other "
                "work, run the same command again later."
            ) from error
        raise SessionError(
            f"Ray could not be reached at {joining}: {error}. On a cluster with token authentication (Ray 2.59 and "
            "newer) set RAY_AUTH_MODE=token where you submit."
        ) from error
    try:
        _check_room(need, [node["Resources"] for node in ray.nodes() if node["Alive"]], say)
        yield
    finally:
        ray.shutdown()


@contextmanager
def _set_by_default(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that hold for the block, for what is started in it; those already set stay as they are."""
    fresh = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(fresh)
    try:
        yield
    finally:
        for name in fresh:
            del os.environ[name]


def _init(options: Mapping[str, Any], tries: int) -> None:
    """Ray gives a local node half a minute to come up: a busy machine may need more than one try."""
    import ray

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(tries), before_sleep=lambda _: ray.shutdown(), reraise=True
    )
    retrying(ray.init, **options)


def _check_room(need: Need, nodes: Sequence[Mapping[str, float]], say: Callable[[str], None]) -> None:
    """Refuse a run of which not one actor could ever start; say so where only some can."""
    rooms = [(node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes]
    fitting = sum(need.fitting(cpus, gpus) for cpus, gpus in rooms)
    if fitting == 0:
        cpus, gpus = max(rooms, default=(0.0, 0.0), key=lambda room: (room[1], room[0]))
        raise SessionError(
            f"No node of the cluster can hold a replica of this model: one needs {need.num_cpus:g} CPUs and "
            f"{need.num_gpus:g} GPUs, and the largest node has {cpus:g} and {gpus:g}. Add such a node first, or lower "
            "--gpus-per-replica."
        )
    if fitting < need.replicas:
        say(f"{fitting} of {need.replicas} replicas fit the cluster now; the others start as nodes are added")


def cluster_cpus() -> int:
    """CPUs of the cluster that is joined, at least 1."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def run_actors(
    blocks: Sequence[pa.Table],
    actor: type,
    job: object,
    *,
    size: int,
    num_cpus: float,
    num_gpus: float = 0.0,
    calls_at_once: int = 1,
) -> Iterator[pa.Table]:
    """Put each block through one call of a pool of ``size`` actors; yields what they return, as it comes.

    An actor gets so many ``calls_at_once``, each in a thread, and one block more waits for it. A killed actor is
    started again and its blocks put through again: actors must make that harmless.

    Raises:
        SessionError: an actor could not load its model.
    """
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    # A pool of fixed size has nobody to share with; to work that out ten times a second takes 1 % of a CPU.
    context.op_resource_reservation_enabled = False
    context.execution_no_progress_timeout_s = NO_PROGRESS_TIMEOUT_S  # type: ignore[attr-defined,unused-ignore]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        # Unlike from_arrow, this asks no worker of the cluster what the blocks hold.
        results = ray.data.from_blocks([_as_one_row(block) for block in blocks]).map_batches(
            _taking_whole_blocks(actor),
            batch_size=1,
            batch_format="pyarrow",
            fn_constructor_args=(job,),
            compute=ActorPoolStrategy(
                size=min(size, len(blocks)),
                max_tasks_in_flight_per_actor=calls_at_once + 1,
                enable_true_multi_threading=calls_at_once > 1,
            ),
            max_concurrency=calls_at_once,
            num_cpus=num_cpus,
            num_gpus=num_gpus or None,
        )
        try:
            yield from results.iter_batches(batch_size=None, batch_format="pyarrow")
        except ray.exceptions.ActorDiedError as error:
            told = _LOAD_ERROR.findall(str(error))
            if not told:
                raise
            raise SessionError(told[-1]) from error


def _as_one_row(block: pa.Table) -> pa.Table:
    """A block as one row. Ray Data asks for a batch size where there are GPUs, and joins or cuts blocks to fit it."""
    rows = block.to_struct_array().combine_chunks()
    return pa.table({"rows": pa.ListArray.from_arrays(pa.array([0, len(rows)], pa.int32()), rows)})


def _taking_whole_blocks(actor: type) -> type:
    """The actor class, for calls with what :func:`_as_one_row` makes; under its own name, which Ray shows."""

    def call(self: Any, batch: pa.Table) -> pa.Table:
        return actor.__call__(self, pa.Table.from_struct_array(batch["rows"].combine_chunks().flatten()))

    return type(actor.__name__, (actor,), {"__call__": call, "__qualname__": actor.__qualname__})
