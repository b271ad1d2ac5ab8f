"""Shots: a pure function from a video's frame features to its shots and to the frames that stand for each.

Hard cuts are where a frame differs from the one before far more than its neighbours do (the rule of PySceneDetect's
adaptive detector). Fades through black cut in the middle of the black; a dissolve where the picture half a window back
and half a window on differ, the one between is their blend, and both sides are at rest. Where a picture stands still
and another one takes its place, as slides do, that is a cut however little of it changes. Since features do not depend
on how the video was cut into spans, neither do shots. Costs some 20 ms a minute of video. Where a network has looked at
the frames, its transitions take the place of cuts, fades and dissolves; pictures that stand still are found as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.failures import Reason
from folioscope.pipeline.video.features import LIGHT_CELLS, FrameFeatures
from folioscope.pipeline.video.frame_choice import choose_frames
from folioscope.pipeline.video.states import State, boundaries, find_states

ShotDetector = Literal["adaptive", "transnetv2"]
DAMAGED = "damaged_frames"
FLASH_S = 0.2
FADING = 0.1  # of 255: by which each frame of a fade is darker, or lighter, than the one before
FLASH_SHARE = 0.25  # of the jump: what is back within that
_BLACK_STRENGTH = 1e6
_STEP_STRENGTH = 1e3


@dataclass(frozen=True, slots=True)
class ShotSettings:
    """How a video is cut into shots, and how many frames of a shot are read. All of it is in the cut recipe.

    ``ratio`` and ``least_change``: a cut changes the picture by that many times what its neighbours do, and by that
    much (of 255). ``dark``, ``dim`` and ``empty``: the greatest light of a black frame, of those around it that belong
    to the fade, and the greatest sharpness of both. ``blend_change``: least change
    of light (of 255) over a dissolve. ``sharp_share``: frames less sharp than this share of their neighbours' are
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
    detector: ShotDetector = "adaptive"
    transition: float = 0.5  # likelihood of a transition, by a network, that makes a cut
    version: int = 3
    cues: int = 1  # version of how subtitles and captions are read, which is done on the way


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot, or (with ``reason``) a part of the video that cannot be had.

    ``frame_times`` are to be read; ``glimpses`` are of other states of its picture. ``stays`` tells of each of those
    and then of these from when to when its picture stood.
    """

    number: int
    start_s: float
    end_s: float
    frame_times: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()
    reason: Reason | None = None
    message: str | None = None
    glimpses: tuple[float, ...] = ()
    stays: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of the video of which no frame is known, and why."""

    start_s: float
    end_s: float
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class VideoScan:
    """A whole video's features, the spans joined in order, up to ``end_s``; ``damaged_s``: when packets fail."""

    features: FrameFeatures
    end_s: float
    gaps: tuple[Gap, ...] = ()
    damaged_s: tuple[float, ...] = ()


def find_shots(scan: VideoScan, settings: ShotSettings) -> list[Shot]:
    """The video's shots in order, gaps among them, numbered from 1. At least one."""
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
    return [replace(part, number=number) for number, part in enumerate(parts, start=1)]


def _between_gaps(features: FrameFeatures, gaps: Sequence[Gap]) -> list[range]:
    """Runs of frames that follow each other."""
    splits = {int(np.searchsorted(features.times, gap.start_s, side="right")) for gap in gaps}
    edges = sorted({0, len(features), *splits})
    return [range(first, last) for first, last in pairwise(edges)]


def _shots_of(
    features: FrameFeatures, run: range, end_s: float, damaged: NDArray[np.float64], settings: ShotSettings
) -> list[Shot]:
    part = features.part(run)
    times = part.times
    states = find_states(part, end_s)
    starts = _starts(part, states, end_s, settings)
    shots = []
    for first, last in zip(starts, [*starts[1:], len(times)], strict=True):
        until = float(times[last]) if last < len(times) else end_s
        hit = bool(((damaged >= times[first]) & (damaged < until)).any())
        shot = Shot(0, float(times[first]), until, flags=(DAMAGED,) if hit else ())
        shots.append(
            _with_frames(shot, part.part(range(first, last)), _states_within(states, first, last, until), settings)
        )
    return shots


