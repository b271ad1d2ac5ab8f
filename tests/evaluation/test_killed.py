"""Benchmarks of ours in published layouts, by the nano replica in Ray's actors: killed twice, with equal scores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from layouts import pdf, png, save

from folioscope.pipeline.evaluation.publishing import read_evaluations
from folioscope.pipeline.storage.store import OutputStore

PROJECT = Path(__file__).resolve().parents[2]
WORDS = (
    "meadow",
    "ferry",
    "weir",
    "river",
    "cattle",
    "fence",
    "landing",
    "ticket",
    "Sunday",
    "children",
    "gate",
    "rent",
)
PATIENCE_S = 240.0


def make_ocrbench(folder: Path) -> None:
    entries = []
    for number, word in enumerate(WORDS):
        save(folder / f"OCRBench_Images/{number}.png", png(word))
        entry = {"id": number, "question": "Read the text.", "image_path": f"{number}.png", "answers": [word]}
        entries.append({**entry, "dataset_name": "IIIT5K", "type": "Regular Text Recognition"})
    save(folder / "OCRBench/OCRBench.json", entries)


def make_infovqa(folder: Path) -> None:
    data = []
    for number, word in enumerate(WORDS):
        save(folder / f"infographicsvqa_images/{number}.jpeg", png(word))
        data.append(
            {"questionId": number, "question": "What?", "image_local_name": f"{number}.jpeg", "answers": [word]}
        )
    save(folder / "infographicsVQA_val_v1.0_withQT.json", {"data": data})


def make_olmocr_bench(folder: Path) -> None:
    tests = []
    for number, word in enumerate(WORDS[:6]):
        pdf(folder / f"pdfs/{number}.pdf", [f"The {word} is let\nfor nine shillings."])
        test = {"pdf": f"{number}.pdf", "page": 1, "id": str(number), "type": "present", "max_diffs": 2}
        tests.append({**test, "text": f"The {word} is let"})
    save(folder / "text.jsonl", "\n".join(map(json.dumps, tests)))


MAKERS = {"ocrbench": make_ocrbench, "infovqa": make_infovqa, "olmocr-bench": make_olmocr_bench}


def start(data: Path, output: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])}
    environment.pop("RAY_ADDRESS", None)
    folders = [word for name in MAKERS for word in ("--benchmark", f"{name}={data / name}")]
    command = [sys.executable, "-m", "folioscope", "evaluate", str(output), *folders, "--model", "nano"]
    return subprocess.Popen(
        [*command, "--engine", "torch"], cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def commits(output: Path) -> int:
    return sum(1 for _ in output.glob("_work/predictions/*/*.parquet"))


def kill_after_a_commit(driver: subprocess.Popen[bytes], output: Path, held: int) -> None:
    """Kill the driver and all that it started once there is one commit more than it found."""
    until = time.monotonic() + PATIENCE_S
    while commits(output) <= held and driver.poll() is None:
        assert time.monotonic() < until, "nothing was committed"
        time.sleep(0.05)
    assert driver.poll() is None, driver.stderr.read().decode() if driver.stderr else ""
    everyone = [*psutil.Process(driver.pid).children(recursive=True), psutil.Process(driver.pid)]
    for process in reversed(everyone):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    driver.wait()


def finished(driver: subprocess.Popen[bytes]) -> None:
    _, told = driver.communicate(timeout=PATIENCE_S)
    assert driver.returncode == 0, told.decode()


def items(output: Path) -> list[tuple[Any, ...]]:
    rows = read_evaluations(OutputStore(str(output)), "evaluation_items").to_pylist()
    return sorted((row["benchmark"], row["item_id"], row["prediction"], row["score"]) for row in rows)


def scores(output: Path) -> dict[str, tuple[float, float, float]]:
    rows = read_evaluations(OutputStore(str(output)), "evaluations").to_pylist()
    return {row["benchmark"]: (row["score"], row["low"], row["high"]) for row in rows}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_evaluation_that_is_killed_twice_has_equal_scores(tmp_path: Path) -> None:
    for name, make in MAKERS.items():
        make(tmp_path / "data" / name)
    finished(start(tmp_path / "data", tmp_path / "whole"))
    output = tmp_path / "killed"
    for _ in range(2):
        held = commits(output)
        kill_after_a_commit(start(tmp_path / "data", output), output, held)
    assert not scores(output).keys() >= set(MAKERS)
    held = commits(output)
    finished(start(tmp_path / "data", output))
    assert commits(output) > held
    assert scores(output) == scores(tmp_path / "whole")
    assert items(output) == items(tmp_path / "whole")
    assert len(items(output)) == 30
    assert scores(output)["olmocr-bench"][0] > 0
