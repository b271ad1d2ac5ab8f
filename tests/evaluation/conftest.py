"""Fixtures of the evaluation's tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from folioscope.pipeline.decode.children import DecodeChildren

sys.path.insert(0, str(Path(__file__).parent))


def inline(source: Iterator[pa.Table | None], actor: type, job: object, **_: object) -> Iterator[pa.Table]:
    """``run_actors`` in this process, a block at a time."""
    worker = actor(job)
    for block in source:
        assert block is not None
        yield worker(block)


@contextmanager
def no_session(*_: object) -> Iterator[None]:
    yield


@pytest.fixture
def inline_actors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks go through one actor of this process; its decode children end with the test."""
    pools: list[DecodeChildren] = []
    make = DecodeChildren.__init__

    def remembered(pool: DecodeChildren, *arguments: Any, **options: Any) -> None:
        make(pool, *arguments, **options)
        pools.append(pool)

    monkeypatch.setattr(DecodeChildren, "__init__", remembered)
    monkeypatch.setattr("folioscope.pipeline.evaluation.stage.run_actors", inline)
    monkeypatch.setattr("folioscope.pipeline.evaluation.predicting.ray_session", no_session)
    yield
    for pool in pools:
        pool.close()
