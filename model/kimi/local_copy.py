"""A checkpoint of a store as a directory of this machine, for engines that read directories alone.

Copied once a machine and revision, to the user's cache: the published weights take 33 GB there. Actors that start side
by side wait for the first of them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

from folioscope.model.kimi.description import fingerprint


def local_copy(location: str) -> Path:
    """The directory itself, or the copy of an fsspec URL.

    Raises ``CheckpointNotFoundError``, and ``OSError`` where the store stumbles or the disk is full.
    """
    if "://" not in location:
        return Path(location)
    return copied_once(location, fingerprint(location)[0])


def copied_once(location: str, revision: str) -> Path:
    """The directory itself, or the copy of an fsspec URL under the name of its revision.

    Raises ``OSError`` where the store stumbles or the disk is full.
    """
    if "://" not in location:
        return Path(location)
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    copied = folder / revision
    with _alone(folder / f"{revision}.lock"):
        if not copied.is_dir():
            _copy(location, copied)
    return copied


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "folioscope" / "checkpoints"


def _copy(location: str, target: Path) -> None:
    """All files or none: they get their name when the last one is there."""
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of one that died over it
    filesystem, root = fsspec.url_to_fs(location)
    for path in filesystem.find(root):
        to = partial / path.removeprefix(root).lstrip("/")
        to.parent.mkdir(parents=True, exist_ok=True)
        filesystem.get_file(path, str(to))
    partial.rename(target)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process of this machine at a time; a dead one's lock is free."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
