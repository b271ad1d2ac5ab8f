"""Bringing a file's bytes to this node: local files are used where they are, remote ones fetched by range reads.

MuPDF needs a file on a disk. A remote file is fetched once a node, hashed on the way, and kept in a folder that all
actors of the node share, within a limit of bytes; files on their way and files in use count. A dropped connection costs
one range of 8 MiB, not the file. A fetch costs under a millisecond of its own however many files there are
(``benchmarks/download_cache.py``).

    files/ab/abcd…                 whole files by the hash of their bytes
    use/<owner>-<n>.partial        a file on its way
    use/<owner>-<n>.held           a second name of a file that is being read: what has one is not evicted
    use/<owner>-<n>.doomed         a file that is being evicted
    index.sqlite                   what is there (``cache_index.py``)

``owner`` is the process. What dead ones left in ``use/`` is removed when an actor first needs the cache, and now and
then.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path

from folioscope.pipeline.failures import Failure, Reason, storage_failure
from folioscope.pipeline.storage.cache_index import CacheIndex, scanned
from folioscope.pipeline.storage.fetching import LocalCopy, changed, check_unchanged, hash_local, ranges, too_large
from folioscope.pipeline.storage.processes import birth, machine
from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.storage.uris import is_local

CACHE_BYTES = 20 << 30
SWEEP_SECONDS = 600.0
STRANGER_SECONDS = 24 * 3600.0
"""After so long without a change, what a process of another container or of an earlier boot left counts as left."""
_IN_USE = re.compile(r"(?P<token>(?P<machine>[0-9a-f]{12})-(?P<pid>\d+)-(?P<birth>[^-]*)-[0-9a-f]+)\.\w+")
_EARLIER_LAYOUT = re.compile(r"[0-9a-f]{64}|[0-9a-f]{32}\.(held|partial)")


def default_cache_folder() -> Path:
    """The node's download cache, one a user."""
    return Path(tempfile.gettempdir()) / f"folioscope-cache-{os.getuid()}"


