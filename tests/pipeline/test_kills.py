"""Twenty kills over a run of two hundred units, then one clean finish: the rows are those of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

PROJECT = Path(__file__).resolve().parents[2]
KILLS = 20
DOCUMENTS, PAGES = 20, 20  # 200 units of two pages
SEED = 20


def command(archive: Path, output: Path) -> list[str]:
    return [
        *(sys.executable, "jobs/extract_docs.py", "--input", str(archive), "--output", str(output)),
        *("--model", "fake", "--layout", "fast", "--pages-per-unit", "2", "--replicas", "2"),
    ]


def start(archive: Path, output: Path, seconds_per_page: float) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "FOLIOSCOPE_FAKE_SECONDS": str(seconds_per_page)}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.Popen(
        command(archive, output), cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def victims(driver: subprocess.Popen[bytes]) -> dict[str, list[psutil.Process]]:
    """The running processes of a run by their part in it."""
    found: dict[str, list[psutil.Process]] = {"driver": [psutil.Process(driver.pid)], "actor": [], "decoder": []}
    for process in found["driver"][0].children(recursive=True):
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "folioscope.pipeline.decode.worker" in line:
            found["decoder"].append(process)
        elif "MapWorker" in line:
            found["actor"].append(process)
    return found


def commits(output: Path) -> int:
    """How many commits of the read stage there are."""
    return sum(1 for _ in output.glob("_work/*/commits/*/read/*/*.json"))


def rows(output: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table's rows, without what must differ between runs: run, times, and what they cost."""
    varying = "run_id, created_at, seconds, input_tokens, output_tokens"
    with duckdb.connect() as database:
        database.execute("SET VARIABLE output = $1", [str(output)])
        database.execute((output / "views.sql").read_text())
        return {
            "segments": database.sql(f"SELECT * EXCLUDE ({varying}) FROM all_segments ORDER BY ALL").fetchall(),
            "summaries": database.sql(f"SELECT * EXCLUDE ({varying}) FROM all_summaries ORDER BY ALL").fetchall(),
            "failures": database.sql("SELECT uri, stage, segment, reason FROM all_failures ORDER BY ALL").fetchall(),
            "assets": database.sql("SELECT uri, asset_id, status, read_recipe_id FROM assets ORDER BY ALL").fetchall(),
        }


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.guarantee(
    fault="driver killed",
    moment="read",
    outcome="twenty kills of drivers, actors and children over 200 units, then one clean finish: the rows of an undisturbed run",
)
@pytest.mark.guarantee(
    fault="actor killed",
    moment="read",
    outcome="as driver killed: the actor starts again, its block is put through again",
)
@pytest.mark.guarantee(
    fault="decode child killed",
    moment="read",
    outcome="as driver killed: a fresh child decodes the page again",
)
def test_twenty_kills_and_one_clean_finish_give_the_undisturbed_rows(tmp_path: Path, make_pdf: Any) -> None:
    archive = tmp_path / "archive"
    for number in range(DOCUMENTS):
        make_pdf(archive / f"{number:02d}.pdf", [f"Document {number}, page {page}." for page in range(1, PAGES + 1)])
    undisturbed = start(archive, tmp_path / "calm", 0.0)
    assert undisturbed.wait(600) == 0

    chance = random.Random(SEED)
    output = tmp_path / "killed"
    killed: list[str] = []
    finished_early = 0
    while len(killed) < KILLS:
        driver = start(archive, output, 0.25)
        begun_with = commits(output)
        driver_may_die_at = len(killed) + chance.randint(4, 6)
        while driver.poll() is None and len(killed) < KILLS:
            if commits(output) <= begun_with:  # still starting, or recovering from the last kill
                time.sleep(0.1)
                continue
            parts = victims(driver)
            part = "driver" if len(killed) + 1 >= driver_may_die_at else chance.choice(["actor", "decoder"])
            if not parts[part]:
                time.sleep(0.1)
                continue
            process = chance.choice(parts[part])
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
            killed.append(part)
            begun_with = commits(output)
            if part == "driver":
                break
        finished_early += driver.poll() == 0 and len(killed) < KILLS
        driver.kill()
        driver.wait()
    assert finished_early == 0, "the run ended before its kills: make it slower"
    assert {"driver", "actor", "decoder"} <= set(killed)

    clean = start(archive, output, 0.0)
    _, errors = clean.communicate(timeout=900)
    assert clean.returncode == 0, errors.decode()[-2000:]
    expected = rows(tmp_path / "calm")
    assert len(expected["segments"]) == DOCUMENTS * PAGES
    assert rows(output) == expected
