"""A checkpoint of a store for vLLM: copied once a machine and revision, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest

from folioscope.model.kimi.description import CheckpointNotFoundError
from folioscope.model.kimi.local_copy import cache_folder, local_copy

URL = "memory://models/tiny"


@pytest.fixture
def store(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The tiny checkpoint in a store, and a cache of one's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    filesystem = fsspec.filesystem("memory")
    filesystem.put(str(checkpoint) + "/", "/models/tiny/", recursive=True)
    yield filesystem
    filesystem.rm("/models", recursive=True)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_url_is_copied_once_and_a_directory_taken_as_it_is(
    store: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert local_copy(str(checkpoint)) == checkpoint
    with ThreadPoolExecutor(4) as actors:
        copies = set(actors.map(local_copy, [URL] * 4))
    [copied] = copies
    assert content(copied) == content(checkpoint)
    monkeypatch.setattr(type(store), "get_file", None)
    assert local_copy(URL) == copied


def test_another_revision_is_another_copy(store: Any) -> None:
    first = local_copy(URL)
    store.pipe_file("/models/tiny/config.json", store.cat_file("/models/tiny/config.json") + b"\n")
    assert local_copy(URL) != first


def test_a_copy_that_broke_off_is_made_anew(store: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = type(store).get_file

    def truncated(self: Any, path: str, to: str, **options: Any) -> None:
        if path.endswith(".safetensors"):
            Path(to).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        whole(self, path, to, **options)

    with monkeypatch.context() as patched:
        patched.setattr(type(store), "get_file", truncated)
        with pytest.raises(OSError, match="No space left"):
            local_copy(URL)
    assert not [path for path in cache_folder().iterdir() if path.is_dir() and path.suffix != ".partial"]
    assert content(local_copy(URL)) == content(checkpoint)


def test_what_is_no_checkpoint_is_told(store: Any) -> None:
    with pytest.raises(CheckpointNotFoundError):
        local_copy("memory://models/other")
