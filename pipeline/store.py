"""The output folder, on a disk or in a bucket: whole files written atomically, read, listed and deleted.

A file is there entirely or not at all: on a disk it is written beside its place, synced and renamed; in an object
store one PUT does the same. One small write costs a few milliseconds on a disk and one request in a bucket.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

TEMPORARY = ".tmp-"


class OutputStore:
    """Files under one root URI, named by relative paths with forward slashes. Pickles as its URI."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/") or "/"

    def __reduce__(self) -> tuple[type[OutputStore], tuple[str]]:
        return OutputStore, (self.uri,)

    @cached_property
    def _resolved(self) -> tuple[Any, str]:
        fs, root = fsspec.core.url_to_fs(self.uri)
        return fs, root.rstrip("/")

    @property
    def filesystem(self) -> Any:
        return self._resolved[0]

    @property
    def is_local(self) -> bool:
        return isinstance(self.filesystem, LocalFileSystem)

    def full(self, path: str) -> str:
        """The path as the file system below knows it."""
        return f"{self._resolved[1]}/{path}" if path else self._resolved[1]

    def write(self, path: str, data: bytes, *, sync: bool = True) -> None:
        """Write a whole file. ``sync=False`` is for markers whose loss in a power cut does no harm.

        Raises:
            OSError: the place cannot be written (full, read-only, gone); nothing is left behind under ``path``.
        """
        if not self.is_local:
            self.filesystem.pipe_file(self.full(path), data)
            return
        target = Path(self.full(path))
        temporary = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        try:
            handle = temporary.open("wb")
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            handle = temporary.open("wb")
        try:
            with handle:
                handle.write(data)
                if sync:
                    handle.flush()
                    os.fsync(handle.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    @contextmanager
    def writer(self, path: str) -> Iterator[BinaryIO]:
        """A stream for a file too large to hold. It appears under ``path`` only when the block ends well."""
        if not self.is_local:
            with self.filesystem.transaction, self.filesystem.open(self.full(path), "wb") as stream:
                yield cast(BinaryIO, stream)
            return
        target = Path(self.full(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")
        try:
            with temporary.open("wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def read(self, path: str) -> bytes:
        return cast(bytes, self.filesystem.cat_file(self.full(path)))

    def exists(self, path: str) -> bool:
        return bool(self.filesystem.exists(self.full(path)))

    def names(self, prefix: str) -> list[str]:
        """Relative paths of the files under a folder, sorted; empty where there is no such folder."""
        root = self.full("")
        if self.is_local:
            folder = Path(self.full(prefix))
            found = (
                os.path.join(parent, name)
                for parent, _, names in os.walk(folder)
                for name in names
                if not name.startswith(TEMPORARY)
            )
        else:
            self.filesystem.invalidate_cache()
            found = (str(path) for path in self.filesystem.find(self.full(prefix)))
        return sorted(os.path.relpath(path, root).replace(os.sep, "/") for path in found)

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those already gone are fine."""
        for path in paths:
            try:
                self.filesystem.rm_file(self.full(path))
            except FileNotFoundError:
                continue

    def delete_folder(self, path: str) -> None:
        """Delete a folder and all in it; one already gone is fine."""
        try:
            self.filesystem.rm(self.full(path), recursive=True)
        except FileNotFoundError:
            return