def _states_within(states: Sequence[State], first: int, last: int, until_s: float) -> list[State]:
    """The parts of states that lie in a shot of frames ``first`` up to ``last``, numbered within it."""
    return [
        State(max(state.first, first) - first, min(state.last, last - 1) - first, min(state.until_s, until_s))
        for state in states
        if state.first < last and state.last >= first
    ]


def _with_frames(shot: Shot, features: FrameFeatures, states: Sequence[State], settings: ShotSettings) -> Shot:
    """The shot with the frames chosen from its own."""
    choice = choose_frames(
        features, states, most=settings.max_frames, sharp_share=settings.sharp_share, novelty=settings.novelty
    )

    def stay(number: int) -> tuple[float, float]:
        state = next((state for state in states if state.first <= number <= state.last), None)
        time_s = float(features.times[number])
        return (time_s, time_s) if state is None else (float(features.times[state.first]), state.until_s)

    times, glimpses = (tuple(float(features.times[n]) for n in numbers) for numbers in (choice.frames, choice.glimpses))
    stays = tuple(map(stay, (*choice.frames, *choice.glimpses)))
    return replace(shot, frame_times=times, glimpses=glimpses, stays=stays)


def _starts(features: FrameFeatures, states: Sequence[State], end_s: float, settings: ShotSettings) -> list[int]:
    """Numbers of the frames that start a shot; 0 is the first of them."""
    times = features.times
    black = _black(features, settings)
    steps = [n for n in boundaries(features, states, settings.shortest_s) if not (black[n] or black[n - 1])]
    if features.transition is None:
        candidates = [*_hard_cuts(features, black, settings), *_black_cuts(black)]
        candidates += _dissolves(features, black, settings)
    else:
        candidates = [*_transitions(features, features.transition, black, settings), *_black_cuts(black)]
    candidates += [(_STEP_STRENGTH, number) for number in steps]
    candidates.sort(key=lambda candidate: (-candidate[0], candidate[1]))
    taken = [0]
    for _, number in candidates:
        if end_s - times[number] < settings.shortest_s:
            continue
        if all(abs(times[number] - times[other]) >= settings.shortest_s for other in taken):
            taken.append(number)
    return _split_long(times, sorted(taken), end_s, settings.longest_s)


def _transitions(
    features: FrameFeatures, likely: NDArray[np.float32], black: NDArray[np.bool_], settings: ShotSettings
) -> Iterable[tuple[float, int]]:
    """(strength, frame) in the middle of each transition that a network tells; it tells the last frame before a cut.

    To it a fade to black and the one from black are two: they are left to the black itself.
    """
    fades = [_fade_around(features.light, first, last) for first, last in _runs(black)]
    for first, last in _runs(likely >= settings.transition):
        if last < len(likely) and not any(first < end and begin < last + 1 for begin, end in fades):
            yield _BLACK_STRENGTH * float(likely[first:last].max()), (first + last + 1) // 2


def _fade_around(light: NDArray[np.float32], first: int, last: int) -> tuple[int, int]:
    """A run of black frames with those that grow dark before it, and those that grow light behind it."""
    while first > 0 and light[first - 1] > light[first] + FADING:
        first -= 1
    while last < len(light) and light[last] > light[last - 1] + FADING:
        last += 1
    return first, last


def _hard_cuts(
    features: FrameFeatures, black: NDArray[np.bool_], settings: ShotSettings
) -> Iterable[tuple[float, int]]:
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


def _black(features: FrameFeatures, settings: ShotSettings) -> NDArray[np.bool_]:
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


def _dissolves(
    features: FrameFeatures, black: NDArray[np.bool_], settings: ShotSettings
) -> Iterable[tuple[float, int]]:
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
