"""Names of exported files: the archive's folder structure below the folder that all selected files share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from posixpath import commonpath

_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ODD = re.compile(r"[\x00-\x1f\x7f\\]")


def common_folder(uris: Iterable[str]) -> str:
    """The deepest folder that holds all of ``uris``; empty where they share none."""
    folders = [_path(uri).rpartition("/")[0] for uri in uris]
    if not folders or len({folder.startswith("/") for folder in folders}) > 1:
        return ""
    return commonpath(folders)


def relative_name(uri: str, folder: str) -> str:
    """The path below ``folder``, safe to be written under any root: no parent steps, no control characters."""
    path = _path(uri)
    inside = path.removeprefix(folder).lstrip("/") if folder else path.lstrip("/")
    parts = [part for part in _ODD.sub("_", inside).split("/") if part not in ("", ".")]
    return "/".join("_" if part == ".." else part for part in parts) or "file"


def _path(uri: str) -> str:
    return _SCHEME.sub("", uri)
