"""A bucket on this machine's disk that counts its requests, by kind, and takes a while to answer each."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import fsspec
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

KEYS_A_PAGE = 1000
# S3 in its standard class, dollars for a thousand requests.
PRICES = {"put": 0.005, "copy": 0.005, "list": 0.005, "get": 0.0004, "head": 0.0004, "delete": 0.0}


class CountedFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """``counted:///path``: what OutputStore asks of a bucket, request by request."""

    protocol = "counted"
    root_marker = "/"
    cachable = False
    requests: ClassVar[Counter[str]] = Counter()
    seconds_each = 0.0
    _lock = Lock()

    def _ask(self, kind: str, times: int = 1) -> None:
        with self._lock:
            CountedFileSystem.requests[kind] += times
        time.sleep(self.seconds_each * times)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        self._ask("head")
        place = Path(self._strip_protocol(path))
        if not place.exists():
            raise FileNotFoundError(path)
        kind = "directory" if place.is_dir() else "file"
        return {"name": str(place), "size": place.stat().st_size, "type": kind}

    def modified(self, path: str) -> datetime:
        self._ask("head")
        return datetime.fromtimestamp(Path(self._strip_protocol(path)).stat().st_mtime, UTC)

    def find(self, path: str, **_: Any) -> list[str]:
        place = Path(self._strip_protocol(path))
        found = sorted(str(item) for item in place.rglob("*") if item.is_file()) if place.is_dir() else []
        self._ask("list", max(1, -(-len(found) // KEYS_A_PAGE)))
        return found

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        self._ask("get")
        with Path(self._strip_protocol(path)).open("rb") as stream:
            stream.seek(start or 0)
            return stream.read(-1 if end is None else end - (start or 0))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        self._ask("put")
        place = Path(self._strip_protocol(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb" if mode == "create" else "wb") as stream:
            stream.write(value)

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        self._ask("head")  # as s3fs does, to know how large it is
        self._ask("copy")
        target = Path(self._strip_protocol(path2))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.hardlink_to(self._strip_protocol(path1))

    def rm_file(self, path: str) -> None:
        self._ask("delete")
        Path(self._strip_protocol(path)).unlink()

    def rm(self, path: str, recursive: bool = False, **_: Any) -> None:
        found = self.find(path)
        if not found:
            raise FileNotFoundError(path)
        self._ask("delete", -(-len(found) // KEYS_A_PAGE))
        shutil.rmtree(self._strip_protocol(path))

    def _open(self, path: str, mode: str = "rb", **_: Any) -> AbstractBufferedFile:
        return _CountedFile(self, self._strip_protocol(path), mode)


class _CountedFile(AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        data: bytes = self.fs.cat_file(self.path, start, end)
        return data


def register() -> None:
    fsspec.register_implementation("counted", CountedFileSystem, clobber=True)


def dollars(requests: Mapping[str, float]) -> float:
    return sum(PRICES[kind] * count / 1000 for kind, count in requests.items())
