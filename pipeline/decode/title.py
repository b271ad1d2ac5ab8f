"""Titles from a file's own metadata, made safe to print."""

from __future__ import annotations

MAX_TITLE = 500


def clean_title(title: str | None) -> str | None:
    """The title without control characters, which could play tricks on a terminal."""
    clean = "".join(c if c.isprintable() else " " for c in title or "").encode("utf-8", "replace").decode()
    return " ".join(clean.split())[:MAX_TITLE] or None
