"""Pools of actors: whole blocks reach them, on GPUs too; a model that cannot be loaded ends the run with a sentence.

A local Ray counts nothing for others unless it is told to.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from folioscope.model.load import ModelLoadError
from folioscope.pipeline.block_stream import run_actors
from folioscope.pipeline.ray_session import LOCAL_RAY_ENV, ResourceRequest, SessionError, ray_session

PROJECT = Path(__file__).resolve().parents[2]
METRICS = "RAY_enable_metrics_collection"


@pytest.mark.usefixtures("local_ray")
@pytest.mark.parametrize("gpus", [0.0, 1.0])
def test_blocks_come_whole_to_actors_with_and_without_a_gpu(gpus: float) -> None:
    class Counting:
        def __init__(self, job: str) -> None:
            self._job = job

        def __call__(self, block: pa.Table) -> pa.Table:
            import ray

            given = len(ray.get_gpu_ids())
            return pa.table({"rows": [block.num_rows], "sum": [sum(block["n"].to_pylist())], "gpus": [given]})

    blocks = [pa.table({"n": list(range(size)), "word": ["w"] * size}) for size in (1, 7, 2, 30)]
    results = run_actors(iter(blocks), Counting, "job", size=1, num_cpus=0.5, num_gpus=gpus)
    found = sorted(tuple(row.values()) for table in results for row in table.to_pylist())
    assert found == [(size, size * (size - 1) // 2, int(gpus)) for size in (1, 2, 7, 30)]


@pytest.mark.usefixtures("local_ray")
def test_a_model_that_cannot_be_loaded_ends_the_run(tmp_path: Path) -> None:
    class Unloadable:
        def __init__(self, log: str) -> None:
            with Path(log).open("a") as lines:
                lines.write("made\n")
            raise ModelLoadError("--model m could not be loaded (OSError: 503). Run it again.")

        def __call__(self, block: pa.Table) -> pa.Table:
            return block

    log = tmp_path / "log"
    blocks = [pa.table({"n": [n]}) for n in range(3)]
    with pytest.raises(SessionError, match=r"^--model m could not be loaded \(OSError: 503\)\. Run it again\.$"):
        list(run_actors(iter(blocks), Unloadable, str(log), size=1, num_cpus=0.5))
    assert log.read_text() == "made\n"


@pytest.fixture
def started_with(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The variables of LOCAL_RAY_ENV as each start of Ray found them. No Ray is started."""
    found: list[dict[str, str]] = []

    def start(*_: object, **__: object) -> None:
        found.append({name: os.environ[name] for name in LOCAL_RAY_ENV if name in os.environ})

    for name in (*LOCAL_RAY_ENV, "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("folioscope.pipeline.ray_session._init", start)
    monkeypatch.setattr("folioscope.pipeline.ray_session._check_room", lambda *_: None)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.nodes", list)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    return found


def test_a_local_ray_counts_nothing_unless_told_to(
    started_with: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ray_session(None, ResourceRequest(1, 1.0, 0.0), print):
        assert METRICS not in os.environ
    monkeypatch.setenv(METRICS, "1")
    with ray_session(None, ResourceRequest(1, 1.0, 0.0), print):
        assert os.environ[METRICS] == "1"
    assert started_with == [LOCAL_RAY_ENV, {**LOCAL_RAY_ENV, METRICS: "1"}]


def test_a_cluster_counts_as_it_is_set_up(started_with: list[dict[str, str]]) -> None:
    with ray_session("somewhere:6379", ResourceRequest(1, 1.0, 0.0), print):
        pass
    assert started_with == [{}]


def test_importing_the_pipeline_changes_no_environment() -> None:
    code = (
        "import os; before = dict(os.environ); import folioscope.pipeline.run, folioscope.jobs.launch; "
        "assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(PROJECT)})


def test_a_session_leaves_the_environment_as_it_was(started_with: list[dict[str, str]]) -> None:
    before = dict(os.environ)
    with ray_session(None, ResourceRequest(1, 1.0, 0.0), print):
        assert os.environ["RAY_BACKEND_LOG_LEVEL"] == "fatal"
    assert dict(os.environ) == before


@pytest.mark.usefixtures("local_ray")
def test_actors_leave_the_embedding_programs_ray_settings_as_they_were() -> None:
    import ray.data

    class Passing:
        def __init__(self, job: str) -> None:
            pass

        def __call__(self, block: pa.Table) -> pa.Table:
            return block

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = True
    context.execution_options.preserve_order = True
    loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    results = run_actors(iter([pa.table({"n": [1]})] * 2), Passing, "job", size=1, num_cpus=0.5)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert list(run_actors(iter([pa.table({"n": [1]})]), Passing, "job", size=1, num_cpus=0.5))
    assert ray.data.DataContext.get_current() is context
    assert context.enable_progress_bars
    assert context.execution_options.preserve_order
    assert [logger.level for logger in loggers] == [logging.WARNING] * 2
