"""Whole files on a disk: written beside their place, synced and renamed, so that each is there entirely or not at all.

A small one costs a few milliseconds, most of which is the sync.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp-"
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV, errno.ENOSYS})


def write_file(target: Path, data: bytes, sync: bool) -> None:
    """Write a whole file, over one that is there; folders that lack are made."""
    temporary = _beside(target)
    try:
        handle = temporary.open("wb")
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = temporary.open("wb")
    try:
        with handle:
            _fill(handle, data, sync)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def create_file(target: Path, data: bytes, sync: bool) -> None:
    """Write a file where there is none: who finds the name taken finds the whole file.

    Raises FileExistsError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    try:
        with temporary.open("xb") as handle:
            _fill(handle, data, sync)
        try:
            os.link(temporary, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with target.open("xb"):  # a disk without hard links: take the name first, then fill it
                temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def file_writer(target: Path) -> Iterator[BinaryIO]:
    """A stream for a file too large to hold; it appears in its place when the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    try:
        with temporary.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def link_file(source: Path, target: Path) -> None:
    """Give a file a second name, by a hard link; a disk without them copies the bytes. A name taken stays as it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileExistsError:  # an earlier try came so far
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        temporary = _beside(target)
        shutil.copyfile(source, temporary)
        temporary.replace(target)


def _beside(target: Path) -> Path:
    return target.with_name(f"{TEMPORARY}{uuid.uuid4().hex}")


def _fill(handle: BinaryIO, data: bytes, sync: bool) -> None:
    handle.write(data)
    if sync:
        handle.flush()
        os.fsync(handle.fileno())
