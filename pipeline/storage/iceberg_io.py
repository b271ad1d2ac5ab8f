"""How PyIceberg reaches an output's files: through the same fsspec file systems, with the same credentials, as we do.

PyIceberg loads it by its name while we commit; readers of the tables use their own.
"""

from __future__ import annotations

from typing import Any

import fsspec
from pyiceberg.io.fsspec import FsspecFileIO


class StoreFileIO(FsspecFileIO):  # type: ignore[misc]  # PyIceberg is not followed
    """PyIceberg's fsspec files, with settings from fsspec's own configuration and the environment."""

    def _get_fs(self, scheme: str, hostname: str | None = None) -> Any:
        if scheme in ("", "file"):
            return fsspec.filesystem("file", auto_mkdir=True)
        return fsspec.filesystem(scheme)
