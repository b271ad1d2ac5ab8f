"""Pools of actors: whole blocks reach them, on GPUs too; a model that cannot be loaded ends the run with a sentence.

A local Ray counts nothing for others unless it is told to.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from model.load import ModelLoadError
from pipeline.session import OWN_RAY, Need, SessionError, ray_session, run_actors

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
    results = run_actors(blocks, Counting, "job", size=1, num_cpus=0.5, num_gpus=gpus)
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
        list(run_actors(blocks, Unloadable, str(log), size=1, num_cpus=0.5))
    assert log.read_text() == "made\n"


@pytest.fixture
def started_with(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The variables of OWN_RAY as each start of Ray found them. No Ray is started."""
    found: list[dict[str, str]] = []

    def start(*_: object, **__: object) -> None:
        found.append({name: os.environ[name] for name in OWN_RAY if name in os.environ})

    for name in (*OWN_RAY, "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pipeline.session._init", start)
    monkeypatch.setattr("pipeline.session._check_room", lambda *_: None)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.nodes", list)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    return found


def test_a_local_ray_counts_nothing_unless_told_to(
    started_with: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ray_session(None, Need(1, 1.0, 0.0), print):
        assert METRICS not in os.environ
    monkeypatch.setenv(METRICS, "1")
    with ray_session(None, Need(1, 1.0, 0.0), print):
        assert os.environ[METRICS] == "1"
    assert started_with == [OWN_RAY, {**OWN_RAY, METRICS: "1"}]


def test_a_cluster_counts_as_it_is_set_up(started_with: list[dict[str, str]]) -> None:
    with ray_session("somewhere:6379", Need(1, 1.0, 0.0), print):
        pass
    assert started_with == [{}]
