"""Where subtitles stand among a video's frames: by time, as LongVideoBench puts them into its prompts.

A line's place is the middle of its time: the frames up to then stand before it. LongVideoBench shows a line only if a
frame lies within its time (of a line shorter than a second, within half a second of its middle); a prompt over shots
shows few frames and leaves out no word, a benchmark's does as the benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from folioscope.model.protocol import Block

SHORT_S = 1.0


def interleaved(
    times: Sequence[float], cues: Sequence[Block], *, only_with_frames: bool = False
) -> Iterator[int | Block]:
    """Places in ``times`` and cues, in the order in which they are to be shown. ``times`` ascend; cues have times."""
    lines = sorted(cues, key=middle)
    if only_with_frames:
        lines = [line for line in lines if _has_frame(line, times)]
    place = 0
    for line in lines:
        while place < len(times) and times[place] <= middle(line):
            yield place
            place += 1
        yield line
    yield from range(place, len(times))


def middle(cue: Block) -> float:
    start_s = cue.start_s or 0.0
    return (start_s + (start_s if cue.end_s is None else cue.end_s)) / 2


def _has_frame(cue: Block, times: Sequence[float]) -> bool:
    start_s = cue.start_s or 0.0
    end_s = start_s if cue.end_s is None else cue.end_s
    if end_s - start_s < SHORT_S:
        start_s, end_s = middle(cue) - SHORT_S / 2, middle(cue) + SHORT_S / 2
    return any(start_s < time_s < end_s for time_s in times)
