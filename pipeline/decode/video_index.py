"""When a video's frames are shown: an index read from its packets alone, before anything is decoded.

Exact for variable frame rates and for containers that tell no duration, at some 3 µs a frame, 16 bytes of memory each.
Times are the container's own presentation times in seconds; a clock that starts anywhere, as a broadcast's does, is
counted from where the container starts.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.decode.containers import counts_from_first, has_late_clock

VIDEO_ERRORS: Final = (av.error.FFmpegError, OSError, ValueError)
SHORT_BY_S: Final = 0.5  # seconds, and a share, by which what is there may be shorter than what the header says
SHORT_BY: Final = 0.01
USUAL_RATE: Final = 25  # frames a second of a stream that tells neither times nor a rate, as FFmpeg assumes
MOST_HELD_BACK: Final = 16  # frames by which putting them in order delays the first
TIMED_SHARE: Final = 0.5  # of the packets that must have times, or none is believed


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """When a video's frames are shown. ``stamps`` and ``keys`` count ticks of ``time_base``, both ascending.

    ``end_s`` is where the last frame or the sound ends, whichever is later: a player shows the last picture until then.
    ``declared_s`` is the end that the header promises. ``truncated`` says that the video breaks off before that,
    ``open_gop`` that frames shown before a key frame are decoded after it, ``untimed`` that the stream tells no times:
    its frames are counted.
    """

    stamps: NDArray[np.int64]
    keys: NDArray[np.int64]
    time_base: Fraction
    origin: int
    end_s: float
    declared_s: float | None
    truncated: bool
    open_gop: bool
    untimed: bool = False

    @property
    def duration_s(self) -> float:
        """The video's length: what is there, and of a video that breaks off what was promised."""
        return max(self.end_s, self.declared_s or 0.0) if self.truncated else self.end_s

    def seconds(self, stamp: int) -> float:
        return (stamp - self.origin) * self.time_base.numerator / self.time_base.denominator

    def first_key_from(self, time_s: float) -> int | None:
        """The stamp of the first key frame at or after a time."""
        stamp = self.origin + int(np.ceil(time_s / float(self.time_base) - 1e-6))
        position = int(np.searchsorted(self.keys, stamp))
        return int(self.keys[position]) if position < len(self.keys) else None

    def number_at(self, time_s: float) -> int:
        """The number, from 0, of the frame whose presentation time this is."""
        stamp = self.origin + round(time_s / float(self.time_base))
        position = int(np.searchsorted(self.stamps, stamp))
        around = range(max(0, position - 1), min(position + 2, len(self.stamps)))
        return min(around, key=lambda number: abs(int(self.stamps[number]) - stamp))

    def intervals(self) -> NDArray[np.float64]:
        return np.diff(self.stamps) * float(self.time_base)


@dataclass(slots=True)
class _Packets:
    """What the packets of one stream have told so far. ``end`` is in ticks, the others' ends in seconds."""

    stamps: array[int] = field(default_factory=lambda: array("q"))
    keys: array[int] = field(default_factory=lambda: array("q"))
    key_numbers: array[int] = field(default_factory=lambda: array("q"))
    count: int = 0
    end: int = 0
    all_end_s: float = 0.0  # of all streams, in the container's clock
    shown_end_s: float = 0.0  # of sound and picture
    broken: bool = False
    open_gop: bool = False

    def take(self, packet: Any) -> None:
        """A packet of the stream that is watched."""
        if packet.is_keyframe:
            self.key_numbers.append(self.count)
        self.count += 1
        self.broken = bool(packet.is_corrupt)  # the last one's word counts
        stamp = _stamp(packet)
        if stamp is None:
            return
        self.end = max(self.end, stamp + (packet.duration or 0))
        self.open_gop = self.open_gop or (bool(self.keys) and stamp < self.keys[-1])
        self.stamps.append(stamp)
        if packet.is_keyframe:
            self.keys.append(stamp)


def read_index(container: Any, stream: Any) -> VideoIndex:
    """The index of a container opened for this alone: all its packets are read."""
    found = _Packets()
    wanted = stream.index
    sounds = {other.index for other in container.streams.audio}
    try:
        for packet in container.demux():
            if not packet.size:
                continue
            stamp = _stamp(packet)
            if stamp is not None:
                end_s = float((stamp + (packet.duration or 0)) * packet.time_base)
                found.all_end_s = max(found.all_end_s, end_s)
                if packet.stream_index in sounds:
                    found.shown_end_s = max(found.shown_end_s, end_s)
            if packet.stream_index == wanted and not packet.is_discard:
                found.take(packet)
    except VIDEO_ERRORS:
        found.broken = True
    if len(found.stamps) < TIMED_SHARE * found.count:
        return _counted(found, stream)
    return _timed(found, container, stream.time_base)


def _stamp(packet: Any) -> int | None:
    stamp = packet.pts if packet.pts is not None else packet.dts
    return None if stamp is None else int(stamp)


def _counted(found: _Packets, stream: Any) -> VideoIndex:
    """A stream without a container: the n-th frame is shown after the n-th interval of its rate."""
    rate = Fraction(stream.guessed_rate or stream.average_rate or USUAL_RATE)
    base = 1 / rate
    return VideoIndex(
        np.arange(found.count, dtype=np.int64),
        np.asarray(found.key_numbers, np.int64),
        base,
        0,
        float(found.count * base),
        None,
        found.broken,
        open_gop=False,
        untimed=True,
    )


def _timed(found: _Packets, container: Any, base: Fraction) -> VideoIndex:
    times = np.unique(np.asarray(found.stamps, np.int64))
    starts = container.start_time or 0
    origin = round(starts / av.time_base / base) if has_late_clock(container) else 0
    usual = max(1, int(np.median(np.diff(times)))) if len(times) > 1 else 1
    if len(times) and counts_from_first(container) and 0 <= times[0] <= MOST_HELD_BACK * usual:
        origin = int(times[0])
    origin_s = float(origin * base)
    end = found.end
    if len(times) > 1 and end <= times[-1]:  # no duration of packets: the last frame stays as long as most do
        end = int(times[-1]) + usual
    end_s = float((end - origin) * base)
    declared = _declared_end_s(container, found.all_end_s)
    declared = None if declared is None else declared - origin_s
    missing = 0.0 if declared is None else declared - max(found.all_end_s - origin_s, end_s)
    truncated = bool(len(times)) and (found.broken or missing > SHORT_BY_S + SHORT_BY * (declared or 0.0))
    end_s = max(end_s, found.shown_end_s - origin_s) if len(times) else end_s
    keys = np.sort(np.asarray(found.keys, np.int64))
    return VideoIndex(times, keys, base, origin, end_s, declared, truncated, found.open_gop)


def _declared_end_s(container: Any, found_end_s: float) -> float | None:
    """Where the header says that the container ends, in its clock. Some count its length from 0, not from its start."""
    if not container.duration:
        return None
    length, start = float(container.duration) / av.time_base, float(container.start_time or 0) / av.time_base
    ends = (start + length, length) if start > 0 else (start + length,)
    return min(ends, key=lambda end_s: abs(end_s - found_end_s))
