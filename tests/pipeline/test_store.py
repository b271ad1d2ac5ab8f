"""Files in the output are whole or absent, on a disk and in an object store alike."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.pipeline.storage import range_reader
from folioscope.pipeline.storage.range_reader import RangeReader
from folioscope.pipeline.storage.store import OutputStore


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


def test_a_file_is_read_anywhere_and_one_that_is_not_there_is_an_answer(store: OutputStore) -> None:
    table = pa.table({"n": list(range(50_000)), "word": [f"word {n}" for n in range(50_000)]})
    with store.writer("t/a.parquet") as sink:
        pq.write_table(table, sink, row_group_size=5000)
    with store.open("t/a.parquet") as stream:
        assert pq.read_table(stream) == table
    with store.open("t/a.parquet") as stream:
        assert pq.ParquetFile(stream).read_row_group(3, ["n"])["n"].to_pylist() == list(range(15_000, 20_000))
    with pytest.raises(FileNotFoundError), store.open("t/none.parquet"):
        pass


@given(
    st.binary(max_size=300),
    st.lists(st.tuples(st.integers(0, 320), st.integers(-1, 320)), max_size=12),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_a_range_reader_reads_what_a_file_would(
    content: bytes, reads: list[tuple[int, int]], block: int, tail: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(range_reader, "BLOCK_BYTES", block)
        patch.setattr(range_reader, "TAIL_BYTES", tail)
        reader = RangeReader(len(content), lambda start, end: content[start:end])
        file = io.BytesIO(content)
        for place, size in reads:
            assert reader.seek(place) == file.seek(place)
            assert reader.read(size) == file.read(size)
            assert reader.tell() == file.tell() or place > len(content)


def test_folders_are_named(store: OutputStore) -> None:
    for name in ("a/one", "b/c/two", "three"):
        store.write(name, b"x")
    assert store.folders("") == ["a", "b"]
    assert store.folders("b") == ["c"]
    assert store.folders("nowhere") == []
