"""Listing folders of a disk: one scan a folder, no look at a file but its status.

A folder that cannot be read is told as a failure, and the walk goes on after it. Holds the names of one folder and of
those above it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime

from folioscope.pipeline.failures import Failure, Reason, storage_failure
from folioscope.pipeline.storage.inputs import Scope
from folioscope.pipeline.storage.patterns import Glob, State
from folioscope.pipeline.storage.source_file import FailedInput, Listed, SourceFile, unnameable


def list_local(scope: Scope) -> Iterator[Listed]:
    """The files of one input, in order of name.

    Raises:
        Failure: there is nothing at all under that name, or the input itself cannot be read.
    """
    base, glob = scope.base, scope.glob
    if not os.path.lexists(base) or (glob.names and not os.path.isdir(base)):
        if glob.names:
            raise _nothing_matches(scope)
        raise Failure(Reason.NOT_FOUND, f"{base}: there is no such file or folder; check --input")
    if not os.path.isdir(base):
        try:
            yield _source_file(base, os.stat(base))
        except OSError as error:
            raise storage_failure(error, base) from error
        return
    found = False
    for item in _walk(base, glob, glob.start, _scan(base)):
        found = True
        yield item
    if glob.names and not found:
        raise _nothing_matches(scope)


def _nothing_matches(scope: Scope) -> Failure:
    pattern = "/".join((scope.base, *scope.glob.names))
    return Failure(Reason.NOT_FOUND, f"{pattern}: no file matches; check --input")


def _scan(folder: str) -> list[os.DirEntry[str]]:
    """Raises Failure where the folder cannot be read to its end."""
    try:
        with os.scandir(folder) as scan:
            return sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise storage_failure(error, folder) from error


def _walk(folder: str, glob: Glob, state: State, entries: list[os.DirEntry[str]]) -> Iterator[Listed]:
    """What matches below a folder. Links to folders are not followed: they may circle."""
    for entry in entries:
        if entry.name.startswith("."):
            continue
        reached = glob.advance(state, entry.name)
        if not reached:
            continue
        if entry.is_dir(follow_symlinks=False):
            try:
                inside = _scan(entry.path)
            except Failure as failure:
                yield unnameable(entry.path) or FailedInput(entry.path, failure)
                continue
            yield from _walk(entry.path, glob, reached, inside)
        elif glob.accepts(reached):
            yield from _file(entry)


def _file(entry: os.DirEntry[str]) -> Iterator[Listed]:
    odd = unnameable(entry.path)
    if odd is not None:
        yield odd
        return
    try:
        status = entry.stat()
    except OSError:  # a dangling link: it is told when the file is looked into
        yield SourceFile(entry.path, None, "dangling", None)
        return
    if stat.S_ISREG(status.st_mode):
        yield _source_file(entry.path, status)


def _source_file(path: str, status: os.stat_result) -> SourceFile:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    modified = modified.replace(microsecond=modified.microsecond // 1000 * 1000)
    return SourceFile(path, status.st_size, f"{status.st_size}-{status.st_mtime_ns}", modified)
