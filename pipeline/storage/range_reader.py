"""A file of a store as a stream that can be read anywhere: each range is one request, tried again on its own.

Made for Parquet: the end of the file, where its footer stands, comes in one request, and reads that follow each other
share one. Holds one block.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

BLOCK_BYTES = 4 << 20
TAIL_BYTES = 64 << 10

Ask = Callable[[int, int], bytes]
"""The bytes of a range, with all tries that it takes."""


class RangeReader(io.RawIOBase):
    """Reads a file of known size through ``ask``."""

    def __init__(self, size: int, ask: Ask) -> None:
        super().__init__()
        self._size = size
        self._ask = ask
        self._at = 0
        self._tail = b""
        self._block, self._block_start = b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._size, self._at + size)
        data = self._range(self._at, end) if end > self._at else b""
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _range(self, start: int, end: int) -> bytes:
        tail_start = max(0, self._size - TAIL_BYTES)
        if start >= tail_start:
            self._tail = self._tail or self._ask(tail_start, self._size)
            return self._tail[start - tail_start : end - tail_start]
        first = start - self._block_start
        if not (first >= 0 and end - self._block_start <= len(self._block)):
            self._block_start = start
            self._block = self._ask(start, min(self._size, max(end, start + BLOCK_BYTES)))
            first = 0
        return self._block[first : first + end - start]
