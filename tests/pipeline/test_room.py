"""Whether a run's actors have room is known before the start, node by node; a local Ray that is slow to start is retried."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from folioscope.pipeline.ray_session import LOCAL_STARTS, ResourceRequest, SessionError, _check_room, ray_session

SMALL = {"CPU": 4.0, "memory": 1.0}
WITH_GPU = {"CPU": 8.0, "GPU": 2.0}


def told(need: ResourceRequest, *nodes: dict[str, float]) -> list[str]:
    said: list[str] = []
    _check_room(need, nodes, said.append)
    return said


def test_replicas_are_fitted_into_nodes_not_into_their_sum() -> None:
    assert told(ResourceRequest(4, 2.0, 0.0), SMALL, SMALL) == []
    [words] = told(ResourceRequest(4, 3.0, 0.0), SMALL, SMALL)
    assert words.startswith("2 of 4 replicas fit")
    with pytest.raises(SessionError, match="one needs 6 CPUs and 0 GPUs, and the largest node has 4 and 0"):
        told(ResourceRequest(1, 6.0, 0.0), SMALL, SMALL)


def test_gpus_count_too() -> None:
    assert told(ResourceRequest(2, 1.0, 1.0), SMALL, WITH_GPU) == []
    assert told(ResourceRequest(4, 1.0, 0.5), WITH_GPU) == []
    with pytest.raises(SessionError, match="needs 1 CPUs and 4 GPUs, and the largest node has 8 and 2"):
        told(ResourceRequest(1, 1.0, 4.0), SMALL, WITH_GPU)
    with pytest.raises(SessionError, match="the largest node has 0 and 0"):
        told(ResourceRequest(1, 1.0, 0.0))


def test_a_local_ray_that_does_not_come_up_is_tried_again_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[Any] = []

    def slow(**options: Any) -> None:
        tries.append(options)
        raise Exception("The current node timed out during startup.")  # what Ray raises is no more special

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", slow)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with (
        pytest.raises(SessionError, match=r"this machine.*timed out"),
        ray_session(None, ResourceRequest(1, 1.0, 0.0), print),
    ):
        pass
    assert len(tries) == LOCAL_STARTS
    with (
        pytest.raises(SessionError, match=r"ray://nowhere"),
        ray_session("ray://nowhere", ResourceRequest(1, 1.0, 0.0), print),
    ):
        pass
    assert len(tries) == LOCAL_STARTS + 1
