"""A look into a few files of a plan before anything is read: fetched as a run would, opened in a decode child.

Costs some 20 ms a file of a disk, and what their bytes take over a network; ends after ``MOST_SECONDS``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decoding import child_limits, plain_passwords
from folioscope.pipeline.failures import Failure
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.sources import SourceFile

FILES = 40
MOST_SECONDS = 20.0

T = TypeVar("T")
Look = Callable[[DecodeChildren, Path, str], T]


def look_into(config: RunConfig, drawn: pa.Table, look: Look[T]) -> Iterator[tuple[SourceFile, T | None]]:
    """What ``look`` (children, path, uri) finds in each file of ``drawn`` (uri, etag, size), while there is time.

    None of a file that does not open: the run will record why.
    """
    until = time.monotonic() + MOST_SECONDS
    cache = DownloadCache(max_bytes=int(config.cache_gb * 2**30))
    with closing(DecodeChildren(1, child_limits(config), plain_passwords(config))) as children:
        for row in drawn.to_pylist():
            if time.monotonic() > until:
                return
            source = SourceFile(row["uri"], row["size"], row["etag"], None)
            try:
                with cache.open(source, None, config.max_file_mb << 20) as path:
                    found = look(children, path, source.uri)
            except Failure:
                yield source, None
            else:
                yield source, found
