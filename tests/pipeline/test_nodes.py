"""Several nodes: one that comes is used, one that goes loses nothing, and too small a cluster is told before the start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from cluster import RunningCluster, running_cluster
from test_kills import commits, rows

PROJECT = Path(__file__).resolve().parents[2]
PAGES = 20


@pytest.fixture(scope="module")
def cluster() -> Iterator[RunningCluster]:
    folder = Path(tempfile.mkdtemp(prefix="fs-"))  # Ray's sockets need a short path
    with running_cluster(folder) as started:
        yield started
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    for number in range(4):
        make_pdf(tmp_path / "in" / f"{number}.pdf", [f"File {number} page {n}." for n in range(PAGES // 4)])
    return tmp_path / "in"


def options(archive: Path, output: Path) -> tuple[str, ...]:
    return (
        *("--input", str(archive), "--output", str(output), "--model", "fake", "--layout", "fast"),
        *("--replicas", "4", "--pages-per-unit", "1"),
    )


def start(cluster: RunningCluster, arguments: tuple[str, ...]) -> subprocess.Popen[str]:
    command = [sys.executable, "jobs/extract_docs.py", *arguments, "--address", cluster.told["address"]]
    return subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**cluster.environment, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def readers(raylet: int) -> int:
    """How many read actors a node runs."""
    lines = []
    for process in psutil.Process(raylet).children():
        try:
            lines.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return sum("ReplicaActor" in line for line in lines)


def wait_for(condition: Any, job: subprocess.Popen[str]) -> None:
    while not condition():
        assert job.poll() is None, job.communicate()[0][-3000:]
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.guarantee(
    fault="node lost",
    moment="read",
    outcome="the units it had are read by another that has room, or when one comes; the rows are those of an undisturbed run; a node that comes is used",
)
def test_nodes_come_and_go(cluster: RunningCluster, archive: Path, tmp_path: Path) -> None:
    nothing = start(cluster, options(archive, tmp_path / "none"))
    told, _ = nothing.communicate(timeout=600)
    assert nothing.returncode == 1
    assert "one needs 0.5 CPUs" in told
    assert not (tmp_path / "none" / "manifest.json").exists()

    cluster.add(1)
    output = tmp_path / "moved"
    job = start(cluster, options(archive, output))
    wait_for(lambda: commits(output) >= 2, job)
    cluster.hold.touch()
    second = cluster.add(2)["raylet"]  # with room for those of the first
    wait_for(lambda: readers(second) == 2, job)  # four replicas were asked for, two had no place till now
    so_far = commits(output)
    cluster.hold.unlink()
    wait_for(lambda: commits(output) >= so_far + 3, job)
    cluster.hold.touch()
    cluster.kill(0)
    cluster.hold.unlink()
    told, _ = job.communicate(timeout=600)
    assert job.returncode == 0, told[-3000:]
    assert "2 of 4 replicas" in told

    calm = start(cluster, options(archive, tmp_path / "calm"))
    assert calm.wait(600) == 0
    expected = rows(tmp_path / "calm")
    assert len(expected["segments"]) == PAGES
    assert rows(output) == expected


@pytest.mark.slow
def test_a_submitted_job_joins_its_cluster(cluster: RunningCluster, archive: Path, tmp_path: Path) -> None:
    cluster.add(2)
    environment = {**cluster.environment, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    submit = [
        *(str(Path(sys.executable).parent / "ray"), "job", "submit", "--address", cluster.told["dashboard"]),
        *("--working-dir", ".", "--", sys.executable, "jobs/extract_docs.py", *options(archive, tmp_path / "out")),
    ]
    until = time.monotonic() + 600
    while True:  # Ray's own agent, which starts jobs, takes a while to come up on a busy machine
        done = subprocess.run(submit, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600)
        if "No available agent" not in done.stdout + done.stderr or time.monotonic() > until:
            break
        time.sleep(2)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "Accounting" in done.stdout
    assert len(rows(tmp_path / "out")["segments"]) == PAGES
