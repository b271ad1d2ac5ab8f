"""Measuring a program and all processes under it: CPU seconds, and peak memory by the part each plays."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from folioscope.pipeline.versions import versions

PROJECT = Path(__file__).resolve().parents[1]
SAMPLE_SECONDS = 0.1


@dataclass(slots=True)
class Measured:
    """``cpu_seconds`` of the whole tree; ``peak_mb`` of its largest process of each part (driver, actor, decoder)."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mb: dict[str, float] = field(default_factory=dict)


def run_measured(arguments: list[str], environment: dict[str, str]) -> Measured:
    """Run a Python program of ours and watch its tree until it ends. Raises where it fails."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    watcher = _Watcher(process.pid)
    watcher.start()
    _, errors = process.communicate()
    watcher.stop()
    if process.returncode != 0:
        raise SystemExit(f"{arguments} ended with {process.returncode}:\n{errors.decode()[-3000:]}")
    measured = watcher.measured()
    measured.wall_seconds = time.perf_counter() - begun
    return measured


def run_parts(method: str, parts: Sequence[Callable[[Path, bool], dict[str, Any]]]) -> None:
    """The command line of a benchmark in parts, each ``part(scratch folder, quick)`` giving figures.

    Prints the method, then the figures so far after each part, and all of them as one JSON line last.
    """
    by_name = {part.__name__: part for part in parts}
    run_named(method, by_name, options(method, by_name).parse_args())


def options(method: str, names: Iterable[str]) -> argparse.ArgumentParser:
    """The options that all benchmarks in parts have."""
    parser = argparse.ArgumentParser(description=method, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fraction of the size, for a first look")
    parser.add_argument("--only", default=",".join(names))
    return parser


def run_named(
    method: str, by_name: Mapping[str, Callable[[Path, bool], dict[str, Any]]], arguments: argparse.Namespace
) -> None:
    """Run the parts that ``arguments`` name and print as ``run_parts`` does."""
    print(method)
    print(f"{os.cpu_count()} cores; began {time.strftime('%Y-%m-%d %H:%M')}")
    figures: dict[str, Any] = {}
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory(prefix=f"folioscope-{name}-") as scratch:
            figures |= by_name[name](Path(scratch), arguments.quick)
        print(name, json.dumps(figures), flush=True)
    print(json.dumps({**figures, "quick": arguments.quick, "cores": os.cpu_count(), "versions": dict(versions())}))


class _Watcher(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._cpu: dict[tuple[int, float], float] = {}
        self._peak: dict[str, float] = defaultdict(float)
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            try:
                processes = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            for process in processes:
                self._sample(process)

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def measured(self) -> Measured:
        return Measured(cpu_seconds=sum(self._cpu.values()), peak_mb=dict(self._peak))

    def _sample(self, process: psutil.Process) -> None:
        try:
            with process.oneshot():
                times = process.cpu_times()
                self._cpu[process.pid, process.create_time()] = times.user + times.system
                part = self._part(process)
                self._peak[part] = max(self._peak[part], process.memory_info().rss / 2**20)
        except psutil.Error:
            return

    def _part(self, process: psutil.Process) -> str:
        if process.pid == self._root.pid:
            return "driver"
        line = " ".join(process.cmdline())
        return "actor" if "MapWorker" in line else "decoder" if "folioscope.pipeline.decode.worker" in line else "ray"
