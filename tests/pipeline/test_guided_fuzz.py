"""Fuzzing led by coverage (``tests/fuzzing.py``), a few seconds of it; ``make fuzz`` goes on for longer."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TIMES = int(os.environ.get("FOLIOSCOPE_FUZZ", "200")) // 200


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this machine")
@pytest.mark.timeout(24 * 3600 if TIMES > 1 else 900)
@pytest.mark.parametrize(("target", "runs"), [("decoder", 300), ("planner", 3000)])
def test_no_bytes_are_answered_by_anything_but_a_verdict(target: str, runs: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzzing", target, "--runs", str(runs * TIMES)],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {runs * TIMES} runs" in done.stderr
