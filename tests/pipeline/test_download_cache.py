"""Remote bytes come once a node, by ranges, and are the bytes that were asked for; the cache keeps within its limit."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import tenacity
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.storage import download_cache, fetching
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.storage.sources import list_sources

CONTENT = bytes(range(256)) * 200
LARGE = 1 << 30
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[SourceFile]:
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/download cache-test/a.pdf", CONTENT)
    monkeypatch.setattr(fetching, "RANGE_BYTES", 10_000)
    [found] = list_sources(["memory://download cache-test/a.pdf"])
    assert isinstance(found, SourceFile)
    yield found
    if fs.exists("/download cache-test"):
        fs.rm("/download cache-test", recursive=True)


def remote_file(number: int, size: int) -> tuple[SourceFile, str]:
    """A file of that size in memory, and its hash."""
    content = b"%d," % number * (size // len(b"%d," % number) + 1)
    fsspec.filesystem("memory").pipe_file(f"/cached/{number}", content[:size])
    source = SourceFile(f"memory://cached/{number}", size, "e", None)
    return source, hashlib.sha256(content[:size]).hexdigest()


def on_disk(folder: Path) -> int:
    """Bytes below a cache's folder, each file once whatever it is called."""
    found = {
        (entry.st_dev, entry.st_ino): entry.st_size
        for entry in (path.stat() for path in folder.rglob("*") if path.is_file() and "index" not in path.name)
    }
    return sum(found.values())


def cached(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "files").rglob("*") if path.is_file())


def in_use(folder: Path) -> list[Path]:
    return sorted((folder / "use").iterdir())


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
    copy = DownloadCache(tmp_path).fetch(remote, 1 << 20)
    assert copy.path.read_bytes() == CONTENT
    assert copy.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert len(asked) == 6 + 2
    assert asked[1] == asked[2] == asked[3]


def test_a_store_that_stays_down_is_told_and_leaves_nothing(
    remote: SourceFile, tmp_path: Path, monkeypatch: Any
) -> None:
    flaky(monkeypatch, set(range(1, 100)))
    cache = DownloadCache(tmp_path)
    with pytest.raises(Failure) as told:
        cache.fetch(remote, 1 << 20)
    assert told.value.reason is Reason.STORAGE_ERROR
    assert in_use(tmp_path) == []
    assert cache._index.bytes == on_disk(tmp_path) == 0


def test_a_node_fetches_a_file_once(remote: SourceFile, tmp_path: Path, monkeypatch: Any) -> None:
    asset = hashlib.sha256(CONTENT).hexdigest()
    asked = flaky(monkeypatch, set())
    for _ in range(3):
        cache = pickle.loads(pickle.dumps(DownloadCache(tmp_path)))
        with cache.open(remote, asset, 1 << 20) as path:
            assert path.read_bytes() == CONTENT
    assert len(asked) == 6
    assert cached(tmp_path) == [asset]
    assert in_use(tmp_path) == []
    assert cache._index.bytes == len(CONTENT)


def test_a_file_in_use_is_not_evicted_and_counts(tmp_path: Path) -> None:
    cache = DownloadCache(tmp_path, max_bytes=250)
    sources = [remote_file(number, 100) for number in range(6)]
    with cache.open(*sources[0], LARGE) as path:
        for source, _ in sources[1:]:
            cache.fetch(source, LARGE)
            assert on_disk(tmp_path) == cache._index.bytes <= 250
        assert sources[0][1] in cached(tmp_path)
        assert len(path.read_bytes()) == 100
    cache.fetch(sources[1][0], LARGE)
    cache.fetch(sources[2][0], LARGE)
    assert sources[0][1] not in cached(tmp_path), "once it is no longer in use it may go"


