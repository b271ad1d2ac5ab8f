"""Listing buckets and URLs in parts that run side by side: what matches an input, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import fsspec

from folioscope.pipeline.failures import Failure, Reason, storage_failure
from folioscope.pipeline.storage.inputs import Input, Scope
from folioscope.pipeline.storage.patterns import Glob, State
from folioscope.pipeline.storage.retries import retried
from folioscope.pipeline.storage.source_file import FailedInput, Listed, SourceFile, moment, unnameable
from folioscope.pipeline.storage.stores import Folders, Part, S3Keys, Store, chunks
from folioscope.pipeline.storage.uris import URL_SCHEMES, folder_prefix, kind_of_name, redact, scheme_of, speaks_s3

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}
Work = Callable[[], Iterator[Listed]]
"""A part of a listing that can run beside the others."""


def plan_remote(item: Input, scope: Scope) -> Iterator[Work]:
    """The listing of one input in parts. Some requests are made here, to find out what the parts are."""
    try:
        fs, path = fsspec.core.url_to_fs(item.uri)
        fs.invalidate_cache()
        if not scope.glob.names and (found := _single_file(fs, path, item)) is not None:
            yield lambda: iter([found])
            return
        base = path if not scope.glob.names else _spelt_out(path, scope.glob)
        store = S3Keys(fs) if speaks_s3(fs) and not fs.version_aware else Folders(fs)
        some = False
        for part in _parts(store, base, scope.glob):
            some = True
            yield partial(_told_by, store, part, base, scope.glob, item)
        if not some:
            yield from _nothing_there(fs, path, scope, item)
    except Exception as error:  # noqa: BLE001  every store has exceptions of its own
        failed = FailedInput(item.told, _failure(error, item))
        yield lambda: iter([failed])


def _single_file(fs: Any, path: str, item: Input) -> SourceFile | None:
    """The file, where the input names one by its ending or is a URL: one request. Else None: it may be a folder."""
    scheme = scheme_of(item.uri)
    if scheme not in URL_SCHEMES and kind_of_name(path) is None:
        return None
    try:
        info = retried(lambda: fs.info(path))
    except FileNotFoundError:
        if scheme in URL_SCHEMES:
            raise
        return None
    return None if info.get("type") == "directory" else _source_file(fs, item.uri, info)


def _nothing_there(fs: Any, path: str, scope: Scope, item: Input) -> Iterator[Work]:
    """Nothing lies below: the input is a file without a known ending, or named like a pattern; or there is none."""
    try:
        info = retried(lambda: fs.info(path))
    except (FileNotFoundError, ValueError):
        info = {"type": "directory"}
    if info.get("type") == "directory":
        told = "no file matches" if scope.glob.names else "there is nothing there"
        raise Failure(Reason.NOT_FOUND, f"{item.told}: {told}; check --input")
    yield lambda: iter([_source_file(fs, item.uri, info)])


def _told_by(store: Store, part: Part, base: str, glob: Glob, item: Input) -> Iterator[Listed]:
    prefix = folder_prefix(base) if base else ""
    try:
        for path, info in part():
            if glob.matches(path.removeprefix(prefix)):
                found = _source_file(store.fs, item.uri, info)
                yield unnameable(found.uri) or found
    except Exception as error:  # noqa: BLE001  as above
        yield FailedInput(item.told, _failure(error, item))


def _failure(error: Exception, item: Input) -> Failure:
    if not isinstance(error, ImportError):
        return storage_failure(error, item.told)
    scheme = scheme_of(item.uri)
    extra = EXTRAS.get(scheme)
    advice = f"install folioscope[{extra}]" if extra else "install the package that fsspec names"
    return Failure(Reason.STORAGE_ERROR, f"{item.told}: {scheme}:// needs a package ({error}); {advice}")


def _spelt_out(path: str, glob: Glob) -> str:
    """The folder of a store's path that stands before a pattern."""
    return "/".join(path.rstrip("/").split("/")[: -len(glob.names)])


def _source_file(fs: Any, given: str, info: dict[str, Any]) -> SourceFile:
    name = str(info["name"])
    uri = name if scheme_of(given) in URL_SCHEMES else fs.unstrip_protocol(name)
    modified = next(
        (info[key] for key in ("LastModified", "last_modified", "updated", "created", "mtime") if info.get(key)), None
    )
    etag = info.get("ETag") or info.get("etag") or info.get("md5Hash") or f"{info.get('size')}-{modified}"
    return SourceFile(redact(uri), info.get("size"), str(etag).strip('"'), moment(modified))


def _parts(store: Store, base: str, glob: Glob) -> Iterator[Part]:
    """The files below a folder in parts that can be listed at the same time."""
    if glob.crosses_folders(glob.start):
        yield from store.everything(base)
        return
    files: list[tuple[str, dict[str, Any]]] = []
    folders: list[tuple[str, State]] = []
    for entry in store.level(base, glob.literal_start(glob.start)):
        reached = glob.advance(glob.start, entry.name)
        if not reached or entry.name.startswith("."):
            continue
        if entry.info is not None:
            files.append((entry.path, entry.info))
        else:
            folders.append((entry.path, reached))
    if files:
        yield partial(iter, files)
    if len(folders) == 1:  # a folder alone may be cut into ranges
        [(folder, reached)] = folders
        if glob.crosses_folders(reached):
            yield from store.everything(folder)
            return
    for some in chunks(folders):
        yield partial(_matching_below, store, some, glob)


def _matching_below(
    store: Store, folders: Sequence[tuple[str, State]], glob: Glob
) -> Iterator[tuple[str, dict[str, Any]]]:
    for folder, state in folders:
        if glob.crosses_folders(state):
            for part in store.everything(folder, whole=True):
                yield from part()
            continue
        below = []
        for entry in store.level(folder, glob.literal_start(state)):
            reached = glob.advance(state, entry.name)
            if reached and entry.info is not None:
                yield entry.path, entry.info
            elif reached and not entry.name.startswith("."):
                below.append((entry.path, reached))
        yield from _matching_below(store, below, glob)
