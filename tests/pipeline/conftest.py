"""Fixtures of the pipeline's tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest

from pipeline.decode.children import DecodeChildren


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

    def inline(blocks: Sequence[pa.Table], actor: type, job: object, **_: object) -> Iterator[pa.Table]:
        worker = actor(job)
        for block in blocks:
            yield worker(block)

    @contextmanager
    def no_session(*_: object) -> Iterator[None]:
        yield

    monkeypatch.setattr("pipeline.compute.run_actors", inline)
    monkeypatch.setattr("pipeline.compute.ray_session", no_session)
    yield
    for pool in pools:
        pool.close()
