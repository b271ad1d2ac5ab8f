"""The inputs of a run: folders, globs, files, lists of these, inventories; and which paths each of them stands for.

Listing and coverage start from the same ``Scope``: a file counts as deleted only where the listing would have given it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import fsspec

from folioscope.pipeline.failures import storage_failure
from folioscope.pipeline.storage.patterns import Glob, has_wildcard, split_pattern
from folioscope.pipeline.storage.source_file import FailedInput
from folioscope.pipeline.storage.uris import (
    URL_SCHEMES,
    canonical,
    folder_prefix,
    is_local,
    normalise,
    redact,
    scheme_of,
    suffix_of,
)

LIST_SUFFIXES = frozenset({".txt", ".lst", ".manifest"})
INVENTORY_PREFIX = "inventory:"
INVENTORY_SUFFIXES = frozenset({".parquet", ".csv"})
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Input:
    """One input. ``place`` is the list and the line that name it; empty for one of the command line."""

    uri: str
    place: str = ""

    @property
    def told(self) -> str:
        return redact(self.uri)


@dataclass(frozen=True, slots=True)
class Scope:
    """The paths that an input stands for: ``base`` itself where it is a file, and what lies below it and matches."""

    base: str
    glob: Glob = field(default_factory=Glob)

    def covers(self, uri: str) -> bool:
        """Whether listing this input would give the file at ``uri`` if it were there."""
        if uri == self.base:
            return not self.glob.names
        prefix = folder_prefix(self.base)
        if not uri.startswith(prefix):
            return False
        relative = uri.removeprefix(prefix)
        return self.glob.matches(relative) and not (is_local(uri) and _through_link(self.base, os.path.dirname(uri)))

    def enters(self, folder: str) -> bool:
        """Whether listing this input looks into a folder."""
        prefix = folder_prefix(self.base)
        return folder == self.base or (folder.startswith(prefix) and self.glob.enters(folder.removeprefix(prefix)))


def _through_link(base: str, folder: str) -> bool:
    """Whether a folder is reached through a link below ``base``: walks do not follow those, they may circle."""
    if len(folder) <= len(base):
        return False
    return os.path.islink(folder) or _through_link(base, os.path.dirname(folder))


def scope_of(uri: str) -> Scope:
    """What an input that is neither a list nor an inventory stands for."""
    root = normalise(uri)
    # A name may hold glob characters itself: what exists on a disk is taken as it is.
    if not has_wildcard(root) or scheme_of(root) in URL_SCHEMES or (is_local(root) and os.path.lexists(root)):
        return Scope(canonical(root))
    base, glob = split_pattern(root)
    return Scope(canonical(base), glob)


def is_list(uri: str) -> bool:
    """A file of further inputs, one a line."""
    return suffix_of(uri) in LIST_SUFFIXES and not has_wildcard(uri)


def is_inventory(uri: str) -> bool:
    """A file that says of many files what a listing would: an S3 Inventory, or a table of them."""
    if uri.startswith(INVENTORY_PREFIX):
        return True
    named = suffix_of(uri.lower().removesuffix(".gz")) in INVENTORY_SUFFIXES or uri.rpartition("/")[2] == MANIFEST
    return named and not has_wildcard(uri)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The paths of which the listing told whether they are there: under an input, and in no folder that failed."""

    scopes: tuple[Scope, ...]
    holes: tuple[str, ...] = ()
    _prefixes: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_prefixes", tuple(map(folder_prefix, self.holes)))

    def covers(self, uri: str) -> bool:
        if uri in self.holes or uri.startswith(self._prefixes):
            return False
        return any(scope.covers(uri) for scope in self.scopes)

    def looked_into(self, folder: str) -> bool:
        """Whether the listing came through a folder, and it did not fail."""
        return folder not in self.holes and any(scope.enters(folder) for scope in self.scopes)


def coverage(inputs: Iterable[str], failed: Sequence[FailedInput] = (), exclude: Sequence[str] = ()) -> Coverage:
    """What a listing of ``inputs`` covers, given what ``failed`` in it.

    What a list or an inventory names can change without any file going away: such inputs cover nothing.
    """
    broken = {item.uri for item in failed}
    whole = (uri for uri in inputs if not (is_list(uri) or is_inventory(uri)) and redact(uri) not in broken)
    holes = (*(canonical(uri) for uri in broken), *map(canonical, exclude))
    return Coverage(tuple(map(scope_of, whole)), holes)


def expand_lists(inputs: Sequence[str]) -> Iterator[Input | FailedInput]:
    """The inputs, each list replaced by what its lines name. A relative path in a list starts at the list's folder."""
    for uri in inputs:
        if not is_list(uri) or uri.startswith(INVENTORY_PREFIX):
            yield Input(uri)
            continue
        opened = normalise(uri) if is_local(uri) else uri
        folder = opened.rpartition("/")[0]
        try:
            with fsspec.open(opened, "rt", encoding="utf-8", errors="surrogateescape") as stream:
                for number, line in enumerate(stream, start=1):
                    name = line.strip()
                    if name and not name.startswith("#"):
                        relative = "://" not in name and not name.startswith(("/", "~", INVENTORY_PREFIX))
                        yield Input(f"{folder}/{name}" if relative else name, f"{redact(uri)} line {number}")
        except Exception as error:  # noqa: BLE001  every store has exceptions of its own
            yield FailedInput(redact(uri), storage_failure(error, redact(uri)))
