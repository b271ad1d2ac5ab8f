"""Names that values in the tables had in earlier schema versions. Imports nothing: decode children read it too."""

from __future__ import annotations

from typing import Final

RENAMED_REASONS: Final[dict[str, str]] = {"torn_film": "truncated_video"}  # since version 3
