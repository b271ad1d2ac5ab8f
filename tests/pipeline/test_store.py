"""Files in the output are whole or absent, on a disk and in an object store alike."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from pipeline.store import OutputStore


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> OutputStore:
    return OutputStore(str(tmp_path / "out") if request.param == "disk" else f"memory://{tmp_path.name}/out")


def test_what_is_written_is_listed_read_and_deleted(store: OutputStore) -> None:
    store.write("a/b/one", b"1")
    with store.writer("a/two") as stream:
        stream.write(b"22")
    assert store.names("a") == ["a/b/one", "a/two"]
    assert store.read("a/two") == b"22"
    store.delete(["a/two", "a/never-there"])
    assert store.names("a") == ["a/b/one"]
    store.delete_folder("a")
    store.delete_folder("a")
    assert store.names("a") == []


def test_a_broken_stream_leaves_nothing(tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path))

    def write_half() -> None:
        with store.writer("table/file") as stream:
            stream.write(b"half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert store.names("table") == []
    assert os.listdir(tmp_path / "table") == []


def test_a_store_travels_to_actors(store: OutputStore) -> None:
    again = pickle.loads(pickle.dumps(store))
    assert again.uri == store.uri
