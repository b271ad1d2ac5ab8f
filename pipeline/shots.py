"""Shots: a pure function from a film's frame features to its shots and to the frames that stand for each.

Hard cuts are where a frame differs from the one before far more than its neighbours do (the rule of PySceneDetect's
adaptive detector). Fades through black cut in the middle of the black; a dissolve where the picture half a window back
and half a window on differ, the one between is their blend, and both sides are at rest. Since features do not depend
on how the film was cut into spans, neither do shots. Costs some 2 ms a minute of film.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.failures import Reason
from pipeline.features import LIGHT_CELLS, FrameFeatures

DAMAGED = "damaged_frames"
FLASH_S = 0.2
FLASH_SHARE = 0.25  # of the jump: what is back within that
_BLACK_STRENGTH = 1e6


@dataclass(frozen=True, slots=True)
class CutSettings:
    """How a film is cut into shots, and how many frames of a shot are read. All of it is in the cut recipe.

    ``ratio`` and ``least_change``: a cut changes the picture by that many times what its neighbours do, and by that
    much (of 255). ``dark``, ``dim`` and ``empty``: the greatest light of a black frame, of those around it that belong
    to the fade, and the greatest sharpness of both. ``blend_change``: least change
    of light (of 255) over a dissolve. ``sharp_share``: frames less sharp than this share of the shot's sharpest are
    not read; ``novelty``: least difference (of 255) that makes one more frame worth reading.
    """

    shortest_s: float = 0.6
    longest_s: float = 30.0
    max_frames: int = 4
    ratio: float = 3.0
    least_change: float = 15.0
    neighbours: int = 2
    dark: float = 12.0
    dim: float = 25.0
    empty: float = 400.0
    blend_change: float = 20.0
    sharp_share: float = 0.5
    novelty: float = 4.0
    version: int = 2


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot, or (with ``reason``) a part of the film that cannot be had. ``frame_times`` are to be read."""

    number: int
    start_s: float
    end_s: float
    frame_times: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()
    reason: Reason | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of the film of which no frame is known, and why."""

    start_s: float
    end_s: float
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class FilmScan:
    """A whole film's features, the spans joined in order, up to ``end_s``; ``damaged_s`` when packets do not decode."""

    features: FrameFeatures
    end_s: float
    gaps: tuple[Gap, ...] = ()
    damaged_s: tuple[float, ...] = ()


def find_shots(scan: FilmScan, settings: CutSettings) -> list[Shot]:
    """The film's shots in order, gaps among them, numbered from 1. At least one."""
    features = scan.features
    parts: list[Shot] = []
    if len(features):
        damaged = np.asarray(scan.damaged_s, np.float64)
        for pieces in _between_gaps(features, scan.gaps):
            after = float(features.times[pieces.stop]) if pieces.stop < len(features) else scan.end_s
            gap_starts = [gap.start_s for gap in scan.gaps if features.times[pieces.stop - 1] < gap.start_s < after]
            parts += _shots_of(features, pieces, min([after, *gap_starts]), damaged, settings)
    parts += [Shot(0, gap.start_s, gap.end_s, reason=gap.reason, message=gap.message) for gap in scan.gaps]
    parts.sort(key=lambda part: (part.start_s, part.end_s))
    return [
        Shot(number, part.start_s, part.end_s, part.frame_times, part.flags, part.reason, part.message)
        for number, part in enumerate(parts, start=1)
    ]


def _between_gaps(features: FrameFeatures, gaps: Sequence[Gap]) -> list[range]:
    """Runs of frames that follow each other."""
    splits = {int(np.searchsorted(features.times, gap.start_s, side="right")) for gap in gaps}
    edges = sorted({0, len(features), *splits})
    return [range(first, last) for first, last in pairwise(edges)]


def _shots_of(
    features: FrameFeatures, run: range, end_s: float, damaged: NDArray[np.float64], settings: CutSettings
) -> list[Shot]:
    times = features.times[run.start : run.stop]
    starts = _starts(features.part(run), end_s, settings)
    shots = []
    for first, last in zip(starts, [*starts[1:], len(times)], strict=True):
        until = float(times[last]) if last < len(times) else end_s
        chosen = choose_frames(features.part(range(run.start + first, run.start + last)), settings)
        hit = bool(((damaged >= times[first]) & (damaged < until)).any())
        frame_times = tuple(float(times[first + number]) for number in chosen)
        shots.append(Shot(0, float(times[first]), until, frame_times, (DAMAGED,) if hit else ()))
    return shots


def _starts(features: FrameFeatures, end_s: float, settings: CutSettings) -> list[int]:
    """Numbers of the frames that start a shot; 0 is the first of them."""
    times = features.times
    black = _black(features, settings)
    candidates = [*_hard_cuts(features, black, settings), *_black_cuts(black), *_dissolves(features, black, settings)]
    candidates.sort(key=lambda candidate: (-candidate[0], candidate[1]))
    taken = [0]
    for _, number in candidates:
        if end_s - times[number] < settings.shortest_s:
            continue
        if all(abs(times[number] - times[other]) >= settings.shortest_s for other in taken):
            taken.append(number)
    return _split_long(times, sorted(taken), end_s, settings.longest_s)


