"""A Ray cluster of several nodes on this machine, in a process of its own and told what to do on standard input.

``add CPUS`` starts a node and answers with its raylet's process id; ``kill NUMBER`` ends one as a lost machine would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOKEN = "0123456789abcdef" * 4


class RunningCluster:
    def __init__(self, process: subprocess.Popen[str], environment: dict[str, str]) -> None:
        self._process = process
        self.environment = environment
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
    environment |= {"FOLIOSCOPE_FAKE_SECONDS": "1.5"}  # actors have their node's environment, not their driver's
    process = subprocess.Popen(
        [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield RunningCluster(process, environment)
    finally:
        process.communicate(timeout=60)


def say(**answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": 100 << 20}
    # The head's agent starts jobs. Its usual port may be taken by another Ray of this machine, as the tests' own.
    head = {"num_cpus": 0, "include_dashboard": True, "dashboard_agent_listen_port": None, **memory}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = []
    say(address=cluster.address, dashboard=f"http://{cluster.head_node.webui_url}")
    for line in sys.stdin:
        command, number = line.split()
        if command == "add":
            nodes.append(cluster.add_node(num_cpus=int(number), **memory))
            [raylet] = nodes[-1].all_processes["raylet"]
            say(raylet=raylet.process.pid)
        else:
            cluster.remove_node(nodes[int(number)], allow_graceful=False)
            say()
    cluster.shutdown()


if __name__ == "__main__":
    main()
