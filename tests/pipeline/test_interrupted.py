"""Ctrl-C and a Ray that goes: the run ends at once, with a line that says what is kept and what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from runs import run
from test_kills import commits

from folioscope.model.fake import FakeReplica
from folioscope.model.protocol import PageInput, Reading
from folioscope.pipeline.run import RunStoppedError
from folioscope.pipeline.session import LOST
from folioscope.pipeline.stages import replica as stage
from folioscope.pipeline.tables import commits as committing

PROJECT = Path(__file__).resolve().parents[2]


class Interrupted(FakeReplica):
    """Somebody presses Ctrl-C at the fifth page."""

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        for page in pages:
            assert page is not None
            if page.page_number == 5:
                raise KeyboardInterrupt
            yield from super().read([page])


@pytest.mark.usefixtures("inline_actors")
def test_an_interrupted_run_says_what_is_kept_and_the_same_command_carries_on(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_pdf(tmp_path / "in" / "a.pdf", [f"page {number}" for number in range(1, 21)])
    monkeypatch.setattr(committing, "COMMIT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(stage, "load_replica", lambda choice: Interrupted())
        with pytest.raises(RunStoppedError) as stopped:
            run(tmp_path / "in", tmp_path / "out", kinds="documents")
    assert str(stopped.value) == "Stopped. 4 of 20 pages kept; run the same command to continue."
    outcome = run(tmp_path / "in", tmp_path / "out")
    assert outcome.accounting.balanced
    assert (outcome.accounting.segments.done, outcome.accounting.segments.reused) == (16, 4)


WATCHED = """
import subprocess, sys, time, psutil
from folioscope.pipeline.session import RayletWatch
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
RayletWatch(psutil.Process(child.pid))
print(child.pid, flush=True)
time.sleep(30)
"""


@pytest.mark.guarantee(
    fault="node lost",
    moment="identify, read, understand",
    outcome="where the driver's own raylet dies, the job exits 1 with a line that says so; the same command carries on",
)
def test_a_dead_raylet_is_told_in_one_line() -> None:
    job = subprocess.Popen(
        [sys.executable, "-c", WATCHED], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert job.stdout is not None
    psutil.Process(int(job.stdout.readline())).kill()
    _, errors = job.communicate(timeout=600)
    assert job.returncode == 1
    assert errors.count(LOST) == 1
    assert "same command" in LOST


@pytest.mark.slow
@pytest.mark.parametrize("by", ["raylet", "ctrl-c"])
def test_a_job_on_ray_ends_with_a_line(by: str, tmp_path: Path, make_pdf: Any) -> None:
    make_pdf(tmp_path / "in" / "a.pdf", [f"page {number}" for number in range(20)])
    output = tmp_path / "out"
    hold = tmp_path / "hold"
    environment = {**os.environ, "FOLIOSCOPE_FAKE_SECONDS": "0.5", "FOLIOSCOPE_FAKE_HOLD": str(hold)}
    environment.pop("RAY_ADDRESS", None)
    job = subprocess.Popen(
        [
            *(sys.executable, "jobs/extract_docs.py", "--input", str(tmp_path / "in"), "--output", str(output)),
            *("--model", "fake", "--layout", "fast", "--pages-per-unit", "2", "--replicas", "1"),
        ],
        cwd=PROJECT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 600
    while not commits(output) and time.monotonic() < until:
        time.sleep(0.1)
    hold.touch()
    if by == "ctrl-c":
        job.send_signal(signal.SIGINT)
    else:
        for process in psutil.Process(job.pid).children(recursive=True):
            if process.name() == "raylet":
                process.kill()
    _, errors = job.communicate(timeout=600)
    if by == "ctrl-c":
        assert job.returncode == 130
        assert "of 20 pages kept; run the same command to continue." in errors
    else:
        assert job.returncode == 1
        assert LOST in errors
    assert "Traceback" not in errors