def test_what_is_used_outlives_what_is_not(tmp_path: Path) -> None:
    cache = DownloadCache(tmp_path, max_bytes=1000)
    sources = [remote_file(number, 100) for number in range(40)]
    for source, _ in sources[:10]:
        cache.fetch(source, LARGE)
    for source, _ in sources[10:]:
        with cache.open(*sources[0], LARGE):
            pass
        cache.fetch(source, LARGE)
    assert sources[0][1] in cached(tmp_path)


def test_a_file_larger_than_the_cache_comes_alone(tmp_path: Path) -> None:
    cache = DownloadCache(tmp_path, max_bytes=250)
    small, large = remote_file(1, 200), remote_file(2, 1000)
    cache.fetch(small[0], LARGE)
    with cache.open(*large, LARGE) as path:
        assert path.stat().st_size == 1000
    assert cached(tmp_path) == [large[1]]
    cache.fetch(small[0], LARGE)
    assert cached(tmp_path) == [small[1]]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from(["fetch", "open", "close", "lose", "sweep"]), st.integers(0, 7), st.integers(0, 1)),
        max_size=30,
    )
)
def test_the_count_is_what_lies_on_the_disk_whatever_happens(steps: list[tuple[str, int, int]]) -> None:
    """Two processes' caches over one folder, files of several sizes, files lost behind their back."""
    sizes = [0, 1, 50, 100, 120, 200, 300, 700]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        caches = [DownloadCache(folder, max_bytes=600), DownloadCache(folder, max_bytes=600)]
        opened: list[Any] = []
        lost = 0
        for what, number, which in steps:
            source, asset = remote_file(number, sizes[number])
            if what == "fetch" and sizes[number]:
                caches[which].fetch(source, LARGE)
            elif what == "open" and sizes[number]:
                holding = caches[which].open(source, asset, LARGE)
                assert holding.__enter__().stat().st_size == sizes[number]
                opened.append(holding)
            elif what == "close" and opened:
                opened.pop().__exit__(None, None, None)
            elif what == "sweep":
                caches[which].sweep()
            elif what == "lose" and (folder / "files" / asset[:2] / asset).exists() and not opened:
                (folder / "files" / asset[:2] / asset).unlink()
                lost += sizes[number]
            counted = caches[0]._index.bytes
            assert on_disk(folder) <= counted <= on_disk(folder) + lost
            if what == "fetch" and not opened:
                assert counted <= 700, "the limit, or one file alone that is larger"
        for holding in opened:
            holding.__exit__(None, None, None)
        for cache in caches:
            cache.sweep()
            cache._index.close()
        assert in_use(folder) == []


DIES = """
import os, sys, fsspec
from folioscope.pipeline.storage import download_cache, fetching
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.source_file import SourceFile
cache = DownloadCache(sys.argv[1], 10_000)
fs = fsspec.filesystem("memory")
fs.pipe_file("/x/held", b"h" * 500)
held = cache.open(SourceFile("memory://x/held", 500, "e", None), sys.argv[2], 1 << 20)
held.__enter__()
def ranges(source):
    yield b"p" * 300
    print("in the middle", flush=True)
    sys.stdin.readline()
download_cache.ranges = ranges
cache.fetch(SourceFile("memory://x/partial", 600, "e", None), 1 << 20)
"""


def test_what_a_dead_process_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    asset = hashlib.sha256(b"h" * 500).hexdigest()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", DIES, str(tmp_path), asset]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n"
    cache = DownloadCache(tmp_path, 10_000)
    cache.sweep()
    assert sorted(path.suffix for path in in_use(tmp_path)) == [".held", ".partial"]
    assert cache._index.bytes == 500 + 600, "room for what is on its way is taken at once"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert process.stdin is not None
    process.stdin.close()
    source, _ = remote_file(1, 100)
    DownloadCache(tmp_path, 10_000).fetch(source, LARGE)
    assert in_use(tmp_path) == []
    assert cache._index.bytes == on_disk(tmp_path) == 500 + 100


