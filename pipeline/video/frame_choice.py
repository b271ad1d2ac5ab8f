"""Which frames of a shot are read: few that show the most, for any reader; and one of each other state that it passes.

A frame is blurred where it is far less sharp than its neighbours in time, not where another slide is fuller. Of a slide
that builds up the fullest state is chosen: what only lacks something shows nothing new. The states before it come along
as glimpses: readers that read only what changed learn from them when each line appeared, and what has gone since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.video.features import LIGHT_CELLS, FrameFeatures
from folioscope.pipeline.video.states import State

NEIGHBOURS_S: Final = 0.5  # on both sides: a frame is as sharp as the sharpest of them, or it is blurred
MOST_GLIMPSES: Final = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """Frames by number, in order: those to read, and those to glance at."""

    frames: tuple[int, ...]
    glimpses: tuple[int, ...] = ()


def choose_frames(
    shot: FrameFeatures, states: Sequence[State], *, most: int, sharp_share: float, novelty: float
) -> Choice:
    """Frames of a shot, ``most`` of them to read. ``states`` are the shot's own, numbered within it.

    ``sharp_share``: less sharp than this share of the sharpest neighbour is blurred; ``novelty``: least difference (of
    255) that makes one more frame worth reading.
    """
    faces = [state.first + int(np.argmax(shot.sharpness[state.first : state.last + 1])) for state in states]
    standing = np.zeros(len(shot), np.bool_)
    for state in states:
        standing[state.first : state.last + 1] = True
    clearness = _clearness(shot)
    worthy = ~standing & (clearness >= sharp_share)
    worthy[faces] = True
    clearness[faces] = 1.0
    fullness = np.where(worthy, shot.sharpness + shot.light / 1e6, -1.0)  # of empty frames the lightest
    chosen = [int(np.argmax(fullness))]
    shows = _news(shot.signature, standing, chosen[0])
    while len(chosen) < most:
        worth = np.where(worthy & (shows >= novelty), shows * clearness, 0)
        best = int(np.argmax(worth))
        if worth[best] <= 0:
            break
        chosen.append(best)
        shows = np.minimum(shows, _news(shot.signature, standing, best))
    others = [(state, face) for state, face in zip(states, faces, strict=True) if face not in chosen]
    others.sort(key=lambda other: other[0].until_s - shot.times[other[0].first], reverse=True)
    return Choice(tuple(sorted(chosen)), tuple(sorted(face for _, face in others[:MOST_GLIMPSES])))


def _clearness(shot: FrameFeatures) -> NDArray[np.float64]:
    """How sharp each frame is, as a share of the sharpest of its neighbours in time."""
    usual = float(np.median(np.diff(shot.times))) if len(shot) > 1 else NEIGHBOURS_S
    reach = min(len(shot), round(NEIGHBOURS_S / max(usual, 1e-3)))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(shot.sharpness, reach), 2 * reach + 1)
    return np.asarray(shot.sharpness / np.maximum(windows.max(axis=1), 1.0), np.float64)


def _news(signature: NDArray[np.uint8], standing: NDArray[np.bool_], chosen: int) -> NDArray[np.float32]:
    """How much each frame shows that the chosen one does not. Squares make a new line of text count, small as it is.

    Between pictures that stand, what has gone is no news; where things move, any difference is.
    """
    change = signature.astype(np.float32) - signature[chosen]
    if standing[chosen]:
        gained = np.maximum(change[standing], 0)
        gained[:, :LIGHT_CELLS] = 0
        change[standing] = gained
    return np.asarray(np.sqrt(np.square(change).mean(axis=1)))
