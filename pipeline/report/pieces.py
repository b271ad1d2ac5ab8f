"""The site's data in pieces: each a classic script that hands one value over, since pages opened from a disk may load
scripts and pictures and nothing else.

Whatever a document says stays inert: the value is JSON in which no ``<`` is left, so that no ``</script>`` can end it.
Files go to a disk one by one, to a bucket sixteen at a time; at most a few dozen wait in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any

from folioscope.pipeline.storage.store import OutputStore

CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "webp": "image/webp",
}
AT_ONCE = 16
WAITING = 64


def script(name: str, value: Any) -> bytes:
    """A script that gives ``value`` to the page under ``name``."""
    return f"folioscope.take({_inert(name)},{_inert(value)});\n".encode()


def _inert(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain, allow_nan=False)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate becomes \udXXX, which JSON allows


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    raise TypeError(f"a piece cannot hold {type(value).__name__}")


class SiteFiles:
    """Writes the site's files below one folder of the store."""

    def __init__(self, store: OutputStore, folder: str) -> None:
        self._store = store
        self._folder = folder
        self._pool = None if store.is_local else ThreadPoolExecutor(AT_ONCE)
        self._pending: set[Future[None]] = set()

    def __enter__(self) -> SiteFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=error is not None)
            if error is None:
                for future in self._pending:
                    future.result()

    def put(self, path: str, data: bytes) -> None:
        """Write a file, or have it written before the block ends."""
        if self._pool is None:
            write_typed(self._store, f"{self._folder}/{path}", data)
            return
        if len(self._pending) >= WAITING:
            done, self._pending = wait(self._pending, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
        self._pending.add(self._pool.submit(write_typed, self._store, f"{self._folder}/{path}", data))

    def piece(self, name: str, value: Any) -> None:
        self.put(f"{name}.js", script(name, value))

    def pieces(self, name: str, values: Iterable[Any], size: int) -> int:
        """Write values as ``name/0``, ``name/1`` … of ``size`` each, and return how many values there were."""
        count = 0
        for number, part in enumerate(_parts(values, size)):
            self.piece(f"{name}/{number}", part)
            count += len(part)
        return count


def write_typed(store: OutputStore, path: str, data: bytes) -> None:
    """Write a file so that a bucket serves it as what it is. None of a report need outlive a power cut."""
    store.write(path, data, sync=False, content_type=CONTENT_TYPES[path.rpartition(".")[2]])


def _parts(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    walk = iter(values)
    while part := list(islice(walk, size)):
        yield part
