"""The output folder, on a disk or in a bucket: whole files written atomically, read, listed and deleted.

A file is there entirely or not at all: on a disk it is written beside its place, synced and renamed; in an object
store one PUT does the same. One small write costs a few milliseconds on a disk and one request in a bucket.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from folioscope.pipeline.failures import refused_credentials, without_secrets
from folioscope.pipeline.storage.local_files import TEMPORARY, create_file, file_writer, link_file, write_file
from folioscope.pipeline.storage.range_reader import RangeReader
from folioscope.pipeline.storage.retries import retried
from folioscope.pipeline.storage.uris import redact, speaks_s3
from folioscope.schemas.errors import FolioscopeError

REQUESTS_AT_ONCE = 32

T = TypeVar("T")


class OutputError(FolioscopeError, OSError):
    """The output cannot be written or read. What was committed stays; the same command carries on once it can be."""


# How file systems of buckets are told a file's type.
_TYPE_ARGUMENT = {"s3": "ContentType", "gs": "content_type"}


def _protocols(filesystem: Any) -> tuple[str, ...]:
    return filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)


def _typed(filesystem: Any, content_type: str | None) -> dict[str, str]:
    arguments = [_TYPE_ARGUMENT[protocol] for protocol in _protocols(filesystem) if protocol in _TYPE_ARGUMENT]
    return {argument: content_type for argument in arguments if content_type is not None}


class OutputStore:
    """Files under one root URI, named by relative paths with forward slashes. Pickles as its URI.

    Every method raises OutputError where the store fails, after several tries where waiting may help.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/") or "/"

    def __reduce__(self) -> tuple[type[OutputStore], tuple[str]]:
        return OutputStore, (self.uri,)

    @property
    def name(self) -> str:
        """The URI as it may be told: without user and password."""
        return redact(self.uri)

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

    def write(self, path: str, data: bytes, *, sync: bool = True, content_type: str | None = None) -> None:
        """Write a whole file. ``sync=False`` is for markers whose loss in a power cut does no harm.

        ``content_type`` is what a bucket that serves web pages tells a browser.
        """
        with self._translate_errors(path):
            if self.is_local:
                write_file(Path(self.full(path)), data, sync)
            else:
                typed = _typed(self.filesystem, content_type)
                retried(lambda: self.filesystem.pipe_file(self.full(path), data, **typed))

    def create(self, path: str, data: bytes, *, sync: bool = True) -> bool:
        """Write a small file only where there is none; False where there is one. ``sync`` as for ``write``.

        Of two that do this at once one gets True: on a disk always, in a bucket where the store knows conditional
        writes (S3, GCS). Where it does not, both may; who must know reads back a moment later.
        """
        with self._translate_errors(path):
            try:
                if not self.is_local:
                    retried(lambda: self.filesystem.pipe_file(self.full(path), data, mode="create"))
                    return True
                create_file(Path(self.full(path)), data, sync)
            except FileExistsError:
                return False
        return True

    @contextmanager
    def writer(self, path: str) -> Iterator[BinaryIO]:
        """A stream for a file too large to hold. It appears under ``path`` only when the block ends well.

        For a bucket it is first written to this machine's temporary folder, so that a broken upload can begin again.
        """
        if not self.is_local:
            with tempfile.NamedTemporaryFile(prefix="folioscope-") as copy:
                yield cast(BinaryIO, copy)
                copy.flush()
                with self._translate_errors(path):
                    retried(lambda: self.filesystem.put_file(copy.name, self.full(path)))
            return
        with self._translate_errors(path), file_writer(Path(self.full(path))) as handle:
            yield handle

    def read(self, path: str) -> bytes:
        """The whole file. Raises FileNotFoundError where there is none."""
        # Unless told that one request is enough, s3fs first asks how long the file is.
        single = {"max_concurrency": 1} if "s3" in _protocols(self.filesystem) else {}
        return cast(bytes, self._request(path, lambda: self.filesystem.cat_file(self.full(path), **single)))

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """A file as a stream that can be read anywhere, while the block lasts; each range is tried again on its own.

        Raises FileNotFoundError where there is none.
        """
        full = self.full(path)
        if self.is_local:
            with self._translate_errors(path, absence_is_an_answer=True):
                stream = open(full, "rb")  # noqa: SIM115  closed below
        else:
            size = int(self._request(path, lambda: self.filesystem.info(full))["size"])
            reader = RangeReader(
                size,
                lambda start, end: cast(
                    bytes, self._request(path, lambda: self.filesystem.cat_file(full, start=start, end=end))
                ),
            )
            stream = cast(Any, reader)
        with stream:
            yield cast(BinaryIO, stream)

    def exists(self, path: str) -> bool:
        """Whether there is a file of this name. One request on S3, where fsspec would look for a folder, too."""
        if not speaks_s3(self.filesystem):
            return bool(self._request(path, lambda: self.filesystem.exists(self.full(path))))
        bucket, key, _ = self.filesystem.split_path(self.full(path))
        try:
            self._request(path, lambda: self.filesystem.call_s3("head_object", Bucket=bucket, Key=key))
        except FileNotFoundError:
            return False
        return True

    def fetch(self, path: str, target: str) -> None:
        """Bring a whole file to a path on this machine. Raises FileNotFoundError where there is none."""
        self._request(path, lambda: self.filesystem.get_file(self.full(path), target))

    def names(self, prefix: str) -> list[str]:
        """Relative paths of the files under a folder, sorted; empty where there is no such folder."""
        root = self.full("")
        if self.is_local:
            folder = Path(self.full(prefix))
            found: Iterable[str] = (
                os.path.join(parent, name)
                for parent, _, names in os.walk(folder)
                for name in names
                if not name.startswith(TEMPORARY)
            )
        else:
            self.filesystem.invalidate_cache()
            found = self._request(prefix, lambda: self.filesystem.find(self.full(prefix)))
        return sorted(os.path.relpath(str(path), root).replace(os.sep, "/") for path in found)

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly in a folder, sorted; empty where there is no such folder."""
        if not self.is_local:
            self.filesystem.invalidate_cache()
        try:
            found = self._request(prefix, lambda: self.filesystem.ls(self.full(prefix), detail=True))
        except FileNotFoundError:
            return []
        paths = (str(entry["name"]).rstrip("/") for entry in found if entry["type"] == "directory")
        return sorted(path.rpartition("/")[2] for path in paths if path != self.full(prefix))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those already gone are fine."""
        for path in paths:
            try:
                self._request(path, lambda path=path: self.filesystem.rm_file(self.full(path)))  # type: ignore[misc]
            except FileNotFoundError:
                continue

    def copy(self, source: str, target: str) -> None:
        """Give a file a second name: a hard link on a disk, a copy inside the store in a bucket; no byte comes here.

        A disk without hard links copies the bytes. FileNotFoundError where there is no ``source``.
        """
        if not self.is_local:
            self._request(source, lambda: self.filesystem.cp_file(self.full(source), self.full(target)))
            return
        with self._translate_errors(target, absence_is_an_answer=True):
            link_file(Path(self.full(source)), Path(self.full(target)))

    def move(self, source: str, target: str) -> None:
        """Rename a file; in a bucket it is copied inside the store and then deleted. One already gone is fine."""
        try:
            if not self.is_local:
                self.copy(source, target)
                self.delete([source])
                return
            with self._translate_errors(target, absence_is_an_answer=True):
                Path(self.full(target)).parent.mkdir(parents=True, exist_ok=True)
                Path(self.full(source)).replace(self.full(target))
        except FileNotFoundError:
            return

    def at_once(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """What calls to this store give, in order; in a bucket many wait for their answers together."""
        if self.is_local:
            return [call() for call in calls]
        with ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="store") as pool:
            return list(pool.map(lambda call: call(), calls))

    def delete_folder(self, path: str) -> None:
        """Delete a folder and all in it; one already gone is fine."""
        try:
            self._request(path, lambda: self.filesystem.rm(self.full(path), recursive=True))
        except FileNotFoundError:
            return

    def _request(self, path: str, call: Callable[[], T]) -> T:
        """What a request to the store gives. FileNotFoundError is an answer; other errors are the store's failure."""
        with self._translate_errors(path, absence_is_an_answer=True):
            return call() if self.is_local else retried(call)

    @contextmanager
    def _translate_errors(self, path: str, *, absence_is_an_answer: bool = False) -> Iterator[None]:
        """Whatever the file system below raises becomes an OutputError that says of which file, and what to do."""
        try:
            yield
        except OutputError:
            raise
        except Exception as error:
            if absence_is_an_answer and isinstance(error, FileNotFoundError):
                raise
            if self.is_local and not isinstance(error, OSError):  # what the caller's block raised, or a defect
                raise
            refusal = refused_credentials(error)
            told = without_secrets(f"{type(error).__name__}: {error}")
            words = f"the store refused the credentials: {refusal}" if refusal else told
            raise OutputError(
                f"{self.name}/{path} could not be written or read ({words}). What is committed is kept. Make "
                "room, mend the permissions or renew the credentials, then run the same command again."
            ) from error
