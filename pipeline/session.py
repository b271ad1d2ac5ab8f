"""The Ray session of a run: it starts when it is first wanted, and ends with the run.

A local Ray whose raylet dies takes the driver's process down without a word; here it is told what happened first.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from types import TracebackType

import psutil

from folioscope.pipeline.logs import log_error, log_info
from folioscope.pipeline.ray_session import ResourceRequest, ray_session
from folioscope.pipeline.setup import RunSetup

LOOK_SECONDS = 0.5
SHUTDOWN_SECONDS = 1.0  # after Ctrl-C nobody waits longer than that for Ray
LOST = (
    "Ray's process on this machine (the raylet) ended unexpectedly, killed or short of memory, and the run with it. "
    "What is committed is kept: run the same command to continue."
)


class LazySession:
    """A Ray session that starts when it is first wanted.

    Only the thread that made it may start it: a local Ray is killed with the thread that started it, which must outlive
    the run (Linux sends a parent-death signal when the thread ends, not the process).
    """

    def __init__(self, setup: RunSetup) -> None:
        need = ResourceRequest(setup.config.replicas, setup.replica.num_cpus, setup.replica.num_gpus)
        self._session: AbstractContextManager[None] = ray_session(setup.config.address, need, log_info)
        self._owner = threading.get_ident()
        self._watch: RayletWatch | None = None

    def start(self) -> None:
        """Raises RuntimeError where another thread is the first to want it."""
        if self._watch is not None:
            return
        if threading.get_ident() != self._owner:
            raise RuntimeError("a Ray that this thread started would be killed when the thread ends")
        self._session.__enter__()
        self._watch = RayletWatch()

    @property
    def started(self) -> bool:
        return self._watch is not None

    def __enter__(self) -> LazySession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is None:
            return
        self._watch.stop()
        if isinstance(error, KeyboardInterrupt):
            ending = threading.Thread(target=self._session.__exit__, args=(None, None, None), daemon=True)
            ending.start()
            ending.join(SHUTDOWN_SECONDS)
        else:
            self._session.__exit__(kind, error, trace)


class RayletWatch:
    """Looks twice a second whether the raylet that this process depends on still lives; says so and exits where not."""

    def __init__(self, raylet: psutil.Process | None = None) -> None:
        self._raylet = raylet or _raylet()
        self._over = threading.Event()
        if self._raylet is not None:
            threading.Thread(target=self._look, args=(self._raylet,), name="raylet", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def _look(self, raylet: psutil.Process) -> None:
        while not self._over.wait(LOOK_SECONDS):
            try:
                alive = raylet.is_running() and raylet.status() != psutil.STATUS_ZOMBIE
            except psutil.NoSuchProcess:
                alive = False
            if not alive and not self._over.is_set():
                log_error(LOST)
                os._exit(1)  # Ray does the same some seconds later, in silence: nothing of it can be ended in order


def _raylet() -> psutil.Process | None:
    """The raylet of this machine that this process is connected to; None where it cannot be told."""
    import ray

    if not ray.is_initialized():
        return None
    here = ray.get_runtime_context().get_node_id()
    sockets = [node["RayletSocketName"] for node in ray.nodes() if node["NodeID"] == here]
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["name"] == "raylet" and any(socket in word for socket in sockets for word in words):
            return process
    return None
