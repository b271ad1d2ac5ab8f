"""Listing: from the inputs of a run to the files under them, on a disk, in a bucket or behind HTTP.

Folders are walked, globs expanded, and a ``.txt`` file is a list of further inputs. A listing streams: one scan of each
folder, no request a file. No secret that stands in a URI comes out of here.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import fsspec

from pipeline.failures import Failure, Reason, harmless, storage_failure
from pipeline.remote import retried

PDF_SUFFIXES = frozenset({".pdf"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".3gp", ".gif", ".m4v", ".flv"})
_KINDS = {
    suffix: kind
    for kind, suffixes in (("pdf", PDF_SUFFIXES), ("image", IMAGE_SUFFIXES), ("video", VIDEO_SUFFIXES))
    for suffix in suffixes
}
LIST_SUFFIXES = frozenset({".txt", ".lst", ".manifest"})
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}
FOLDERS_LISTED_SINGLY = 1000
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as its store tells it. ``etag`` changes when the bytes do: an ETag, else size and time."""

    uri: str
    size: int | None
    etag: str
    modified_at: datetime | None


@dataclass(frozen=True, slots=True)
class UnlistedInput:
    """An input that could not be listed, and why."""

    uri: str
    failure: Failure


def kind_of_name(uri: str) -> str | None:
    """pdf, image or video by the name's ending; None for any other."""
    return _KINDS.get(f".{uri.rpartition('.')[2].lower()}")


def list_sources(inputs: Sequence[str], exclude: Sequence[str] = ()) -> Iterator[SourceFile | UnlistedInput]:
    """Every file under the inputs, each path once, an input's files in order of name.

    Hidden files and those under ``exclude`` (our own output) are left out.
    """
    # One folder lists no path twice: there a set of all of them is memory for nothing.
    once = len(inputs) == 1 and not _is_list(inputs[0]) and not _GLOB.search(inputs[0])
    seen: set[str] = set()
    barred = tuple(_folder_prefix(normalise(uri)) for uri in exclude)
    for item in _expand_lists(inputs):
        if isinstance(item, UnlistedInput):
            yield item
            continue
        try:
            for found in _list_input(item):
                if not _is_text(found.uri):
                    yield _unnameable(found.uri)
                    continue
                if found.uri in seen or found.uri.startswith(barred):
                    continue
                if not once:
                    seen.add(found.uri)
                yield found
        except Failure as failure:
            yield UnlistedInput(redact(item), failure)


def _is_text(uri: str) -> bool:
    try:
        uri.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unnameable(uri: str) -> UnlistedInput:
    """A file whose name is no UTF-8: no table can hold it, and no URI could name it."""
    shown = harmless(uri)
    return UnlistedInput(
        shown,
        Failure(Reason.NOT_FOUND, f"{shown}: its name is not valid UTF-8, so no row can name it; rename the file"),
    )


def covered_by(uri: str, inputs: Iterable[str]) -> bool:
    """True where ``uri`` lies under one of the inputs, so that its absence from a listing means that it is gone.

    What a list file names can change without any file going away: such inputs cover nothing.
    """
    return coverage(inputs)(uri)


def coverage(inputs: Iterable[str]) -> Callable[[str], bool]:
    """``covered_by`` for many paths: the inputs are looked at once."""
    patterns: list[str] = []
    roots: set[str] = set()
    for item in inputs:
        root = normalise(item)
        if _is_list(root):
            continue
        if _GLOB.search(item) and not os.path.lexists(item):
            patterns.append(root)
        else:
            roots.add(redact(root))
    prefixes = tuple(_folder_prefix(root) for root in roots)
    return lambda uri: uri.startswith(prefixes) or uri in roots or any(fnmatchcase(uri, root) for root in patterns)


def normalise(uri: str) -> str:
    """A local path made absolute; another URI without a trailing slash."""
    if uri.startswith("file://"):
        uri = uri.removeprefix("file://")
    return uri.rstrip("/") if "://" in uri else os.path.abspath(uri)


def redact(uri: str) -> str:
    """The URI without user, password and query, where secrets stand."""
    if "://" not in uri or not ("@" in uri or "?" in uri):
        return uri
    scheme, rest = uri.split("://", 1)
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2] if scheme not in ("abfs", "abfss") else host
    return f"{scheme}://{host}{slash}{path.partition('?')[0] if scheme in ('http', 'https') else path}"


def _folder_prefix(uri: str) -> str:
    return uri.rstrip("/") + "/"


def _is_list(uri: str) -> bool:
    return os.path.splitext(uri)[1].lower() in LIST_SUFFIXES


def _expand_lists(inputs: Sequence[str]) -> Iterator[str | UnlistedInput]:
    for item in inputs:
        if not _is_list(item) or _GLOB.search(item):
            yield item
            continue
        try:
            with fsspec.open(item, "rt", encoding="utf-8", errors="surrogateescape") as stream:
                lines = [line.strip() for line in stream]
        except Exception as error:  # noqa: BLE001  every store has exceptions of its own
            yield UnlistedInput(redact(item), storage_failure(error, redact(item)))
            continue
        folder = item.rpartition("/")[0]
        for line in lines:
            if line and not line.startswith("#"):
                relative = "://" not in line and not os.path.isabs(line)
                yield f"{folder}/{line}" if relative and folder else line