def _hard_cuts(features: FrameFeatures, black: NDArray[np.bool_], settings: CutSettings) -> Iterable[tuple[float, int]]:
    """(strength, frame) of each cut. Cuts to and from black are left to the black itself."""
    change = np.where(features.change < 0, 0, features.change).astype(np.float64)
    reach = settings.neighbours
    padded = np.pad(change, reach)
    window = np.ones(2 * reach + 1)
    window[reach] = 0
    around = np.convolve(padded, window, mode="valid") / (2 * reach)
    cuts = (change >= settings.least_change) & (change >= settings.ratio * around)
    cuts &= ~black
    cuts[1:] &= ~black[:-1]
    cuts[0] = False
    numbers = [int(number) for number in np.flatnonzero(cuts)]
    return [(float(change[number]), number) for number in numbers if not _is_flash(features, number)]


def _is_flash(features: FrameFeatures, number: int) -> bool:
    """True where the picture is back, or was there already, within a moment of the frame that differs so much."""
    times = features.times
    ahead = int(np.searchsorted(times, times[number] + FLASH_S + 1e-6)) - 1
    back = int(np.searchsorted(times, times[number - 1] - FLASH_S - 1e-6))

    def unlike(one: int, other: int) -> float:
        parts = features.signature[[one, other], :LIGHT_CELLS].astype(np.float32)
        return float(np.abs(parts[0] - parts[1]).mean())

    jump = unlike(number - 1, number)
    return min(unlike(number - 1, ahead), unlike(back, number)) < FLASH_SHARE * jump


def _black(features: FrameFeatures, settings: CutSettings) -> NDArray[np.bool_]:
    """Frames of fades to black: runs of dim, empty frames that get as dark as black is."""
    dim = (features.light < settings.dim) & (features.sharpness < settings.empty)
    for first, last in _runs(dim):
        dim[first:last] = bool((features.light[first:last] < settings.dark).any())
    return np.asarray(dim)


def _runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last + 1) of each run of marked frames."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marked, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _black_cuts(black: NDArray[np.bool_]) -> Iterable[tuple[float, int]]:
    """The middle of each run of black frames that has pictures on both sides."""
    return [(_BLACK_STRENGTH, (first + last) // 2) for first, last in _runs(black) if first > 0 and last < len(black)]


def _dissolves(features: FrameFeatures, black: NDArray[np.bool_], settings: CutSettings) -> Iterable[tuple[float, int]]:
    """(strength, frame) in the middle of each dissolve. One from or to black is a fade, which is left to the black."""
    times = features.times
    light = features.signature[:, :LIGHT_CELLS].astype(np.float32)
    found: list[tuple[float, int]] = []
    for half in (0.3, 0.6, 1.2):
        near = [np.clip(np.searchsorted(times, times + shift), 0, len(times) - 1) for shift in (-half, half)]
        far = [np.clip(np.searchsorted(times, times + 2 * shift), 0, len(times) - 1) for shift in (-half, half)]
        before, after = light[near[0]], light[near[1]]
        change = np.abs(after - before).mean(axis=1)
        blend = np.abs(light - (before + after) / 2).mean(axis=1)
        unrest = np.maximum(np.abs(light[far[0]] - before).mean(axis=1), np.abs(light[far[1]] - after).mean(axis=1))
        inside = (times - half >= times[0]) & (times + half <= times[-1])
        inside &= ~np.any([black[numbers] for numbers in (*near, *far)], axis=0)
        soft = inside & (change >= settings.blend_change) & (blend < 0.15 * change) & (unrest < 0.15 * change)
        found += [(float(change[number]), int(number)) for number in np.flatnonzero(soft)]
    return found


def _split_long(times: NDArray[np.float64], starts: list[int], end_s: float, longest_s: float) -> list[int]:
    """The starts with those added that cut over-long shots into even parts."""
    whole: list[int] = []
    for first, last in zip(starts, [*starts[1:], len(times)], strict=True):
        until = float(times[last]) if last < len(times) else end_s
        length = until - float(times[first])
        parts = max(1, int(np.ceil(length / longest_s - 1e-9)))
        wanted = times[first] + length * np.arange(parts) / parts
        numbers = first + np.searchsorted(times[first:last], wanted - 1e-9)
        whole += sorted({int(number) for number in numbers if number < last})
    return whole


def choose_frames(shot: FrameFeatures, settings: CutSettings) -> list[int]:
    """Numbers, in order, of the frames to read: the sharpest, then those that show what the chosen do not."""
    sharpness = (
        shot.sharpness / max(float(shot.sharpness.max()), 1.0) + shot.light / 1e6
    )  # of empty frames the lightest
    signature = shot.signature.astype(np.float32)
    chosen = [int(np.argmax(sharpness))]
    novelty = _unlike(signature, chosen[0])
    legible = sharpness >= settings.sharp_share
    while len(chosen) < settings.max_frames:
        worth = np.where(legible & (novelty >= settings.novelty), novelty * sharpness, 0)
        best = int(np.argmax(worth))
        if worth[best] <= 0:
            break
        chosen.append(best)
        novelty = np.minimum(novelty, _unlike(signature, best))
    return sorted(chosen)


def _unlike(signature: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """How unlike one frame each is. Squares make a new line of text count, small as it is."""
    return np.asarray(np.sqrt(np.square(signature - signature[number]).mean(axis=1)))
