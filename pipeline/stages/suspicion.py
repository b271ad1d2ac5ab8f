"""Pages that a model was wrong about in a way that shows: nothing, a loop, signs without letters, doubt.

One such page is a flag in its row. A night full of them is a broken model, a wrong prompt or a broken renderer, and
must not end like a good one: actors count, and the run compares the count with ``--max-suspect``. Costs a set of a
page's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from folioscope.model.protocol import Reading

LOOP: Final = "loop"
NO_LETTERS: Final = "no_letters"
BLANK: Final = "blank"
_DOUBTFUL: Final = (LOOP, NO_LETTERS, "low_confidence")
FEW_SEGMENTS: Final = 2
"""So many may be suspect in any run, unless all of them are: a share says little of a few pages."""
MANY_BLANK: Final = 10
"""From so many pages on, a run in which every one is blank is suspect: scans have blank pages, archives do not."""
LEAST_WORDS, LEAST_DISTINCT = 40, 0.1
LEAST_SIGNS, MOST_ALIKE = 60, 3
NAMED: Final = 5


def flagged(reading: Reading) -> Reading:
    """The reading with flags for what its text shows by itself, whatever model wrote it."""
    found = []
    if reading.text_source == "model" and reading.text.strip():
        if not any(sign.isalnum() for sign in reading.text):
            found.append(NO_LETTERS)
        elif repeats(reading.text):
            found.append(LOOP)
    fresh = tuple(flag for flag in found if flag not in reading.flags)
    return replace(reading, flags=(*reading.flags, *fresh)) if fresh else reading


def repeats(text: str) -> bool:
    """Whether a text says the same few things again and again."""
    words = text.split()
    if len(words) >= LEAST_WORDS:
        return len(set(words)) < LEAST_DISTINCT * len(words)
    return len(text) >= LEAST_SIGNS and len(set(text)) <= MOST_ALIKE


def suspicion(reading: Reading, *, is_page: bool) -> str | None:
    """Why a segment is suspect, None where it is not. A shot without words is none; nor is a page found blank."""
    doubt = next((flag for flag in _DOUBTFUL if flag in reading.flags), None)
    if doubt is None and is_page and not reading.text.strip() and BLANK not in reading.flags:
        return "empty"
    return doubt


@dataclass(frozen=True, slots=True)
class Suspects:
    """Of the segments that a run read: how many are suspect, how many hold no word, and the first suspect ones."""

    segments: int
    suspect: int
    wordless: int
    first: tuple[str, ...]

    def too_many(self, max_share: float) -> bool:
        """Whether more than a share of them is suspect, or all of them."""
        if max_share >= 1 or not self.segments:
            return False
        if self.suspect == self.segments or (self.wordless == self.segments and self.segments >= MANY_BLANK):
            return True
        return self.suspect > max(max_share * self.segments, FEW_SEGMENTS)

    def told(self, max_share: float) -> str:
        """What to say where they are too many."""
        if self.suspect:
            named = ", ".join(self.first) + (" …" if self.suspect > len(self.first) else "")
            what = f"{self.suspect:,} of {self.segments:,} are empty, loop, hold no letters or are of low confidence"
        else:
            named, what = "every page", f"not one of {self.segments:,} holds a word"
        return (
            f"of the pages and shots that this run read, {what} ({named}); --max-suspect is {max_share:g}. The rows "
            "are published, with flags: look at some of these pages, check the model and its settings, and read them "
            "again with another model, or raise --max-suspect."
        )


def first_named(*lists: Sequence[str]) -> list[str]:
    """The first few of several lists."""
    return [name for names in lists for name in names][:NAMED]
