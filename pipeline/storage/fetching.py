"""The bytes of a source file: remote ones by ranges, each tried again on its own; whether they are still the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import fsspec

from folioscope.pipeline.failures import Failure, Reason, storage_failure
from folioscope.pipeline.storage.retries import retried
from folioscope.pipeline.storage.source_file import SourceFile

RANGE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class LocalCopy:
    """A file's bytes on this node's disk, and what they hash to."""

    path: Path
    sha256: str
    size: int


def check_unchanged(source: SourceFile) -> None:
    try:
        status = os.stat(source.uri)
    except OSError as error:
        raise storage_failure(error, source.uri) from error
    if f"{status.st_size}-{status.st_mtime_ns}" != source.etag:
        raise changed(source)


def hash_local(source: SourceFile, max_bytes: int) -> LocalCopy:
    path = Path(source.uri)
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > max_bytes:
            raise too_large(source, size, max_bytes)
        return LocalCopy(path, hashlib.file_digest(stream, "sha256").hexdigest(), size)


def ranges(source: SourceFile) -> Iterator[bytes]:
    """The file's bytes in order; each range is tried again on its own.

    The last one asks for a byte more than there should be: a file that has grown since it was listed gives it.
    """
    try:
        fs, path = fsspec.core.url_to_fs(source.uri)
    except (ImportError, ValueError) as error:
        raise storage_failure(error, source.uri) from error
    if source.size is None:  # a server that tells no length cannot be asked for ranges
        yield _read(lambda: fs.cat_file(path), source)
        return
    for start in range(0, source.size, RANGE_BYTES):
        last = start + RANGE_BYTES >= source.size
        end = source.size + 1 if last else start + RANGE_BYTES
        yield _read(partial(fs.cat_file, path, start=start, end=end), source)


def _read(call: Callable[[], bytes], source: SourceFile) -> bytes:
    try:
        return retried(call)
    except Exception as error:
        raise storage_failure(error, source.uri) from error


def too_large(source: SourceFile, size: int, max_bytes: int) -> Failure:
    return Failure(
        Reason.TOO_LARGE,
        f"{source.uri}: {size / 2**20:.0f} MiB is over the limit of {max_bytes / 2**20:.0f} MiB; raise --max-file-mb",
    )


def changed(source: SourceFile) -> Failure:
    return Failure(Reason.CHANGED_DURING_RUN, f"{source.uri}: it changed while the run was reading it; run again")
