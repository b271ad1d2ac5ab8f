"""A film opened with PyAV: its index of presentation times, and its frames from any key frame on. In a decode child.

The index comes from the packets alone: exact for variable frame rates and for containers that tell no duration, at
some 3 µs a frame, 16 bytes of memory each. Times are the container's own presentation times in seconds; a transport
stream's clock, which starts anywhere, is counted from the start of the film.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from pipeline.failures import Failure, Reason

FREE_CLOCKS = frozenset({"mpegts", "mpeg"})  # containers whose clock may start anywhere
FILM_ERRORS = (av.error.FFmpegError, OSError, ValueError)
SHORT_BY_S = 0.5  # seconds, and a share, by which what is there may be shorter than what the header says
SHORT_BY = 0.01


@dataclass(frozen=True, slots=True)
class FilmIndex:
    """When a film's frames are shown. ``stamps`` and ``keys`` count ticks of ``time_base``, both ascending.

    ``end_s`` is the end of the last frame, ``declared_s`` the end that the header promises. ``torn`` says that the
    film breaks off before that, ``open_gop`` that frames shown before a key frame are decoded after it.
    """

    stamps: NDArray[np.int64]
    keys: NDArray[np.int64]
    time_base: Fraction
    origin: int
    end_s: float
    declared_s: float | None
    torn: bool
    open_gop: bool

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


class Film:
    """An open film. ``damaged`` gathers the times of packets that did not decode."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.damaged: list[float] = []
        self._container: Any = None
        self._stream: Any = None
        self._fresh = False
        self._open()
        self.index = self._read_index()
        self._open()

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    @property
    def container(self) -> Any:
        return self._container

    @property
    def stream(self) -> Any:
        return self._stream

    def frames(self, key: int | None) -> Iterator[tuple[int, Any]]:
        """(stamp, frame) in order of presentation, from the key frame at stamp ``key``; None: from the film's start.

        One walk at a time: another one ends those before it.
        """
        if key is not None and self._seek(key):
            yield from self._stamped(int(np.searchsorted(self.index.stamps, key)))
            return
        if not self._fresh:
            self._open()
        self._fresh = False
        yield from ((stamp, frame) for stamp, frame in self._stamped(0) if key is None or stamp >= key)

    def _seek(self, key: int) -> bool:
        """Go to a key frame; False where the container cannot."""
        self._fresh = False
        try:
            self._container.seek(key, stream=self._stream, backward=True)
            for packet in self._container.demux(self._stream):
                if packet.size and packet.pts is not None:
                    sought = packet.is_keyframe and packet.pts == key
                    break
            else:
                return False
            if sought:
                self._container.seek(key, stream=self._stream, backward=True)
            return bool(sought)
        except FILM_ERRORS:
            return False

    def _stamped(self, first: int) -> Iterator[tuple[int, Any]]:
        """Frames with their stamps. AVI knows the order of decoding only: there the index tells the n-th frame's."""
        in_order = self._container.format.name == "avi"
        stamps = self.index.stamps
        for number, frame in enumerate(self._decoded(), start=first):
            if in_order and number < len(stamps):
                yield int(stamps[number]), frame
            elif frame.pts is not None:
                yield int(frame.pts), frame

    def _decoded(self) -> Iterator[Any]:
        """Frames in order; a packet that does not decode is noted and passed over."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except FILM_ERRORS:  # the file ends within a packet: the index has said so
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.MemoryError as error:
                raise MemoryError from error
            except FILM_ERRORS:
                if packet.pts is not None:
                    self.damaged.append(self.index.seconds(packet.pts))

    def _open(self) -> None:
        self.close()
        try:
            self._container = av.open(str(self.path), metadata_errors="replace")
        except FILM_ERRORS as error:
            raise Failure(
                Reason.DAMAGED_FILE,
                f"{self.name}: it does not open as a film ({reason_words(error)}); get another copy",
            ) from error
        self._stream = picture_stream(self._container, self.name)
        self._stream.thread_count = 1
        self._fresh = True  # no packet is read yet

    def _read_index(self) -> FilmIndex:
        stamps, keys = array("q"), array("q")
        wanted, base = self._stream.index, self._stream.time_base
        end, all_end, broken, leading = 0, 0.0, False, False
        try:
            for packet in self._container.demux():
                stamp = packet.pts if packet.pts is not None else packet.dts
                if not packet.size or stamp is None:
                    continue
                after = stamp + (packet.duration or 0)
                all_end = max(all_end, float(after * packet.time_base))
                if packet.stream_index != wanted or packet.is_discard:
                    continue
                end = max(end, after)
                broken = bool(packet.is_corrupt)  # the last one's word counts
                leading = leading or (bool(keys) and stamp < keys[-1])
                stamps.append(stamp)
                if packet.is_keyframe:
                    keys.append(stamp)
        except FILM_ERRORS:
            broken = True
        return self._index(stamps, keys, base, end, all_end, broken=broken, open_gop=leading)

    def _index(
        self,
        stamps: array[int],
        keys: array[int],
        base: Fraction,
        end: int,
        all_end: float,
        *,
        broken: bool,
        open_gop: bool,
    ) -> FilmIndex:
        times = np.unique(np.frombuffer(stamps, np.int64)) if stamps else np.empty(0, np.int64)
        starts = self._container.start_time or 0
        origin = round(starts / av.time_base / base) if self._container.format.name in FREE_CLOCKS else 0
        if len(times) > 1 and end <= times[-1]:  # no duration of packets: the last frame stays as long as most do
            end = int(times[-1]) + max(1, int(np.median(np.diff(times))))
        declared = None
        if self._container.duration:
            declared = (starts + self._container.duration) / av.time_base - origin * float(base)
        all_end -= origin * float(base)
        missing = 0.0 if declared is None else declared - max(all_end, (end - origin) * float(base))
        torn = bool(len(times)) and (broken or missing > SHORT_BY_S + SHORT_BY * (declared or 0.0))
        return FilmIndex(
            times,
            np.sort(np.frombuffer(keys, np.int64)) if keys else np.empty(0, np.int64),
            base,
            origin,
            float((end - origin) * base),
            declared,
            torn,
            open_gop,
        )


def picture_stream(container: Any, name: str) -> Any:
    """The stream to watch: what players choose, no cover picture of a sound file.

    Raises:
        Failure: no_video, unsupported_codec or protected.
    """
    try:
        stream = container.streams.best("video")
    except FILM_ERRORS as error:
        raise Failure(Reason.UNSUPPORTED_CODEC, f"{name}: its video stream cannot be decoded ({error})") from error
    if not len(container.streams):
        raise Failure(Reason.DAMAGED_FILE, f"{name}: it is torn in its header; get another copy")
    if stream is None or stream.disposition & stream.disposition.attached_pic:
        if any(other.type == "video" and not _is_cover(other) for other in container.streams):
            raise Failure(Reason.UNSUPPORTED_CODEC, f"{name}: nothing here decodes its video stream; convert it")
        kinds = ", ".join(sorted({other.type for other in container.streams})) or "nothing"
        raise Failure(Reason.NO_VIDEO, f"{name}: it holds no video stream ({kinds} alone); take it from the inputs")
    if stream.codec_context is None:
        raise Failure(Reason.UNSUPPORTED_CODEC, f"{name}: nothing here decodes its video stream; convert it")
    if stream.codec_context.codec_tag in ("encv", "drmi"):
        raise Failure(Reason.PROTECTED, f"{name}: its frames are encrypted; get a copy without copy protection")
    return stream


def reason_words(error: Exception) -> str:
    """FFmpeg's own words, without the path that it knows the file by."""
    return str(getattr(error, "strerror", None) or error)


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)
