"""A Ray cluster of several nodes on this machine, in a process of its own and told what to do on standard input.

``add CPUS`` starts a node and answers with its raylet's process id; ``kill NUMBER`` ends one as a lost machine would.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOKEN = "0123456789abcdef" * 4


class RunningCluster:
    """``hold`` is a file: while it is there, the fake replicas begin no page."""

    def __init__(self, process: subprocess.Popen[str], environment: dict[str, str], hold: Path) -> None:
        self._process = process
        self.environment = environment
        self.hold = hold
        self.told: dict[str, Any] = self._answer()

    def add(self, cpus: int) -> dict[str, Any]:
        return self._ask(f"add {cpus}")

    def kill(self, number: int) -> None:
        self._ask(f"kill {number}")

    def _ask(self, words: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise RuntimeError("the cluster ended")


@contextmanager
def running_cluster(temporary: Path) -> Iterator[RunningCluster]:
    """A head without CPUs, with its dashboard (jobs are submitted there) and token authentication."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "RAY_TMPDIR": str(temporary)}
    environment |= {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "5"}
    hold = temporary / "hold"  # actors have their node's environment, not their driver's
    environment |= {"FOLIOSCOPE_FAKE_SECONDS": "0.3", "FOLIOSCOPE_FAKE_HOLD": str(hold)}
    process = subprocess.Popen(
        [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield RunningCluster(process, environment, hold)
    finally:
        hold.unlink(missing_ok=True)
        process.communicate(timeout=600)


def log_info(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def main() -> None:
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 100 << 20}
    # The usual ports may be taken by another Ray of this machine, as the tests' own.
    ports = {"dashboard_agent_listen_port": None, "dashboard_port": free_port()}
    head = {"num_cpus": 0, "include_dashboard": True, **ports, **memory}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = []
    log_info(address=cluster.address, dashboard=f"http://{cluster.head_node.webui_url}")
    for line in sys.stdin:
        command, number = line.split()
        if command == "add":
            nodes.append(cluster.add_node(num_cpus=int(number), **memory))
            [raylet] = nodes[-1].all_processes["raylet"]
            log_info(raylet=raylet.process.pid)
        else:
            cluster.remove_node(nodes[int(number)], allow_graceful=False)
            log_info()
    cluster.shutdown()


if __name__ == "__main__":
    main()