def test_what_another_container_left_goes_by_its_age(tmp_path: Path) -> None:
    cache = DownloadCache(tmp_path)
    cache.sweep()
    young, old = (tmp_path / "use" / f"{'0' * 12}-1-5-{name}.partial" for name in ("aa", "bb"))
    young.write_bytes(b"x")
    old.write_bytes(b"x")
    real = download_cache._unchanged_for
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download_cache, "_unchanged_for", lambda entry, s: entry.name == old.name and not real(entry, s))
        cache.sweep()
    assert in_use(tmp_path) == [young]


def test_an_index_that_is_broken_or_gone_is_built_from_the_folder(tmp_path: Path) -> None:
    sources = [remote_file(number, 100) for number in range(3)]
    for source, _ in sources:
        DownloadCache(tmp_path).fetch(source, LARGE)
    for path in tmp_path.glob("index.sqlite*"):
        path.unlink()
    (tmp_path / "index.sqlite").write_bytes(b"no database " * 500)
    cache = DownloadCache(tmp_path)
    assert cache._index.bytes == 300
    with cache.open(*sources[1], LARGE) as path:
        assert path.stat().st_size == 100


def test_threads_and_processes_share_one_folder(tmp_path: Path) -> None:
    """Many at once fetch the same and other files into too small a cache: each gets its bytes, the count is right."""
    sources = [remote_file(number, 1000) for number in range(12)]
    caches = [DownloadCache(tmp_path, 4000) for _ in range(3)]
    wrong: list[str] = []

    def work(cache: DownloadCache, seed: int) -> None:
        for step in range(40):
            source, asset = sources[(seed * 7 + step * 5) % 12]
            with cache.open(source, asset, LARGE) as path:
                if hashlib.sha256(path.read_bytes()).hexdigest() != asset:
                    wrong.append(source.uri)

    threads = [threading.Thread(target=work, args=(caches[seed % 3], seed)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert in_use(tmp_path) == []
    assert caches[0]._index.bytes == on_disk(tmp_path) <= 4000 + 6 * 1000


def test_files_of_the_earlier_layout_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a" * 64, f"{'b' * 32}.held", f"{'c' * 32}.partial", "mine.txt"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setattr(download_cache, "STRANGER_SECONDS", -1.0)
    DownloadCache(tmp_path).sweep()
    assert sorted(path.name for path in tmp_path.iterdir() if "index" not in path.name) == ["files", "mine.txt", "use"]


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1, 10_000])
def test_a_file_that_has_grown_or_shrunk_since_it_was_listed_is_told(
    remote: SourceFile, tmp_path: Path, size: int
) -> None:
    with pytest.raises(Failure) as told:
        DownloadCache(tmp_path).fetch(SourceFile(remote.uri, size, remote.etag, None), 1 << 20)
    assert told.value.reason is Reason.CHANGED_DURING_RUN
    assert on_disk(tmp_path) == 0


def test_other_bytes_than_planned_are_refused(remote: SourceFile, tmp_path: Path) -> None:
    with pytest.raises(Failure) as told, DownloadCache(tmp_path).open(remote, "0" * 64, 1 << 20):
        pass
    assert told.value.reason is Reason.CHANGED_DURING_RUN
    assert in_use(tmp_path) == []


def test_limits_and_missing_files(remote: SourceFile, tmp_path: Path) -> None:
    cache = DownloadCache(tmp_path / "cache")
    with pytest.raises(Failure) as large:
        cache.fetch(remote, 100)
    assert large.value.reason is Reason.TOO_LARGE
    with pytest.raises(Failure) as gone:
        cache.fetch(SourceFile(str(tmp_path / "gone.pdf"), 1, "x", None), 100)
    assert gone.value.reason is Reason.NOT_FOUND
    (tmp_path / "empty.pdf").touch()
    with pytest.raises(Failure) as empty:
        cache.fetch(SourceFile(str(tmp_path / "empty.pdf"), 0, "x", None), 100)
    assert empty.value.reason is Reason.EMPTY_FILE
