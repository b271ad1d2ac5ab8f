"""Fixtures of the pipeline's tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pytest


@pytest.fixture
def inline_actors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs put their blocks through one actor of this process: no Ray, and the order of blocks is kept."""

    def inline(blocks: Sequence[pa.Table], actor: type, job: object, **_: object) -> Iterator[pa.Table]:
        worker = actor(job)
        for block in blocks:
            yield worker(block)

    @contextmanager
    def no_session(*_: object) -> Iterator[None]:
        yield

    monkeypatch.setattr("pipeline.compute.run_actors", inline)
    monkeypatch.setattr("pipeline.compute.ray_session", no_session)
