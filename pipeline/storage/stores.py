"""Ways of asking a store for its keys: S3 by pages and ranges of keys, others by folders through fsspec.

S3 is listed without a delimiter, a thousand keys a request, however the keys are spread over folders; its folders only
say where to cut the keys into ranges that are listed at the same time. So memory is that of the pages in flight. Other
stores' answers hold a whole top-level folder, about a kilobyte a file. Parsing S3's answers (botocore) costs some 75 µs
of CPU a key; all else together 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from folioscope.pipeline.storage.retries import retried
from folioscope.pipeline.storage.uris import folder_prefix

RANGES = 64  # most parts that one input is listed in
FEW_RANGES = 16  # fewer folders than this are looked into for more places to cut at
FOLDERS_A_RANGE = 4
CUT_DEPTH = 3
CUT_PAGES = 5  # pages of folder names that are worth reading for that


Part = Callable[[], Iterable[tuple[str, dict[str, Any]]]]
"""Gives (path, what the store tells of it) of files; those that do not match are left out later."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder of a store: a file with what the store tells of it, or a folder without."""

    path: str
    info: dict[str, Any] | None

    @property
    def name(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2]


def chunks(items: Sequence[Any], most: int = RANGES) -> Iterator[Sequence[Any]]:
    size = max(1, -(-len(items) // most))
    return (items[start : start + size] for start in range(0, len(items), size))


@dataclass(frozen=True, slots=True)
class Folders:
    """A store that fsspec lists: a folder at a time, or all below a folder at once."""

    fs: Any

    def level(self, folder: str, _start: str = "") -> Iterator[Entry]:
        """The names in one folder. Some stores list a folder's own marker in it."""
        for info in sorted(retried(lambda: self.fs.ls(folder, detail=True)), key=lambda info: str(info["name"])):
            path = str(info["name"])
            if path.rstrip("/") != folder.rstrip("/"):
                yield Entry(path, None if info.get("type") == "directory" else info)

    def everything(self, folder: str, *, whole: bool = False) -> Iterator[Part]:
        if whole:
            yield partial(self._find, [folder])
            return
        try:
            entries = list(self.level(folder))
        except FileNotFoundError:
            return
        files = [(entry.path, entry.info) for entry in entries if entry.info is not None]
        if files:
            yield partial(iter, files)
        for some in chunks([entry.path for entry in entries if entry.info is None]):
            yield partial(self._find, some)

    def _find(self, folders: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for folder in folders:
            for path, info in retried(partial(self.fs.find, folder, detail=True)).items():
                yield str(path), info
            self.fs.invalidate_cache()


@dataclass(frozen=True, slots=True)
class S3Keys:
    """A bucket, listed by pages of a thousand keys."""

    fs: Any

    def level(self, folder: str, start: str = "") -> Iterator[Entry]:
        """The names in one folder that begin with ``start``."""
        bucket, prefix = self._place(folder)
        for page in self._pages(bucket, prefix + start, Delimiter="/"):
            for path, info in self._files(bucket, page):
                yield Entry(path, info)
            for common in page.get("CommonPrefixes", ()):
                yield Entry(f"{bucket}/{common['Prefix'].rstrip('/')}", None)

    def everything(self, folder: str, *, whole: bool = False) -> Iterator[Part]:
        bucket, prefix = self._place(folder)
        if whole:
            yield partial(self._range, bucket, prefix, None, None)
            return
        first = self._page(bucket, prefix)
        if not first.get("IsTruncated"):
            if files := list(self._files(bucket, first)):
                yield partial(iter, files)
            return
        cuts = self._cuts(bucket, prefix)
        for begin, end in zip([None, *cuts], [*cuts, None], strict=True):
            yield partial(self._range, bucket, prefix, begin, end)

    def _place(self, folder: str) -> tuple[str, str]:
        bucket, key, _ = self.fs.split_path(folder)
        return bucket, folder_prefix(key) if key else ""

    def _page(self, bucket: str, prefix: str, **more: str) -> dict[str, Any]:
        page: dict[str, Any] = retried(lambda: self.fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, **more))
        return page

    def _pages(self, bucket: str, prefix: str, **more: str) -> Iterator[dict[str, Any]]:
        while True:
            page = self._page(bucket, prefix, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more["ContinuationToken"] = page["NextContinuationToken"]

    def _files(self, bucket: str, page: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        for found in page.get("Contents", ()):
            if not found["Key"].endswith("/"):  # a folder's marker
                path = f"{bucket}/{found['Key']}"
                yield path, {**found, "name": path, "size": found["Size"]}

    def _range(
        self, bucket: str, prefix: str, begin: str | None, end: str | None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The files after ``begin`` and before ``end``."""
        for page in self._pages(bucket, prefix, **({"StartAfter": begin} if begin else {})):
            for path, info in self._files(bucket, page):
                if end is not None and info["Key"] >= end:
                    return
                yield path, info

    def _cuts(self, bucket: str, prefix: str) -> list[str]:
        """Keys between which the ranges lie: names of folders, of deeper ones where there are few."""
        cuts = [prefix]
        for _ in range(CUT_DEPTH):
            deeper = [name for folder in cuts for name in self._folders_in(bucket, folder)]
            if not deeper:
                break
            cuts = deeper
            if len(cuts) >= FEW_RANGES:
                break
        # A range ends with a request that goes past it: one of a few folders is worth that, one of each is not.
        ranges = max(FEW_RANGES, min(RANGES, len(cuts) // FOLDERS_A_RANGE))
        return [some[0] for some in chunks(sorted(cuts), ranges)][1:]

    def _folders_in(self, bucket: str, prefix: str) -> list[str]:
        names: list[str] = []
        for number, page in enumerate(self._pages(bucket, prefix, Delimiter="/"), start=1):
            found = [common["Prefix"] for common in page.get("CommonPrefixes", ())]
            names += found
            if not found or number == CUT_PAGES:  # keys alone: to page through them here would be to list them twice
                break
        return names


Store = Folders | S3Keys