def _list_input(item: str) -> Iterator[SourceFile]:
    if "://" in item and not item.startswith("file://"):
        yield from _list_remote(item)
    else:
        yield from _list_local(normalise(item))


def _list_local(root: str) -> Iterator[SourceFile]:
    # A name may hold glob characters itself: what exists is taken as it is.
    if not os.path.lexists(root):
        if not _GLOB.search(root):
            raise Failure(Reason.NOT_FOUND, f"{root}: there is no such file or folder; check --input")
        for match in _matching(root):
            yield from _list_local(match)
        return
    if os.path.isdir(root):
        yield from _scan(root)
    else:
        try:
            yield _local_file(root, os.stat(root))
        except OSError as error:
            raise storage_failure(error, root) from error


def _matching(root: str) -> list[str]:
    """What a glob names, hidden files and folders left out."""
    parts = Path(root).parts
    wild = next(number for number, part in enumerate(parts) if _GLOB.search(part))
    base = Path(*parts[:wild])
    try:
        found = sorted(
            str(path)
            for path in base.glob(str(Path(*parts[wild:])))
            if not any(part.startswith(".") for part in path.relative_to(base).parts)
        )
    except ValueError as error:  # such as two stars within a name
        raise Failure(Reason.NOT_FOUND, f"{root}: it is no valid pattern ({error}); check --input") from error
    if not found:
        raise Failure(Reason.NOT_FOUND, f"{root}: no file matches; check --input")
    return found


def _scan(folder: str) -> Iterator[SourceFile]:
    """Files under a local folder, by one scan of each folder. Links to folders are not followed: they may circle."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise storage_failure(error, folder) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _scan(entry.path)
            continue
        try:
            status = entry.stat()
        except OSError:  # a dangling link: it is told when the file is looked into
            yield SourceFile(entry.path, None, "dangling", None)
            continue
        if stat.S_ISREG(status.st_mode):
            yield _local_file(entry.path, status)


def _local_file(path: str, status: os.stat_result) -> SourceFile:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    modified = modified.replace(microsecond=modified.microsecond // 1000 * 1000)
    return SourceFile(path, status.st_size, f"{status.st_size}-{status.st_mtime_ns}", modified)


def _list_remote(item: str) -> Iterator[SourceFile]:
    scheme = item.split("://", 1)[0]
    found = 0
    try:
        fs, path = fsspec.core.url_to_fs(item)
        fs.invalidate_cache()
        for info in _infos(fs, path, is_url=scheme in ("http", "https")):
            found += 1
            if info.get("type") != "directory" and not str(info["name"]).rpartition("/")[2].startswith("."):
                yield _remote_file(fs, scheme, info)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        advice = f"install folioscope[{extra}]" if extra else "install the package that fsspec names"
        raise Failure(
            Reason.STORAGE_ERROR, f"{redact(item)}: {scheme}:// needs a package ({error}); {advice}"
        ) from error
    except Exception as error:
        raise storage_failure(error, redact(item)) from error
    if not found:
        raise Failure(Reason.NOT_FOUND, f"{redact(item)}: there is nothing there; check --input")


def _infos(fs: Any, path: str, *, is_url: bool) -> Iterator[dict[str, Any]]:
    """What the store tells of each file. A folder's subfolders are listed one after the other, and forgotten.

    A store's whole listing costs about a kilobyte a file. Of very many subfolders each may hold few files: one listing
    of all then needs fewer requests.
    """
    if is_url or not (_GLOB.search(path) or retried(lambda: fs.isdir(path))):
        yield retried(lambda: fs.info(path))
        return
    if _GLOB.search(path):
        yield from sorted(retried(lambda: fs.glob(path, detail=True)).values(), key=lambda info: str(info["name"]))
        return
    entries = sorted(retried(lambda: fs.ls(path, detail=True)), key=lambda info: str(info["name"]))
    if sum(info.get("type") == "directory" for info in entries) > FOLDERS_LISTED_SINGLY:
        yield from retried(lambda: fs.find(path, detail=True)).values()
        return
    for info in entries:
        if info.get("type") != "directory":
            yield info
        elif str(info["name"]).rstrip("/") != path.rstrip("/"):  # some stores list a folder's own marker in it
            yield from retried(partial(fs.find, info["name"], detail=True)).values()
            fs.invalidate_cache()


def _remote_file(fs: Any, scheme: str, info: dict[str, Any]) -> SourceFile:
    name = str(info["name"])
    uri = name if scheme in ("http", "https") else fs.unstrip_protocol(name)
    modified = next(
        (info[key] for key in ("LastModified", "last_modified", "updated", "created", "mtime") if info.get(key)), None
    )
    moment = _moment(modified)
    etag = info.get("ETag") or info.get("etag") or info.get("md5Hash") or f"{info.get('size')}-{modified}"
    return SourceFile(redact(uri), info.get("size"), str(etag).strip('"'), moment)


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, (int, float)):
        value = datetime.fromtimestamp(value, UTC)
    if not isinstance(value, datetime):
        return None
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000)
