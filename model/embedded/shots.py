"""Reading a shot: the text on its screen, each once, with the times of the first and last frame that showed it.

Lines are followed from frame to frame: the same words at the same place, or moved across the screen, are one line, and
the surest reading of it counts. Of a frame only what changed since the one before is looked at, and a line that stands
where it stood is not read again, from one shot to the next as well. No caption is ever made up.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from rapidfuzz import fuzz

from folioscope.model.embedded.grids import split_grid
from folioscope.model.embedded.markdown import to_markdown
from folioscope.model.embedded.ocr import Line
from folioscope.model.embedded.paragraphs import to_blocks
from folioscope.model.embedded.screen import Screen, same_place
from folioscope.model.language import language_of
from folioscope.model.page_images import is_blank
from folioscope.model.plain_text import normal_form
from folioscope.model.protocol import Block, Frame, Reading, ShotInput, Usage
from folioscope.model.reading_order import reading_order

SETTINGS: Final = {"shots": "2"}
SURE = 0.75  # a line that was never read more surely is taken for texture
SEEN_TWICE = 0.6  # or this, where several frames showed it
LIKENESS = 80.0  # of two readings of the same words
MOVED_CHARS = 6  # shorter words must stay in their place to be the same
GROWN_CHARS = 4
FEWEST_LETTERS = 2
TELLING_LETTERS = 60  # fewer letters on a screen, often names, do not tell a language
_NUMBERS = re.compile(r"\d+")


@dataclass(slots=True)
class Track:
    """One line of text through the frames: its surest reading, and when it was first and last read."""

    line: Line
    words: str
    start_s: float
    end_s: float
    frames: int = 1

    def stay(self, end_s: float) -> None:
        self.end_s = max(self.end_s, end_s)
        self.frames += 1

    def take(self, line: Line, words: str, time_s: float) -> None:
        self.end_s = time_s
        self.frames += 1
        if _grown(self.words, words) or (line.confidence > self.line.confidence and not _grown(words, self.words)):
            if not same_place(self.line.box, line.box):  # lines that roll are compared where they first stood
                line = replace(line, box=self.line.box, straight=self.line.straight)
            self.line, self.words = line, words

    @property
    def certain(self) -> bool:
        letters = sum(character.isalnum() for character in self.words)
        return letters >= FEWEST_LETTERS and self.line.confidence >= (SURE if self.frames == 1 else SEEN_TWICE)


def read_shot(shot: ShotInput, screen: Screen) -> Reading:
    """The shot's on-screen text in the order in which it appears. ``screen`` is as the shot before left it."""
    begun = time.perf_counter()
    frames = sorted((*shot.frames, *shot.glimpses), key=lambda frame: frame.time_s)
    tracks = [track for track in _follow(frames, screen) if track.certain]
    blocks = tuple(_blocks(tracks))
    text = to_markdown(blocks)
    usage = Usage(seconds=time.perf_counter() - begun)
    if not text:
        flag = "blank" if all(is_blank(frame.image) for frame in shot.frames) else "no_words"
        return Reading("", "none", flags=(flag,), usage=usage)
    language = language_of(text) if sum(character.isalpha() for character in text) >= TELLING_LETTERS else None
    return Reading(text, "model", blocks, language=language, usage=usage)


def _follow(frames: Sequence[Frame], screen: Screen) -> list[Track]:
    """The lines of all frames. Where a frame tells from when to when its picture stood, so long did its lines."""
    tracks: list[Track] = []
    shown: dict[Line, Track] = {}
    for frame in frames:
        since_s = frame.time_s if frame.since_s is None else frame.since_s
        until_s = frame.time_s if frame.until_s is None else frame.until_s
        kept, new = screen.look(frame.image)
        standing = {line: shown[line] for line in kept if line in shown}
        for line in kept:
            if line in standing:
                standing[line].stay(until_s)
            else:  # it has stood there since the shot before
                standing[line] = Track(line, normal_form(line.text), since_s, until_s)
                tracks.append(standing[line])
        others = [track for track in tracks if not any(track is other for other in standing.values())]
        fresh = assign(others, new, since_s, until_s)
        tracks += [track for track in fresh if not any(track is other for other in tracks)]
        shown = standing | dict(zip(new, fresh, strict=True))
    return tracks


def assign(tracks: list[Track], lines: Sequence[Line], start_s: float, end_s: float | None = None) -> list[Track]:
    """Give each line of a frame to the track that it goes on, or begin one; the lines' tracks come back, in order."""
    end_s = start_s if end_s is None else end_s
    words = [normal_form(line.text) for line in lines]
    pairs = sorted(
        (-likeness, place, number)
        for number, line in enumerate(lines)
        for place, track in enumerate(tracks)
        if (likeness := _likeness(track, line, words[number])) > 0
    )
    owner: dict[int, Track] = {}
    taken: set[int] = set()
    for _, place, number in pairs:
        if number not in owner and place not in taken:
            owner[number] = tracks[place]
            taken.add(place)
    for number, line in enumerate(lines):
        if number in owner:
            owner[number].take(line, words[number], end_s)
        else:
            owner[number] = Track(line, words[number], start_s, end_s)
            tracks.append(owner[number])
    return [owner[number] for number in range(len(lines))]


def _likeness(track: Track, line: Line, words: str) -> float:
    """How surely a line is the track's: 0 where it is another one. The same place counts before the same words."""
    in_place = same_place(track.line.box, line.box)
    if not in_place and len(words) < MOVED_CHARS:
        return 0.0
    if in_place and (_grown(track.words, words) or _grown(words, track.words)):
        return LIKENESS
    ratio = fuzz.ratio(track.words, words, score_cutoff=LIKENESS)
    if not ratio or _NUMBERS.findall(track.words) != _NUMBERS.findall(words):
        return 0.0  # a counter that counts on shows something new
    return ratio + 100.0 * in_place


def _grown(shorter: str, longer: str) -> bool:
    """True where the longer text is the shorter one typed on: no number in it has become another."""
    numbers = _NUMBERS.findall(shorter)
    return (
        GROWN_CHARS <= len(shorter) < len(longer)
        and longer.startswith(shorter)
        and _NUMBERS.findall(longer)[: len(numbers)] == numbers
    )


def _blocks(tracks: Sequence[Track]) -> Iterator[Block]:
    """Lines that came and went together, as paragraphs; what came first stands first, then as on a page."""
    if not tracks:
        return
    middle = statistics.median(track.line.box.y1 - track.line.box.y0 for track in tracks)
    for start_s, beginning in groupby(sorted(tracks, key=_span), key=lambda track: track.start_s):
        blocks: list[Block] = []
        for end_s, together in groupby(beginning, key=lambda track: track.end_s):
            lines = [track.line for track in together]
            table, others = split_grid(lines)
            found = (*([table] if table else []), *to_blocks(others, middle, running_heads=False))
            blocks.extend(replace(block, start_s=start_s, end_s=end_s) for block in found)
        boxes = [block.bbox for block in blocks if block.bbox is not None]
        yield from (blocks[place] for place in reading_order(boxes))


def _span(track: Track) -> tuple[float, float]:
    return track.start_s, track.end_s
