"""The output folder, on a disk or in a bucket: whole files written atomically, read, listed and deleted.

A file is there entirely or not at all: on a disk it is written beside its place, synced and renamed; in an object
store one PUT does the same. One small write costs a few milliseconds on a disk and one request in a bucket.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pipeline.failures import refused_credentials, without_secrets
from pipeline.remote import retried
from pipeline.sources import redact

TEMPORARY = ".tmp-"

T = TypeVar("T")


class OutputError(OSError):
    """The output cannot be written or read. What was committed stays; the same command carries on once it can be."""


# How file systems of buckets are told a file's type.
_TYPE_ARGUMENT = {"s3": "ContentType", "gs": "content_type"}


def _typed(filesystem: Any, content_type: str | None) -> dict[str, str]:
    protocols = filesystem.protocol if isinstance(filesystem.protocol, tuple) else (filesystem.protocol,)
    arguments = [_TYPE_ARGUMENT[protocol] for protocol in protocols if protocol in _TYPE_ARGUMENT]
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
        with self._told(path):
            if self.is_local:
                self._write_local(Path(self.full(path)), data, sync)
            else:
                typed = _typed(self.filesystem, content_type)
                retried(lambda: self.filesystem.pipe_file(self.full(path), data, **typed))

    def create(self, path: str, data: bytes) -> bool:
        """Write a small file only where there is none; False where there is one.

        Of two that do this at once one gets True: on a disk always, in a bucket where the store knows conditional
        writes (S3, GCS). Where it does not, both may; who must know reads back a moment later.
        """
        with self._told(path):
            try:
                if not self.is_local:
                    retried(lambda: self.filesystem.pipe_file(self.full(path), data, mode="create"))
                    return True
                Path(self.full(path)).parent.mkdir(parents=True, exist_ok=True)
                self._create_local(Path(self.full(path)), data)
            except FileExistsError:
                return False
        return True

    @contextmanager
    def writer(self, path: str) -> Iterator[BinaryIO]:
        """A stream for a file too large to hold. It appears under ``path`` only when the block ends well.

        For a bucket it is first written to this machine's temporary folder, so that a broken upload can begin again.
        """
        if not self.is_local:
            with tempfile.NamedTemporaryFile(prefix="folioscope-") as spooled:
                yield cast(BinaryIO, spooled)
                spooled.flush()
                with self._told(path):
                    retried(lambda: self.filesystem.put_file(spooled.name, self.full(path)))
            return
        target = Path(self.full(path))
        with self._told(path):
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
        """The whole file. Raises FileNotFoundError where there is none."""
        return cast(bytes, self._asked(path, lambda: self.filesystem.cat_file(self.full(path))))

    def exists(self, path: str) -> bool:
        return bool(self._asked(path, lambda: self.filesystem.exists(self.full(path))))

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
            found = self._asked(prefix, lambda: self.filesystem.find(self.full(prefix)))
        return sorted(os.path.relpath(str(path), root).replace(os.sep, "/") for path in found)

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those already gone are fine."""
        for path in paths:
            try:
                self._asked(path, lambda path=path: self.filesystem.rm_file(self.full(path)))  # type: ignore[misc]
            except FileNotFoundError:
                continue

    def delete_folder(self, path: str) -> None:
        """Delete a folder and all in it; one already gone is fine."""
        try:
            self._asked(path, lambda: self.filesystem.rm(self.full(path), recursive=True))
        except FileNotFoundError:
            return

    def _asked(self, path: str, call: Callable[[], T]) -> T:
        """What a request to the store gives. FileNotFoundError is an answer; other errors are the store's failure."""
        with self._told(path, absence_is_an_answer=True):
            return call() if self.is_local else retried(call)

    def _create_local(self, target: Path, data: bytes) -> None:
        with target.open("xb") as handle:
            try:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            except BaseException:  # half a file would keep its place for ever
                target.unlink(missing_ok=True)
                raise

    def _write_local(self, target: Path, data: bytes, sync: bool) -> None:
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
    def _told(self, path: str, *, absence_is_an_answer: bool = False) -> Iterator[None]:
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
