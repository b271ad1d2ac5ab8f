"""Fixtures of the pipeline's tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest

from folioscope.pipeline.decode.children import DecodeChildren


def inline(source: Iterator[pa.Table | None], actor: type, job: object, **_: object) -> Iterator[pa.Table]:
    """``run_actors`` in this process, a block at a time."""
    worker = actor(job)
    for block in source:
        assert block is not None, "results are waited for, and none is out"
        yield worker(block)


@contextmanager
def no_session(*_: object) -> Iterator[None]:
    yield


@pytest.fixture
def inline_actors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs put their blocks through one actor of this process: no Ray, and the order of blocks is kept.

    An actor's decode children end with its process; this one lives on, so they are ended after the test.
    """
    pools: list[DecodeChildren] = []
    make = DecodeChildren.__init__

    def remembered(pool: DecodeChildren, *arguments: Any, **options: Any) -> None:
        make(pool, *arguments, **options)
        pools.append(pool)

    monkeypatch.setattr(DecodeChildren, "__init__", remembered)

    for module in ("stage_runner", "file_stages"):
        monkeypatch.setattr(f"folioscope.pipeline.{module}.run_actors", inline)
    monkeypatch.setattr("folioscope.pipeline.session.ray_session", no_session)
    monkeypatch.setattr("folioscope.pipeline.file_stages.cluster_cpus", lambda: 1)
    monkeypatch.setattr("folioscope.pipeline.stage_runner.run_jobs", lambda jobs: [job() for job in jobs])
    yield
    for pool in pools:
        pool.close()
