"""Glob patterns over paths, one meaning for listing and for coverage, on a disk and in a bucket.

``*``, ``?`` and ``[…]`` match within one name and never cross ``/``; ``**`` as a whole name stands for any number of
folders, none included. A folder that matches is taken with all that it holds. Names that begin with a dot are hidden:
only what the pattern spells out before its first wildcard may be. A walk carries the state of the match along, so that
folders that cannot hold a match are never opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property

_WILD = re.compile(r"[*?\[]")
ANY_DEPTH = "**"

State = frozenset[int]
"""The positions in a pattern that a path may have reached; its length means that the whole pattern is matched."""


def has_wildcard(text: str) -> bool:
    return _WILD.search(text) is not None


@dataclass(frozen=True)
class Glob:
    """The names of a pattern from its first wildcard on; no names match the folder itself and all that it holds."""

    names: tuple[str, ...] = ()

    @cached_property
    def _compiled(self) -> tuple[re.Pattern[str] | None, ...]:
        return tuple(None if name == ANY_DEPTH else re.compile(translate(name)) for name in self.names)

    @cached_property
    def start(self) -> State:
        return self._closed({0})

    def advance(self, state: State, name: str) -> State:
        """The state one name deeper; empty where nothing there or below can match."""
        if self.accepts(state):
            return state
        reached = set()
        for position in state:
            pattern = self._compiled[position]
            if pattern is None:
                reached.add(position)
            elif pattern.match(name):
                reached.add(position + 1)
        return self._closed(reached)

    def accepts(self, state: State) -> bool:
        """Whether what has been reached is matched: a file is taken, a folder with all that it holds."""
        return len(self.names) in state

    def crosses_folders(self, state: State) -> bool:
        """Whether all folders below may hold matches, so that one listing of everything is the cheapest way."""
        return any(position == len(self.names) or self._compiled[position] is None for position in state)

    def literal_start(self, state: State) -> str:
        """What every name that can match next begins with. A bucket's listing takes it as a prefix."""
        if len(state) != 1 or self.crosses_folders(state):
            return ""
        name = self.names[next(iter(state))]
        wild = _WILD.search(name)
        return name[: wild.start()] if wild else name

    def matches(self, relative: str) -> bool:
        """Whether a file with this path below the pattern's folder is taken."""
        return self.accepts(self._reached(relative))

    def enters(self, relative: str) -> bool:
        """Whether a folder with this path below the pattern's folder is walked."""
        return bool(self._reached(relative))

    def _reached(self, relative: str) -> State:
        state = self.start
        for name in relative.split("/"):
            state = frozenset() if name.startswith(".") else self.advance(state, name)
            if not state:
                break
        return state

    def _closed(self, reached: set[int]) -> State:
        """With every position after a ``**`` that stands for no folder at all."""
        for position in range(len(self.names)):
            if position in reached and self.names[position] == ANY_DEPTH:
                reached.add(position + 1)
        return frozenset(reached)


def split_pattern(pattern: str) -> tuple[str, Glob]:
    """(the folder that is spelt out, the pattern below it)."""
    names = pattern.split("/")
    first = next((number for number, name in enumerate(names) if has_wildcard(name)), len(names))
    return "/".join(names[:first]) or ("/" if pattern.startswith("/") else ""), Glob(tuple(names[first:]))
