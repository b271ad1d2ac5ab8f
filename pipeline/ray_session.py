"""Ray, kept quiet: a connection to the cluster.

Starting a local Ray takes 6 to 16 s; joining a running cluster takes about one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import tenacity

from folioscope.schemas.errors import FolioscopeError

# A Ray of our own serves one run, on ports that nobody knows: what it counts for Prometheus and for Ray's state API
# would take 3 % of a CPU and reach nobody. Who sets these variables has it otherwise.
LOCAL_RAY_ENV = {"RAY_enable_metrics_collection": "0", "RAY_task_events_report_interval_ms": "0"}
# For as long as a session of ours lasts. Ray logs every actor pool of Ray Data at level ERROR; what is fatal
# still speaks.
QUIET_ENV = {
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
NO_PROGRESS_TIMEOUT_S = 24 * 3600
LOCAL_STARTS = 3


class SessionError(FolioscopeError, RuntimeError):
    """Ray cannot be reached, or cannot hold or start the actors asked for; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """The actors of a run: how many, and what each takes of a node."""

    replicas: int
    num_cpus: float
    num_gpus: float

    def fitting(self, cpus: float, gpus: float) -> int:
        """How many replicas a node with so much can hold."""
        rooms = [have / need for have, need in ((cpus, self.num_cpus), (gpus, self.num_gpus)) if need]
        return int(min(rooms, default=self.replicas))


@contextmanager
def ray_session(address: str | None, need: ResourceRequest, notify: Callable[[str], None]) -> Iterator[None]:
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
    with _set_by_default(QUIET_ENV):
        _start(options, joining)
        try:
            _check_room(need, [node["Resources"] for node in ray.nodes() if node["Alive"]], notify)
            yield
        finally:
            ray.shutdown()


def _start(options: Mapping[str, Any], joining: str | None) -> None:
    try:
        with _set_by_default({} if joining else LOCAL_RAY_ENV):
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


def _check_room(need: ResourceRequest, nodes: Sequence[Mapping[str, float]], notify: Callable[[str], None]) -> None:
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
        notify(f"{fitting} of {need.replicas} replicas fit the cluster now; the others start as nodes are added")


def cluster_cpus() -> int:
    """CPUs of the cluster that is joined, at least 1."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))
