"""Formulas in Markdown's dollars, where a model writes LaTeX's own brackets."""

from __future__ import annotations

import re

_INLINE = re.compile(r"\\\(\s*(.+?)\s*\\\)", re.S)
_DISPLAYED = re.compile(r"\\\[\s*(.+?)\s*\\\]", re.S)


def to_dollars(text: str) -> str:
    r"""``\(x\)`` becomes ``$x$``, and ``\[x\]`` a formula of its own."""
    return _INLINE.sub(lambda found: f"${found[1]}$", _DISPLAYED.sub(lambda found: f"$$\n{found[1]}\n$$", text))


def bare(text: str) -> str:
    """A formula without what stands around it."""
    stripped = text.strip()
    for opening, closing in (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$")):
        if stripped.startswith(opening) and stripped.endswith(closing) and len(stripped) >= 2 * len(opening):
            return stripped[len(opening) : -len(closing)].strip()
    return stripped
