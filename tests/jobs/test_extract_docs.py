"""The command line: bad arguments end before Ray starts, and every end has its code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def job(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    command = [sys.executable, "jobs/extract_docs.py", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--input"),
        (("--input", "x"), "--output"),
        (("--input", "x", "--output", "y", "--tasks", "sing"), "tasks"),
        (("--input", "x", "--output", "y", "--model", "gpt"), "embedded"),
        (("--input", "x", "--output", "y", "--dpi", "1"), "dpi"),
        (("--input", "x", "--output", "y", "--questions", "none.yaml"), "none.yaml"),
        (("--input", "x", "--output", "y", "--password-file", "none.txt"), "none.txt"),
    ],
)
def test_bad_arguments_end_with_2(arguments: tuple[str, ...], told: str) -> None:
    done = job(*arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_help_names_the_exit_codes() -> None:
    done = job("--help")
    assert done.returncode == 0
    assert "does not balance" in " ".join(done.stdout.split())


def test_failures_decide_the_exit_code_and_the_books_are_printed(tmp_path: Path, make_pdf: Any) -> None:
    make_pdf(tmp_path / "in" / "a.pdf", ["one"])
    (tmp_path / "in" / "bad.pdf").write_bytes(b"")
    arguments = (
        "--input",
        str(tmp_path / "in"),
        "--output",
        str(tmp_path / "out"),
        "--model",
        "fake",
        "--layout",
        "fast",
    )
    strict = job(*arguments)
    assert strict.returncode == 3, strict.stderr
    assert "Accounting" in strict.stdout
    assert "pages/s" in strict.stderr
    lenient = job(*arguments, "--max-failures", "1")
    assert lenient.returncode == 0
    assert "reused" in lenient.stdout


def test_an_output_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text(
        '{"run_id": "x", "generation": 1, "schema_version": 99, "tables": {}}'
    )
    done = job("--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--model", "fake")
    assert done.returncode == 1
    assert "newer Folioscope" in done.stderr
