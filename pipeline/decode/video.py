"""A video opened with PyAV: its frames with their presentation times, from any key frame on. In a decode child."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np

from folioscope.pipeline.decode.containers import options
from folioscope.pipeline.decode.protection import refuse_protected
from folioscope.pipeline.decode.video_index import VIDEO_ERRORS, read_index
from folioscope.pipeline.failures import Failure, Reason

DEEPEST_REORDER: Final = 16  # frames that a codec may hold back to put them in order
SHALLOW_REORDER: Final = 2
SHALLOW_CODECS: Final = frozenset({"mpeg4", "msmpeg4v3", "mpeg1video", "mpeg2video", "h263", "vc1", "wmv3"})


class Video:
    """An open video. ``damaged`` gathers the times of packets that did not decode."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.damaged: list[float] = []
        self._container: Any = None
        self._stream: Any = None
        self._fresh = False
        self._open()
        self.index = read_index(self._container, self._stream)
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
        """(stamp, frame) in order of presentation, from the key frame at stamp ``key``; None: from the video's start.

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
        except VIDEO_ERRORS:
            return False

    def _stamped(self, first: int) -> Iterator[tuple[int, Any]]:
        """Frames with their stamps: each has its own.

        AVI tells no presentation times: a codec that puts frames in order leaves each with the place of its own packet,
        and those places are put in order in their turn. A stream without a container tells nothing: there the frames
        are counted.
        """
        if self.index.untimed:
            yield from enumerate(self._decoded(), start=first)
            return
        own = ((int(frame.pts), frame) for frame in self._decoded() if frame.pts is not None)
        context = self._stream.codec_context
        if self._container.format.name == "avi" and context.has_b_frames:
            yield from _in_order(own, SHALLOW_REORDER if context.name in SHALLOW_CODECS else DEEPEST_REORDER)
        else:
            yield from own

    def _decoded(self) -> Iterator[Any]:
        """Frames in order; a packet that does not decode is noted and passed over."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except VIDEO_ERRORS:  # the file ends within a packet: the index has said so
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.MemoryError as error:
                raise MemoryError from error
            except VIDEO_ERRORS:
                if packet.pts is not None:
                    self.damaged.append(self.index.seconds(packet.pts))

    def _open(self) -> None:
        self.close()
        try:
            self._container = av.open(str(self.path), metadata_errors="replace", options=options())
        except VIDEO_ERRORS as error:
            raise Failure(
                Reason.DAMAGED_FILE,
                f"{self.name}: it does not open as a video ({reason_words(error)}); get another copy",
            ) from error
        refuse_protected(self._container, self.path, self.name)
        self._stream = picture_stream(self._container, self.name)
        self._stream.thread_count = 1
        self._fresh = True  # no packet is read yet


def _in_order(frames: Iterable[tuple[int, Any]], depth: int) -> Iterator[tuple[int, Any]]:
    """Frames come in order of presentation: each gets the least stamp that is left of those up to ``depth`` on."""
    waiting: deque[Any] = deque()
    stamps: list[int] = []
    for stamp, frame in frames:
        waiting.append(frame)
        heapq.heappush(stamps, stamp)
        if len(waiting) > depth:
            yield heapq.heappop(stamps), waiting.popleft()
    while waiting:
        yield heapq.heappop(stamps), waiting.popleft()


def picture_stream(container: Any, name: str) -> Any:
    """The stream to watch: what players choose, no cover picture of a sound file.

    Raises:
        Failure: no_video, unsupported_codec or protected.
    """
    try:
        stream = container.streams.best("video")
    except VIDEO_ERRORS as error:
        raise Failure(Reason.UNSUPPORTED_CODEC, f"{name}: its video stream cannot be decoded ({error})") from error
    if not len(container.streams):
        raise Failure(Reason.DAMAGED_FILE, f"{name}: it is truncated in its header; get another copy")
    if stream is None or stream.disposition & stream.disposition.attached_pic:
        if any(other.type == "video" and not _is_cover(other) for other in container.streams):
            raise Failure(Reason.UNSUPPORTED_CODEC, f"{name}: nothing here decodes its video stream; convert it")
        kinds = ", ".join(sorted({other.type for other in container.streams})) or "nothing"
        raise Failure(Reason.NO_VIDEO, f"{name}: it holds no video stream ({kinds} alone); take it from the inputs")
    if stream.codec_context is None:
        raise Failure(Reason.UNSUPPORTED_CODEC, f"{name}: nothing here decodes its video stream; convert it")
    return stream


def reason_words(error: Exception) -> str:
    """FFmpeg's own words, without the path that it knows the file by."""
    return str(getattr(error, "strerror", None) or error)


def _is_cover(stream: Any) -> bool:
    return bool(stream.disposition & stream.disposition.attached_pic)
