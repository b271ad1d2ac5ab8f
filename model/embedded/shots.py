"""Reading a shot: the text on its screen, each once, with the times of the first and last frame that showed it.

Frames are read by OCR one by one and their lines followed from frame to frame: the same words at the same place, or
moved across the screen, are one line, and the surest reading of it counts. A frame that looks like the one before is
not read again. Costs one OCR for each frame that differs, 0.3 to 2 CPU-seconds; no caption is ever made up.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from model.embedded import ocr
from model.embedded.grids import split_grid
from model.embedded.markdown import to_markdown
from model.embedded.ocr import Line
from model.embedded.paragraphs import to_blocks
from model.language import language_of
from model.page_images import is_blank
from model.plain_text import normal_form
from model.protocol import Block, Box, Frame, Reading, RgbImage, ShotInput, Usage
from model.reading_order import reading_order

SETTINGS: Final = {"shots": "1"}
CELLS = 120  # across a frame, when it is compared with the one before
CHANGED = 12.0  # grey levels; a cell that differs by more has something new in it
SURE = 0.75  # a line that was never read more surely is taken for texture
SEEN_TWICE = 0.6  # or this, where several frames showed it
LIKENESS = 80.0  # of two readings of the same words
MOVED_CHARS = 6  # shorter words must stay in their place to be the same
GROWN_CHARS = 4
FEWEST_LETTERS = 2
TELLING_LETTERS = 60  # fewer letters on a screen, often names, do not tell a language
_NUMBERS = re.compile(r"\d+")

Cells = NDArray[np.float32]


@dataclass(slots=True)
class _Track:
    """One line of text through the frames: its surest reading, and when it was first and last read."""

    line: Line
    words: str
    start_s: float
    end_s: float
    frames: int = 1

    def take(self, line: Line, words: str, time_s: float) -> None:
        self.end_s = time_s
        self.frames += 1
        if _grown(self.words, words) or (line.confidence > self.line.confidence and not _grown(words, self.words)):
            if not _same_place(self.line.box, line.box):  # lines that roll are compared where they first stood
                line = replace(line, box=self.line.box, straight=self.line.straight)
            self.line, self.words = line, words

    @property
    def certain(self) -> bool:
        letters = sum(character.isalnum() for character in self.words)
        return letters >= FEWEST_LETTERS and self.line.confidence >= (SURE if self.frames == 1 else SEEN_TWICE)


def read_shot(shot: ShotInput) -> Reading:
    """The shot's on-screen text in the order in which it appears."""
    begun = time.perf_counter()
    tracks = [track for track in _follow(shot.frames) if track.certain]
    blocks = tuple(_blocks(tracks))
    text = to_markdown(blocks)
    usage = Usage(seconds=time.perf_counter() - begun)
    if not text:
        flag = "blank" if all(is_blank(frame.image) for frame in shot.frames) else "no_words"
        return Reading("", "none", flags=(flag,), usage=usage)
    language = language_of(text) if sum(character.isalpha() for character in text) >= TELLING_LETTERS else None
    return Reading(text, "model", blocks, language=language, usage=usage)


def _follow(frames: Sequence[Frame]) -> list[_Track]:
    tracks: list[_Track] = []
    shown: list[_Track] = []  # in the frame before
    before: Cells | None = None
    for frame in frames:
        cells = _cells(frame.image)
        if before is not None and not _differs(before, cells):
            for track in shown:
                track.end_s = frame.time_s
                track.frames += 1
            continue
        before = cells
        shown = _assign(tracks, _lines(frame.image), frame.time_s)
    return tracks


def _lines(image: RgbImage) -> list[Line]:
    return [] if is_blank(image) else ocr.recognise(image)


def _cells(image: RgbImage) -> Cells:
    """Mean grey of the cells of a coarse grid: noise averages out, a changed letter does not."""
    size = max(1, image.shape[1] // CELLS)
    rows, columns = image.shape[0] // size, image.shape[1] // size
    grey = image[: rows * size, : columns * size].mean(axis=2, dtype=np.float32)
    return np.asarray(grey.reshape(rows, size, columns, size).mean(axis=(1, 3)), np.float32)


def _differs(before: Cells, after: Cells) -> bool:
    return before.shape != after.shape or bool(np.abs(before - after).max(initial=0.0) > CHANGED)


def _assign(tracks: list[_Track], lines: Sequence[Line], time_s: float) -> list[_Track]:
    """Give each line of a frame to the track that it goes on, or begin one; the tracks of this frame come back."""
    words = [normal_form(line.text) for line in lines]
    pairs = sorted(
        (-likeness, place, number)
        for number, line in enumerate(lines)
        for place, track in enumerate(tracks)
        if (likeness := _likeness(track, line, words[number])) > 0
    )
    owner: dict[int, _Track] = {}
    taken: set[int] = set()
    for _, place, number in pairs:
        if number not in owner and place not in taken:
            owner[number] = tracks[place]
            taken.add(place)
    for number, line in enumerate(lines):
        if number in owner:
            owner[number].take(line, words[number], time_s)
        else:
            owner[number] = _Track(line, words[number], time_s, time_s)
            tracks.append(owner[number])
    return list(owner.values())


def _likeness(track: _Track, line: Line, words: str) -> float:
    """How surely a line is the track's: 0 where it is another one. The same place counts before the same words."""
    same_place = _same_place(track.line.box, line.box)
    if not same_place and len(words) < MOVED_CHARS:
        return 0.0
    if same_place and (_grown(track.words, words) or _grown(words, track.words)):
        return LIKENESS
    ratio = fuzz.ratio(track.words, words, score_cutoff=LIKENESS)
    if not ratio or _NUMBERS.findall(track.words) != _NUMBERS.findall(words):
        return 0.0  # a counter that counts on shows something new
    return ratio + 100.0 * same_place


def _same_place(a: Box, b: Box) -> bool:
    """Half of the smaller box lies in the other one."""
    across = min(a.x1, b.x1) - max(a.x0, b.x0)
    down = min(a.y1, b.y1) - max(a.y0, b.y0)
    return across > 0 and down > 0 and across * down > 0.5 * min(_area(a), _area(b))


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _grown(shorter: str, longer: str) -> bool:
    """True where the longer text is the shorter one typed on: no number in it has become another."""
    numbers = _NUMBERS.findall(shorter)
    return (
        GROWN_CHARS <= len(shorter) < len(longer)
        and longer.startswith(shorter)
        and _NUMBERS.findall(longer)[: len(numbers)] == numbers
    )


def _blocks(tracks: Sequence[_Track]) -> Iterator[Block]:
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


def _span(track: _Track) -> tuple[float, float]:
    return track.start_s, track.end_s
