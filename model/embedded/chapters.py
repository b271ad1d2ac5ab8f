"""Chapters of a video from its shots and the words on its screen; each is called by the largest words in it.

Every shot begins as a part of its own. Parts that show the same words, and parts that show none, join the one before;
then the shortest part joins its more similar neighbour until all are long enough. Words that stand in most of the
shots, such as a watermark, decide nothing. Quadratic in the shots in the worst case: 0.2 s for two thousand.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from folioscope.model.plain_text import strip_markup
from folioscope.model.protocol import Block, Box, Chapter, ShotText
from folioscope.model.words import content_tokens

SETTINGS: Final = {"chapters": "2"}
MOST_CHAPTERS = 24
SHORTEST_S = 3.0
SAME = 0.5  # share of the smaller part's words that both show
MOST_SHOTS = 0.5  # words in more than this share of the shots are a watermark
FEW_SHOTS = 4  # in fewer, nothing is called a watermark
TITLE_CHARS = 80
TITLE_CONFIDENCE = 0.8
FIRST_BONUS = 1.3  # a chapter's first words name it more often than later ones of about the same size


@dataclass(frozen=True, slots=True)
class _Part:
    """Consecutive shots."""

    shots: tuple[ShotText, ...]
    words: frozenset[str]

    @property
    def seconds(self) -> float:
        return self.shots[-1].end_s - self.shots[0].start_s

    def with_next(self, other: _Part) -> _Part:
        return _Part(self.shots + other.shots, self.words | other.words)


def chapters_of(shots: Sequence[ShotText]) -> tuple[Chapter, ...]:
    """Chapters that cover all shots, in order, none shorter than a 24th of the video but where there is only one."""
    if not shots:
        return ()
    everywhere = _everywhere(shots)
    parts = _joined(_Part((shot,), frozenset(content_tokens(shot.screen_text)) - everywhere) for shot in shots)
    shortest = max(SHORTEST_S, (shots[-1].end_s - shots[0].start_s) / MOST_CHAPTERS)
    while len(parts) > 1:
        number = min(range(len(parts)), key=lambda n: parts[n].seconds)
        if parts[number].seconds >= shortest:
            break
        first = number - 1 if _goes_back(parts, number) else number
        parts[first : first + 2] = [parts[first].with_next(parts[first + 1])]
    return tuple(Chapter(_title(part, everywhere), part.shots[0].start_s, part.shots[-1].end_s) for part in parts)


def _everywhere(shots: Sequence[ShotText]) -> frozenset[str]:
    """Words that stand in most shots."""
    counts = Counter(word for shot in shots for word in set(content_tokens(shot.screen_text)))
    if len(shots) < FEW_SHOTS:
        return frozenset()
    return frozenset(word for word, count in counts.items() if count > MOST_SHOTS * len(shots))


def _joined(shots: Iterator[_Part]) -> list[_Part]:
    """Shots that show the words of the part before, or none where that has some, belong to it."""
    parts: list[_Part] = []
    for shot in shots:
        if parts and ((parts[-1].words and not shot.words) or _likeness(parts[-1], shot) >= SAME):
            parts[-1] = parts[-1].with_next(shot)
        else:
            parts.append(shot)
    return parts


def _likeness(a: _Part, b: _Part) -> float:
    fewer = min(len(a.words), len(b.words))
    return len(a.words & b.words) / fewer if fewer else 0.0


def _goes_back(parts: Sequence[_Part], number: int) -> bool:
    """Whether a part that is too short joins the one before it. A short one with words of its own is a title card."""
    if number in (0, len(parts) - 1):
        return number > 0
    back, on = _likeness(parts[number - 1], parts[number]), _likeness(parts[number], parts[number + 1])
    if back != on:
        return back > on
    if parts[number].words:
        return False
    return parts[number - 1].seconds <= parts[number + 1].seconds


def _title(part: _Part, everywhere: frozenset[str]) -> str:
    """The largest words, or which shots these are."""
    best, title = 0.0, ""
    for block in (block for shot in part.shots for block in shot.blocks):
        text = strip_markup(block.text)
        if _names(block, text, everywhere):
            size = letter_size(block.bbox, len(text)) * (1.0 if title else FIRST_BONUS)
            if size > best or not title:
                best, title = size, text
    if title:
        return _shortened(title)
    first, last = part.shots[0].shot_number, part.shots[-1].shot_number
    return f"Shot {first}" if first == last else f"Shots {first}–{last}"


def _shortened(title: str) -> str:
    if len(title) <= TITLE_CHARS:
        return title
    cut = title[:TITLE_CHARS]
    return f"{cut.rpartition(' ')[0] or cut}…"


def letter_size(box: Box | None, letters: int) -> float:
    """How large the letters in a box are, as a share of the frame: its area by their number. 0 without a box."""
    if box is None or not letters:
        return 0.0
    return math.sqrt((box.x1 - box.x0) * (box.y1 - box.y0) / letters)


def _names(block: Block, text: str, everywhere: frozenset[str]) -> bool:
    """Words, surely read, that are no table and not the watermark."""
    words = set(content_tokens(text))
    letters = sum(character.isalpha() for character in text)
    sure = block.confidence is None or block.confidence >= TITLE_CONFIDENCE
    if block.kind == "table" or block.is_cue or not sure:
        return False
    return letters >= 3 and 2 * letters >= len(text) and bool(words - everywhere)
