"""Kills at random for as long as you like, on S3: the rows stay those of an undisturbed run, the driver's memory flat.

    python benchmarks/soak.py [--minutes 30] [--seed 1] [--documents 60]

Starts an S3 server, puts an archive into it, and runs the job over it once in peace (fake replica). Then, round after
round until the time is over, the job runs into a new output while drivers, actors and decode children are killed at
random; a killed driver is started again, and from the last kill of the round on it is left alone. Each round's rows are
compared with the undisturbed ones, without what must differ (run, times, costs). A driver's memory is sampled every
second; its growth is that from ten seconds after its first stage began to its end, of drivers that lived so long.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import psutil
import pyarrow.parquet as pq
import pymupdf
from fsspec.config import conf

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import PROJECT
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest
from tests.pipeline.test_kills import victims
from tests.storage.server import ENVIRONMENT, serve

BUCKET = "soak"
PAGES = 12
KILLS_PER_ROUND = (3, 9)
SECONDS_BETWEEN = (1.0, 12.0)
WEIGHTS = {"driver": 1, "actor": 2, "decoder": 2}
WARM_SECONDS = 10.0
VARYING = {"run_id", "created_at", "seconds", "input_tokens", "output_tokens", "first_seen_at", "modified_at"}


class Driver:
    """One process of the job, and its memory by second of its life."""

    def __init__(self, url: str, output: str, seconds_per_page: float) -> None:
        environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
        environment |= {**ENVIRONMENT, "AWS_ENDPOINT_URL": url, "FOLIOSCOPE_FAKE_SECONDS": str(seconds_per_page)}
        command = [
            *(sys.executable, "jobs/extract_docs.py", "--input", f"s3://{BUCKET}/in", "--output", output),
            *("--model", "fake", "--layout", "fast", "--pages-per-unit", "2", "--replicas", "2"),
            *("--tasks", "read,summarize"),
        ]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with this object
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=self.errors
        )
        self.memory: list[tuple[float, float]] = []
        self._begun = time.monotonic()
        self._working = 0.0

    def sample(self) -> None:
        try:
            if not self._working and victims(self.process)["actor"]:
                self._working = time.monotonic() - self._begun
            rss = psutil.Process(self.process.pid).memory_info().rss / 2**20
        except psutil.Error:
            return
        self.memory.append((time.monotonic() - self._begun, rss))

    def growth(self) -> float | None:
        warm = [rss for age, rss in self.memory if self._working and age > self._working + WARM_SECONDS]
        return max(warm) - warm[0] if len(warm) > 5 else None

    def ended(self) -> bool:
        return self.process.poll() is not None

    def check(self) -> None:
        if self.process.returncode != 0:
            self.errors.seek(0)
            raise SystemExit(f"a driver ended with {self.process.returncode}:\n{self.errors.read().decode()[-3000:]}")


def fill(documents: int) -> None:
    fs = fsspec.filesystem("s3")
    fs.mkdir(BUCKET)
    for number in range(documents):
        document = pymupdf.open()
        for page in range(PAGES):
            document.new_page().insert_text((72, 72), f"Document {number}, page {page}.")
        fs.pipe_file(f"{BUCKET}/in/{number:04d}.pdf", document.tobytes(no_new_id=True))
        document.close()


def rows(output: str) -> dict[str, list[str]]:
    store = OutputStore(output)
    found = {}
    for table, files in load_manifest(store).tables.items():
        if table != "runs":
            tables = [pq.read_table(store.filesystem.open(store.full(file.path), "rb")) for file in files]
            kept = ({k: v for k, v in row.items() if k not in VARYING} for data in tables for row in data.to_pylist())
            found[table] = sorted(map(repr, kept))
    return found


def round_of_kills(url: str, output: str, chance: random.Random, drivers: list[Driver]) -> Counter[str]:
    """Run the job into ``output`` under fire; returns how often each part was killed."""
    killed: Counter[str] = Counter()
    kills = chance.randint(*KILLS_PER_ROUND)
    driver = Driver(url, output, 0.1)
    drivers.append(driver)
    due, part = _next_kill(chance)
    while True:
        time.sleep(1)
        driver.sample()
        if driver.ended() and driver.process.returncode >= 0:
            driver.check()
            return killed
        if driver.ended():  # by our hand
            driver = Driver(url, output, 0.1 if killed.total() < kills else 0.0)
            drivers.append(driver)
        elif killed.total() < kills and time.monotonic() >= due:
            running = victims(driver.process)[part]
            if not running:  # not yet started, or just killed: its turn stays
                continue
            try:
                chance.choice(running).kill()
            except psutil.NoSuchProcess:
                continue
            killed[part] += 1
            due, part = _next_kill(chance)


def _next_kill(chance: random.Random) -> tuple[float, str]:
    """(when by the monotonic clock, which part)."""
    [part] = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
    return time.monotonic() + chance.uniform(*SECONDS_BETWEEN), part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--documents", type=int, default=60)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    os.environ.update(ENVIRONMENT)
    killed: Counter[str] = Counter()
    drivers: list[Driver] = []
    with serve() as url:
        conf["s3"] = {"endpoint_url": url}
        fill(arguments.documents)
        calm = Driver(url, f"s3://{BUCKET}/calm", 0.0)
        calm.process.wait()
        calm.check()
        expected = rows(f"s3://{BUCKET}/calm")
        until = time.monotonic() + 60 * arguments.minutes
        rounds = 0
        while time.monotonic() < until:
            output = f"s3://{BUCKET}/round-{rounds}"
            killed += round_of_kills(url, output, chance, drivers)
            if rows(output) != expected:
                raise SystemExit(f"round {rounds} (seed {arguments.seed}): other rows than the undisturbed run's")
            OutputStore(output).delete_folder("")
            rounds += 1
            print(f"round {rounds}: rows equal; killed so far {dict(killed)}", flush=True)
    print(json.dumps(summary(rounds, killed, drivers, expected)))


def summary(rounds: int, killed: Counter[str], drivers: list[Driver], expected: dict[str, Any]) -> dict[str, Any]:
    growths = [growth for driver in drivers if (growth := driver.growth()) is not None]
    return {
        "rounds": rounds,
        "kills": dict(killed),
        "rows_compared": rounds * sum(map(len, expected.values())),
        "rows_lost": 0,
        "driver_peak_mb": round(max((rss for driver in drivers for _, rss in driver.memory), default=0.0)),
        "driver_growth_mb": round(max(growths, default=0.0), 1),
        "drivers_watched": len(growths),
    }


if __name__ == "__main__":
    main()
