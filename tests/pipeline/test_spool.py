"""Remote bytes come once a node, by ranges, and are the bytes that were asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import tenacity
from fsspec.implementations.memory import MemoryFileSystem

from pipeline import spool as spooling
from pipeline.failures import Failure, Reason
from pipeline.sources import SourceFile, list_sources
from pipeline.spool import open_asset, spool

CONTENT = bytes(range(256)) * 200


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[SourceFile]:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/spool-test/a.pdf", CONTENT)
    monkeypatch.setattr(spooling, "RANGE_BYTES", 10_000)
    [found] = list_sources(["memory://spool-test/a.pdf"])
    assert isinstance(found, SourceFile)
    yield found
    if fs.exists("/spool-test"):
        fs.rm("/spool-test", recursive=True)


def flaky(monkeypatch: pytest.MonkeyPatch, failing: set[int]) -> list[tuple[int, int]]:
    """Make these requests fail; returns the list that requests are written to."""
    asked: list[tuple[int, int]] = []
    real = MemoryFileSystem.cat_file

    def cat_file(self: Any, path: str, start: int | None = None, end: int | None = None, **options: Any) -> Any:
        asked.append((start or 0, end or 0))
        if len(asked) in failing:
            raise ConnectionResetError("dropped")
        return real(self, path, start=start, end=end, **options)

    monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda seconds: None)
    return asked


def test_a_dropped_connection_costs_one_range(remote: SourceFile, tmp_path: Path, monkeypatch: Any) -> None:
    asked = flaky(monkeypatch, {2, 3})
    spooled = spool(remote, tmp_path, 1 << 20)
    assert spooled.path.read_bytes() == CONTENT
    assert spooled.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert len(asked) == 6 + 2
    assert asked[1] == asked[2] == asked[3]


def test_a_store_that_stays_down_is_told(remote: SourceFile, tmp_path: Path, monkeypatch: Any) -> None:
    flaky(monkeypatch, set(range(1, 100)))
    with pytest.raises(Failure) as told:
        spool(remote, tmp_path, 1 << 20)
    assert told.value.reason is Reason.STORAGE_ERROR
    assert list(tmp_path.iterdir()) == []


def test_a_node_fetches_a_file_once(remote: SourceFile, tmp_path: Path, monkeypatch: Any) -> None:
    asset = hashlib.sha256(CONTENT).hexdigest()
    asked = flaky(monkeypatch, set())
    for _ in range(3):
        with open_asset(remote, asset, tmp_path, 1 << 20) as path:
            assert path.read_bytes() == CONTENT
    assert len(asked) == 6
    assert [entry.name for entry in tmp_path.iterdir()] == [asset]


def test_a_file_in_use_outlives_its_eviction(remote: SourceFile, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(spooling, "CACHE_BYTES", 1)
    asset = hashlib.sha256(CONTENT).hexdigest()
    with open_asset(remote, asset, tmp_path, 1 << 20) as path:
        spooling._evict(tmp_path, keep=tmp_path / "another")
        assert not (tmp_path / asset).exists()
        assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == []


def test_other_bytes_than_planned_are_refused(remote: SourceFile, tmp_path: Path) -> None:
    with pytest.raises(Failure) as told, open_asset(remote, "0" * 64, tmp_path, 1 << 20):
        pass
    assert told.value.reason is Reason.CHANGED_DURING_RUN


def test_limits_and_missing_files(remote: SourceFile, tmp_path: Path) -> None:
    with pytest.raises(Failure) as large:
        spool(remote, tmp_path, 100)
    assert large.value.reason is Reason.TOO_LARGE
    with pytest.raises(Failure) as gone:
        spool(SourceFile(str(tmp_path / "gone.pdf"), 1, "x", None), tmp_path, 100)
    assert gone.value.reason is Reason.NOT_FOUND
    (tmp_path / "empty.pdf").touch()
    with pytest.raises(Failure) as empty:
        spool(SourceFile(str(tmp_path / "empty.pdf"), 0, "x", None), tmp_path, 100)
    assert empty.value.reason is Reason.EMPTY_FILE
