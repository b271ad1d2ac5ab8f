"""States: pictures that stand still, as slides and screens do, told from moving pictures by the scan's features alone.

A part of the picture that moves nearly always (a speaker beside the slides, a clock) is left out of the comparison;
where most of it moves there are no states. From one state to the next either things are added, as on a slide that
builds up, or the picture is replaced: that is where a shot ends. Costs some 15 ms a minute of video.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.video.features import LIGHT_CELLS, FrameFeatures

REST_S: Final = 0.4  # a picture that stands for less is on the way to another
TRANSITION_S: Final = 0.7  # that one slide may take to become the next; a camera that pans takes longer
WINDOW_S: Final = 0.6  # and at least so many frames: in which a part of the picture is seen to move or not
WINDOW_FRAMES: Final = 4
STIR: Final = 3  # of 255: a cell that changes by so much from frame to frame is not at rest
STEP: Final = 6  # by so much in sum: something is there that was not
INK: Final = 4  # edges that a cell has where there is print
KEPT: Final = 0.9  # of a cell's edges: with less, some of what was printed in it is gone
CALM_SHARE: Final = 0.1  # fewer cells that differ, and two frames are the same picture whatever moved around them
GONE_SHARE: Final = 0.22  # of the cells with print that lost some of it: the picture is another one
FEW_CELLS: Final = 3
ROWS_AT_ONCE: Final = 1 << 14

Cells = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class State:
    """Frames ``first`` to ``last``, one and the same picture; ``until_s`` is when it is no longer shown."""

    first: int
    last: int
    until_s: float


def find_states(features: FrameFeatures, end_s: float) -> list[State]:
    """The states of consecutive frames, in order. ``end_s`` is when the last frame is no longer shown."""
    if not len(features):
        return []
    until = np.append(features.times[1:], end_s)
    found: list[State] = []
    look = _Look(features)
    for first, last in look.runs():
        for start, stop in look.parts(first, last):
            if until[stop] - features.times[start] >= REST_S - 1e-6:
                state = State(start, stop, float(until[stop]))
                before = found[-1] if found else None
                same = before is not None and look.same(before.last, start)
                if before is not None and same and features.times[start] - before.until_s <= TRANSITION_S:
                    found[-1] = State(before.first, stop, state.until_s)
                else:
                    found.append(state)
    return found


def boundaries(features: FrameFeatures, states: Sequence[State], shortest_s: float) -> list[int]:
    """Frames in the middle of the steps from one state to another picture, both of which stand long enough."""
    look = _Look(features)
    long = [state.until_s - features.times[state.first] >= shortest_s - 1e-6 for state in states]
    found = []
    for number in range(1, len(states)):
        before, after = states[number - 1], states[number]
        near = features.times[after.first] - before.until_s <= TRANSITION_S
        if near and long[number - 1] and long[number] and look.replaced(before.last, after.first):
            found.append((before.last + 1 + after.first) // 2)
    return found


class _Look:
    """Compares frames cell by cell, without the cells that move."""

    def __init__(self, features: FrameFeatures) -> None:
        self._cells = features.signature
        count = len(features)
        usual = float(np.median(np.diff(features.times))) if count > 1 else 1.0
        self._window = max(WINDOW_FRAMES, round(WINDOW_S / max(usual, 1e-3)))
        self._moving = np.zeros((count, (self._cells.shape[1] + 7) // 8), np.uint8)  # a bit for each cell
        self._restless = np.zeros(count, np.bool_)  # frames most of which moves
        self._breaks = np.zeros(count, np.bool_)  # frames unlike the one before
        for start in range(0, count, ROWS_AT_ONCE):
            self._take(start, min(start + ROWS_AT_ONCE, count))

    def _take(self, start: int, stop: int) -> None:
        """Note what moves in a stretch of frames, with a window's frames on both sides for company."""
        first, last = max(0, start - self._window), min(len(self._cells), stop + self._window)
        cells = self._cells[first:last].astype(np.int16)
        stir = np.zeros(cells.shape, np.uint8)
        stir[1:] = np.abs(np.diff(cells, axis=0))
        moving = _often(stir >= 1, self._window)
        calm = (stir >= 2).mean(axis=1) < CALM_SHARE
        calm[:-1] |= calm[1:]  # like the frame before or like the one after
        restless = moving.mean(axis=1) > 0.5
        moving[restless & calm] = False  # it has come to rest between things that moved
        restless &= ~calm
        own = slice(start - first, stop - first)
        self._moving[start:stop] = np.packbits(moving[own], axis=1)
        self._restless[start:stop] = restless[own]
        self._breaks[start:stop] = ((stir >= STIR) & ~moving)[own].any(axis=1)

    def runs(self) -> Iterator[tuple[int, int]]:
        """(first, last) of the frames that follow each other without a stir."""
        edges = np.flatnonzero(self._breaks | self._restless | np.append(False, self._restless[:-1]))
        starts = np.unique(np.concatenate(([0], edges)))
        for first, after in zip(starts, np.append(starts[1:], len(self._breaks)), strict=True):
            if not self._restless[first]:
                yield int(first), int(after) - 1

    def parts(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """A run cut where the picture has become another, too slowly to be seen from frame to frame."""
        start = first
        while start <= last:
            stop = self._first_unlike(start, last)
            yield start, stop - 1
            start = stop

    def _first_unlike(self, start: int, last: int) -> int:
        still, own = self._still(start, start), self._cells[start].astype(np.int16)
        for begin in range(start + 1, last + 1, ROWS_AT_ONCE):
            rows = self._cells[begin : min(begin + ROWS_AT_ONCE, last + 1)].astype(np.int16)
            unlike = (np.abs(rows - own) > STEP)[:, still].any(axis=1)
            if unlike.any():
                return begin + int(np.argmax(unlike))
        return last + 1

    def _still(self, one: int, other: int) -> NDArray[np.bool_]:
        bits = np.unpackbits(self._moving[one] | self._moving[other], count=self._cells.shape[1])
        return np.asarray(bits == 0)

    def same(self, one: int, other: int) -> bool:
        change = np.abs(self._cells[one].astype(np.int16) - self._cells[other])
        return not bool((change > STEP)[self._still(one, other)].any())

    def replaced(self, before: int, after: int) -> bool:
        """True where what was printed is gone, or is something else; False where it only became more."""
        still = self._still(before, after)[LIGHT_CELLS:]
        was, now = (self._cells[number, LIGHT_CELLS:].astype(np.float32)[still] for number in (before, after))
        print_ = was > INK
        if print_.sum() < FEW_CELLS:
            return False
        gone = print_ & (now < KEPT * was - 1)
        return bool(gone.sum() >= GONE_SHARE * print_.sum())


def _often(marks: NDArray[np.bool_], window: int) -> NDArray[np.bool_]:
    """Where at least half of the window of rows that ends here is marked, and half of the one that begins here."""
    count, cells = marks.shape
    until = np.zeros((count + 2 * window - 1, cells), np.uint16)  # marks above a row, less than 2^16 of them
    np.cumsum(marks, axis=0, dtype=np.uint16, out=until[window : window + count])
    until[window + count :] = until[window + count - 1]
    within = 2 * (until[window:] - until[:-window]) >= window
    return within[:count] & within[window - 1 :]