class DownloadCache:
    """The files that a node has fetched. Pickles as its folder and limit; each process opens the index for itself."""

    def __init__(self, folder: str | Path | None = None, max_bytes: int = CACHE_BYTES) -> None:
        self.folder = Path(folder) if folder is not None else default_cache_folder()
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._swept = -SWEEP_SECONDS

    def __reduce__(self) -> tuple[type[DownloadCache], tuple[str, int]]:
        return DownloadCache, (str(self.folder), self.max_bytes)

    def fetch(self, source: SourceFile, max_file_bytes: int) -> LocalCopy:
        """Hash a file; a remote one comes into the cache on the way.

        Raises:
            Failure: not_found, permission_denied, storage_error, changed_during_run, empty_file or too_large.
        """
        return self._copy(source, max_file_bytes, None)

    @contextmanager
    def open(self, source: SourceFile, asset_id: str | None, max_file_bytes: int) -> Iterator[Path]:
        """The path of a file that still holds the bytes of ``asset_id``, for as long as the block lasts.

        Without an ``asset_id`` it holds whatever is there now.

        Raises:
            Failure: as ``fetch``.
        """
        if is_local(source.uri):
            check_unchanged(source)
            yield Path(source.uri)
            return
        held = self._in_use("held")
        try:
            if asset_id is None or not self._hold(asset_id, held, source):
                copy = self._copy(source, max_file_bytes, held)
                if asset_id not in (None, copy.sha256):
                    raise changed(source)
            yield held
        finally:
            held.unlink(missing_ok=True)

    @contextmanager
    def open_unpacked(
        self, source: SourceFile, asset_id: str | None, pieces: Callable[[], Iterable[bytes]], max_file_bytes: int
    ) -> Iterator[LocalCopy]:
        """A file that lies inside another, for as long as the block lasts; ``pieces`` takes it out if need be.

        Without an ``asset_id`` it is whatever ``pieces`` give.

        Raises:
            Failure: what ``pieces`` raise, changed_during_run, storage_error, empty_file or too_large.
        """
        held = self._in_use("held")
        try:
            if asset_id is not None and self._hold(asset_id, held, source):
                yield LocalCopy(held, asset_id, held.stat().st_size)
                return
            try:
                copy = self._take_in(source, pieces(), max_file_bytes, held)
            except OSError as error:
                raise storage_failure(error, source.uri) from error
            if copy.size == 0:
                raise Failure(Reason.EMPTY_FILE, f"{source.uri}: the file holds no bytes")
            if asset_id not in (None, copy.sha256):
                raise changed(source)
            yield LocalCopy(held, copy.sha256, copy.size)
        finally:
            held.unlink(missing_ok=True)

    def _hold(self, asset_id: str, held: Path, source: SourceFile) -> bool:
        """Give a file of the cache its second name; False where it is not there."""
        try:
            os.link(self._place(asset_id), held)
            self._index.touch(asset_id)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise storage_failure(error, source.uri) from error
        return True

    def _copy(self, source: SourceFile, max_file_bytes: int, held: Path | None) -> LocalCopy:
        if source.size is not None and source.size > max_file_bytes:
            raise too_large(source, source.size, max_file_bytes)
        try:
            if is_local(source.uri):
                copy = hash_local(source, max_file_bytes)
            else:
                copy = self._take_in(source, ranges(source), max_file_bytes, held)
        except OSError as error:
            raise storage_failure(error, source.uri) from error
        if copy.size == 0:
            raise Failure(Reason.EMPTY_FILE, f"{source.uri}: the file holds no bytes; replace it")
        return copy

    def _take_in(
        self, source: SourceFile, pieces: Iterable[bytes], max_file_bytes: int, held: Path | None
    ) -> LocalCopy:
        """``held`` gets to be a second name of the file, so that it is not evicted before it is used."""
        self._sweep_now_and_then()
        path = self._in_use("partial")
        token = path.stem
        digest = hashlib.sha256()
        size = 0
        try:
            self._index.reserve(token, source.size or 0, self.max_bytes, self._evict)
            with path.open("wb") as target:
                for chunk in pieces:
                    size += len(chunk)
                    if size > max_file_bytes:
                        raise too_large(source, size, max_file_bytes)
                    digest.update(chunk)
                    target.write(chunk)
            if source.size is None:
                self._index.reserve(token, size, self.max_bytes, self._evict)
            elif size != source.size:
                raise changed(source)
            place = self._place(digest.hexdigest())
            place.parent.mkdir(exist_ok=True)
            self._index.add(token, digest.hexdigest(), size, partial(_settle, path, place, held))
        except BaseException:
            path.unlink(missing_ok=True)
            self._index.release(token)
            raise
        return LocalCopy(place, digest.hexdigest(), size)

    # The folder.

    @cached_property
    def _made(self) -> Path:
        """The folder, with what is always in it. Files of an earlier version's layout are removed."""
        for name in ("files", "use"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for entry in os.scandir(self.folder):
            if _EARLIER_LAYOUT.fullmatch(entry.name) and _unchanged_for(entry, STRANGER_SECONDS):
                Path(entry.path).unlink(missing_ok=True)
        return self.folder

    @cached_property
    def _opened(self) -> CacheIndex:
        return CacheIndex(self._made, lambda: scanned(self._made / "files"))

    @property
    def _index(self) -> CacheIndex:
        with self._lock:
            return self._opened

    def _place(self, asset_id: str) -> Path:
        return self._made / "files" / asset_id[:2] / asset_id

    def _in_use(self, kind: str) -> Path:
        return self._made / "use" / f"{_owner()}-{uuid.uuid4().hex}.{kind}"

    def _evict(self, asset_id: str) -> bool:
        """Whoever gives a file a second name meanwhile has it: it is renamed first, then looked at."""
        place, doomed = self._place(asset_id), self._in_use("doomed")
        try:
            place.rename(doomed)
        except FileNotFoundError:
            return True
        if doomed.stat().st_nlink > 1:
            doomed.rename(place)
            return False
        doomed.unlink()
        return True

    def _sweep_now_and_then(self) -> None:
        with self._lock:
            if time.monotonic() - self._swept < SWEEP_SECONDS:
                return
            self._swept = time.monotonic()
        self.sweep()

    def sweep(self) -> None:
        """Remove what dead processes left half done or in use."""
        left = set(self._index.coming())
        for entry in os.scandir(self._made / "use"):
            match = _IN_USE.fullmatch(entry.name)
            if match is None or not _is_left(match, entry):
                left.discard(match["token"] if match else "")
                continue
            Path(entry.path).unlink(missing_ok=True)
        for token in left:  # of those without a file any more, whose maker is dead
            match = _IN_USE.fullmatch(f"{token}.partial")
            if match is None or _is_dead(match):
                self._index.release(token)


def _owner() -> str:
    pid = os.getpid()
    return f"{_machine_name()}-{pid}-{birth(pid) or ''}"


def _machine_name() -> str:
    return hashlib.sha256(machine().encode()).hexdigest()[:12]


def _is_dead(match: re.Match[str]) -> bool:
    return match["machine"] != _machine_name() or birth(int(match["pid"])) != match["birth"]


def _is_left(match: re.Match[str], entry: os.DirEntry[str]) -> bool:
    """Of a process of this machine it is known whether it lives; of others, by how long nothing has changed."""
    if match["machine"] != _machine_name():
        return _unchanged_for(entry, STRANGER_SECONDS)
    return _is_dead(match)


def _unchanged_for(entry: os.DirEntry[str], seconds: float) -> bool:
    with suppress(FileNotFoundError):
        status = entry.stat()
        return time.time() - max(status.st_mtime, status.st_ctime) > seconds
    return False


def _settle(path: Path, place: Path, held: Path | None) -> None:
    """Give a file its place, unless another process has fetched the same bytes, and its second name."""
    if place.exists():
        path.unlink()
    else:
        path.rename(place)
    if held is not None:
        os.link(place, held)
