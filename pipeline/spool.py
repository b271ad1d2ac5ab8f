"""Bringing a file's bytes to this node: local files are used where they are, remote ones fetched by range reads.

MuPDF needs a file on a disk. A remote file is fetched once a node, hashed on the way, and kept in a folder shared by
all actors of the node, the least recently used going first when the folder outgrows its limit. A dropped connection
costs one range of 8 MiB, not the file.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import fsspec

from pipeline.failures import Failure, Reason, storage_failure
from pipeline.remote import retried
from pipeline.sources import SourceFile

RANGE_BYTES = 8 << 20
CACHE_BYTES = 20 << 30


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file's bytes on this node's disk, and what they hash to."""

    path: Path
    sha256: str
    size: int


def default_folder() -> Path:
    """The node's spool folder, one a user."""
    return Path(tempfile.gettempdir()) / f"folioscope-spool-{os.getuid()}"


def spool(source: SourceFile, folder: Path, max_bytes: int) -> Spooled:
    """Hash a file; a remote one comes into ``folder`` on the way.

    Raises:
        Failure: not_found, permission_denied, storage_error, empty_file or too_large.
    """
    if source.size is not None and source.size > max_bytes:
        raise _too_large(source, source.size, max_bytes)
    try:
        spooled = _hash_local(source, max_bytes) if is_local(source.uri) else _fetch(source, folder, max_bytes)
    except OSError as error:
        raise storage_failure(error, source.uri) from error
    if spooled.size == 0:
        raise Failure(Reason.EMPTY_FILE, f"{source.uri}: the file holds no bytes; replace it")
    return spooled


@contextmanager
def open_asset(source: SourceFile, asset_id: str, folder: Path, max_bytes: int) -> Iterator[Path]:
    """The path of a file that still holds the bytes of ``asset_id``, for as long as the block lasts.

    Raises:
        Failure: as ``spool``, or changed_during_run.
    """
    if is_local(source.uri):
        _check_unchanged(source)
        yield Path(source.uri)
        return
    held = folder / f"{uuid.uuid4().hex}.held"
    try:
        _link_cached(folder / asset_id, held)
    except FileNotFoundError:
        spooled = spool(source, folder, max_bytes)
        if spooled.sha256 != asset_id:
            raise _changed(source) from None
        _link_cached(spooled.path, held)
    try:
        yield held
    finally:
        held.unlink(missing_ok=True)


def is_local(uri: str) -> bool:
    return "://" not in uri


def _link_cached(cached: Path, held: Path) -> None:
    """A second name for a cached file: eviction may take the first while we read."""
    os.link(cached, held)
    os.utime(held)


def _check_unchanged(source: SourceFile) -> None:
    try:
        status = os.stat(source.uri)
    except OSError as error:
        raise storage_failure(error, source.uri) from error
    if f"{status.st_size}-{status.st_mtime_ns}" != source.etag:
        raise _changed(source)


def _hash_local(source: SourceFile, max_bytes: int) -> Spooled:
    path = Path(source.uri)
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > max_bytes:
            raise _too_large(source, size, max_bytes)
        return Spooled(path, hashlib.file_digest(stream, "sha256").hexdigest(), size)


def _fetch(source: SourceFile, folder: Path, max_bytes: int) -> Spooled:
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{uuid.uuid4().hex}.partial"
    digest = hashlib.sha256()
    size = 0
    try:
        with partial.open("wb") as target:
            for chunk in _ranges(source):
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(source, size, max_bytes)
                digest.update(chunk)
                target.write(chunk)
        cached = folder / digest.hexdigest()
        partial.replace(cached)
    finally:
        partial.unlink(missing_ok=True)
    _evict(folder, keep=cached)
    return Spooled(cached, digest.hexdigest(), size)


def _ranges(source: SourceFile) -> Iterator[bytes]:
    """The file's bytes in order; each range is tried again on its own."""
    try:
        fs, path = fsspec.core.url_to_fs(source.uri)
    except (ImportError, ValueError) as error:
        raise storage_failure(error, source.uri) from error
    if source.size is None:  # a server that tells no length cannot be asked for ranges
        yield _read(lambda: fs.cat_file(path), source)
        return
    for start in range(0, source.size, RANGE_BYTES):
        end = min(start + RANGE_BYTES, source.size)
        yield _read(partial(fs.cat_file, path, start=start, end=end), source)


def _read(call: Callable[[], bytes], source: SourceFile) -> bytes:
    try:
        return retried(call)
    except Exception as error:
        raise storage_failure(error, source.uri) from error


def _evict(folder: Path, keep: Path) -> None:
    """Drop the files longest unused until the folder fits; names that vanish meanwhile went the same way."""
    entries = []
    for entry in os.scandir(folder):
        try:
            status = entry.stat()
        except FileNotFoundError:
            continue
        if not entry.name.endswith((".partial", ".held")):
            entries.append((status.st_mtime, status.st_size, Path(entry.path)))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= CACHE_BYTES:
            return
        if path != keep:
            path.unlink(missing_ok=True)
            total -= size


def _too_large(source: SourceFile, size: int, max_bytes: int) -> Failure:
    return Failure(
        Reason.TOO_LARGE,
        f"{source.uri}: {size / 2**20:.0f} MiB is over the limit of {max_bytes / 2**20:.0f} MiB; raise --max-file-mb",
    )


def _changed(source: SourceFile) -> Failure:
    return Failure(Reason.CHANGED_DURING_RUN, f"{source.uri}: it changed while the run was reading it; run again")
