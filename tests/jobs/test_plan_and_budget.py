"""The command line of nights: plans, budgets, and how they end. None of it starts Ray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def command(tmp_path: Path, make_pdf: Any) -> list[str]:
    make_pdf(tmp_path / "in" / "a.pdf", ["one"])
    line = [sys.executable, "jobs/extract_docs.py", "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    return [*line, "--model", "fake"]


def job(command: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    return subprocess.run(
        [*command, *arguments], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600
    )


def test_a_plan_is_printed_and_nothing_is_done(command: list[str], tmp_path: Path) -> None:
    plain = job(command, "--plan")
    assert plain.returncode == 0, plain.stderr
    assert "new; files 1" in plain.stdout
    assert "replica hours; expected unknown" in plain.stdout
    planned = json.loads(job(command, "--plan-json").stdout)
    assert planned["files"]["new"] == 1
    assert not (tmp_path / "out").exists()


def test_a_deadline_that_has_passed_ends_with_5_and_a_bill(command: list[str]) -> None:
    stopped = job(command, "--deadline", "2020-01-01")
    assert stopped.returncode == 5, stopped.stderr
    assert "deadline_passed" in stopped.stderr
    assert "The usage report (stopped: deadline_passed" in stopped.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--max-cost", "5"), "--price-per-replica-hour"),
        (("--deadline", "soon"), "neither a time"),
        (("--retry-failed", "bad_luck"), "no such reason"),
    ],
)
def test_bad_limits_end_with_2(command: list[str], arguments: tuple[str, ...], told: str) -> None:
    done = job(command, *arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_a_first_plan_counts_pages_in_a_sample_of_files(tmp_path: Path, make_pdf: Any) -> None:
    for number in range(8):
        make_pdf(tmp_path / "in" / f"{number}.pdf", ["words"] * (2 + number % 3))
    command = [sys.executable, "jobs/extract_docs.py", "--input", str(tmp_path / "in"), "--model", "fake"]
    planned = json.loads(job([*command, "--output", str(tmp_path / "out")], "--plan-json").stdout)
    pages = sum(2 + number % 3 for number in range(8))
    assert planned["pages"]["low"] <= pages <= planned["pages"]["high"]
    assert round(planned["pages"]["expected"]) == pages
    assert any("were counted in 8 of 8" in note for note in planned["notes"])
    assert not (tmp_path / "out").exists()
