"""Whole runs in this process, without Ray and without decoding: for what planning, commits and publishing cost."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from folioscope.model.load import describe_replica
from folioscope.model.protocol import Block, TextLayer
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.pages import DecodedPage, Probe
from folioscope.pipeline.run import Run


def fake_run(output: str, **options: Any) -> Run:
    settings = {"inputs": ("s3://archive",), "output": output, "model": "fake", "layout": "fast"} | options
    config = RunConfig(**settings)
    return Run(config, describe_replica(config.choice))


class Bytes:
    """Decode children that take a file's few bytes for its page."""

    def __init__(self, *_: object) -> None: ...

    def probe(self, path: Path, name: str) -> Probe:
        return Probe("pdf", 1)

    def decode(self, path: Path, _kind: str, first: int, last: int, *_: object) -> list[DecodedPage]:
        words = path.read_text()
        layer = TextLayer("usable", "it says so", (Block("text", words),), "en", False)
        return [DecodedPage(page, 100, 100, 0, None, layer) for page in range(first, last + 1)]


@contextmanager
def in_this_process() -> Iterator[None]:
    @contextmanager
    def no_session(*_: object) -> Iterator[None]:
        yield

    def inline(source: Any, actor: Callable[..., Any], job: object, **_: object) -> Iterator[pa.Table]:
        worker = actor(job)
        for block in source:
            yield worker(block)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("stage_runner", "file_stages"):
            patch.setattr(f"folioscope.pipeline.{module}.run_actors", inline)
        patch.setattr("folioscope.pipeline.session.ray_session", no_session)
        for stage in ("identify", "prefetch"):
            patch.setattr(f"folioscope.pipeline.stages.{stage}.DecodeChildren", Bytes)
        yield


def draw(size: int, folder: Path) -> str:
    for number in range(size):
        path = folder / "in" / f"{number // 1000:03d}" / f"{number:06d}.pdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"letter number {number}")
    return str(folder / "in")


def rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
