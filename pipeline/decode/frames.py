"""A shot's chosen frames at their own resolution, upright: by PyAV, or by decord where that is asked for.

Both go through a shot forwards and seek only where a key frame lies between, and are as fast. With PyAV each frame
carries its own time, and memory is that of a shot's frames whatever the video's length. decord tells no frame's time;
its seeking gives up on a busy machine and returns a frame beside the one asked for, with a word on stderr alone, and
what it decodes ahead grows with the video (1.6 GB on twenty minutes of 720p). Where it is known to be wrong (transport
streams, open groups of pictures, turned videos) PyAV reads, and the row says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import decord
import numpy as np
from av.video.reformatter import VideoReformatter
from decord._ffi.base import DECORDError

from folioscope.model.protocol import Frame, RgbImage
from folioscope.pipeline.decode.containers import has_late_clock
from folioscope.pipeline.decode.deinterlace import deinterlaced
from folioscope.pipeline.decode.pages import DecodedShot, DecodeSettings
from folioscope.pipeline.decode.thumbnail import make_thumbnail
from folioscope.pipeline.decode.video import Video
from folioscope.pipeline.decode.video_facts import Lie, lie_of, pixel_aspect
from folioscope.pipeline.decode.video_probe import first_frame
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.video.shots import Shot

BY_PYAV = "decoded_by_pyav"
ALIKE = 6.0  # of 255, on average: ten-bit colours come out that different
DECORD_ERRORS = (DECORDError, RuntimeError, AssertionError, StopIteration, ValueError)

decord.logging.set_level(decord.logging.QUIET)


class FrameReader:
    """Reads frames of one video; kept open between shots."""

    def __init__(self, path: Path, name: str) -> None:
        self.video = Video(path, name)
        first = first_frame(self.video)
        self._lie = lie_of(first[1])
        self._pixel_aspect = pixel_aspect(self.video.stream)
        self._first = first
        self._colours = VideoReformatter()  # one for all frames, and one thread: half the time of each frame's own
        self._decord: Any = None
        woven = first[1] is not None and first[1].interlaced_frame
        self._decord_may_do = self._lie == Lie() and not woven

    def close(self) -> None:
        self.video.close()
        self._decord = None

    def read_shot(self, shot: Shot, settings: DecodeSettings) -> DecodedShot:
        """The shot's frames.

        Raises:
            Failure: no_frames where one of them can no longer be had.
        """
        times = sorted((*shot.frame_times, *shot.glimpses))
        numbers = [self.video.index.number_at(time_s) for time_s in times]
        by_decord = self._by_decord(numbers) if settings.video_decoder == "decord" else None
        images = self._by_pyav(numbers) if by_decord is None else by_decord
        flags = (*shot.flags, BY_PYAV) if by_decord is None and settings.video_decoder == "decord" else shot.flags
        if len(images) != len(numbers) or not images:
            raise Failure(
                Reason.NO_FRAMES, f"{len(images)} of {len(numbers)} frames from {shot.start_s:.2f} s on decode"
            )
        upright = [_upright(image, self._pixel_aspect, self._lie, settings.max_pixels) for image in images]
        stays = dict(zip((*shot.frame_times, *shot.glimpses), shot.stays, strict=False))
        shown = {
            time_s: Frame(time_s, image, *stays.get(time_s, ())) for time_s, image in zip(times, upright, strict=True)
        }
        frames, glimpses = (tuple(shown[time_s] for time_s in of) for of in (shot.frame_times, shot.glimpses))
        height, width = upright[0].shape[:2]
        thumbnail = make_thumbnail(frames[0].image, settings.thumbnail_px) if settings.thumbnail_px else None
        turn = self._lie.rotation
        found = DecodedShot(shot.number, shot.start_s, shot.end_s, width, height, turn, frames, flags)
        return replace(found, thumbnail=thumbnail, glimpses=glimpses)

    def frame_at(self, time_s: float, settings: DecodeSettings) -> RgbImage:
        """The frame shown at a presentation time.

        Raises:
            Failure: no_frames.
        """
        return self.read_shot(Shot(1, time_s, time_s, (time_s,)), settings).frames[0].image

    def _by_decord(self, numbers: Sequence[int]) -> list[RgbImage] | None:
        """None where decord does not read this video; it is then not tried again."""
        if self._decord is None and self._decord_may_do:
            self._decord = _open_decord(self.video, self._first)
            self._decord_may_do = self._decord is not None
        if self._decord is None:
            return None
        images: list[RgbImage] = []
        try:
            for number in numbers:
                self._decord.seek_accurate(number)
                image = self._decord.next().asnumpy()
                if image.ndim != 3 or image.shape[2] != 3:
                    raise RuntimeError(f"decord gave a picture of shape {image.shape}")
                images.append(image)
        except DECORD_ERRORS:
            self._decord, self._decord_may_do = None, False
            return None
        return images

    def _by_pyav(self, numbers: Sequence[int]) -> list[RgbImage]:
        """One pass for the frames between two key frames, one seek to each further group."""
        index = self.video.index
        images: list[RgbImage] = []
        groups = groups_by_key(numbers, index.stamps, index.keys)
        for key, group in groups:
            wanted = {int(index.stamps[number]) for number in group}
            before: Any = None
            woven: list[Any] = []  # the frame before an interlaced one that is wanted, and itself
            for stamp, frame in self.video.frames(key):
                if woven:
                    images.append(self._coloured(deinterlaced([*woven, frame], len(woven) - 1)))
                    woven = []
                if stamp in wanted:
                    wanted.discard(stamp)
                    if frame.interlaced_frame:
                        woven = [frame] if before is None else [before, frame]
                    else:
                        images.append(self._coloured(frame))
                before = frame
                if not wanted and not woven:
                    break
            if woven:
                images.append(self._coloured(deinterlaced(woven, len(woven) - 1)))
        return images

    def _coloured(self, frame: Any) -> RgbImage:
        coloured = self._colours.reformat(frame, format="rgb24", threads=1)
        return np.asarray(coloured.to_ndarray(), np.uint8)


def groups_by_key(numbers: Sequence[int], stamps: Any, keys: Any) -> Iterator[tuple[int | None, list[int]]]:
    """(stamp of the key frame to start from, frames) with frames that one key frame serves together.

    A frame shown before its key frame's successor but decoded after it hangs on the key frame before.
    """
    group: list[int] = []
    served: int | None = None
    for number in numbers:
        position = int(np.searchsorted(keys, stamps[number], side="right")) - 1
        key = int(keys[position]) if position > 0 else None
        if group and key != served:
            yield served, group
            group = []
        served = key
        group.append(number)
    if group:
        yield served, group


def _open_decord(video: Video, first: tuple[int | None, Any]) -> Any:
    """decord's reader; None where it does not open the video, or gives other frames than are asked for."""
    index = video.index
    if index.open_gop or has_late_clock(video.container) or index.untimed:
        return None
    try:
        reader = decord.VideoReader(str(video.path), num_threads=1)
        if len(reader) != len(index.stamps) or not _agrees(reader, video, *first):
            return None
        if len(index.keys) > 1:
            middle = int(index.keys[len(index.keys) // 2])
            if not _agrees(reader, video, *next(video.frames(middle), (None, None))):
                return None
    except DECORD_ERRORS:
        return None
    return reader


def _agrees(reader: Any, video: Video, stamp: int | None, frame: Any) -> bool:
    """True where decord gives the same picture for a frame that PyAV has decoded."""
    if stamp is None:
        return False
    reader.seek_accurate(int(np.searchsorted(video.index.stamps, stamp)))
    theirs = reader.next().asnumpy()
    ours = frame.to_ndarray(format="rgb24")
    return ours.shape == theirs.shape and bool(np.abs(ours.astype(np.int16) - theirs).mean() < ALIKE)


def _upright(image: RgbImage, aspect: float, lie: Lie, max_pixels: int) -> RgbImage:
    """The picture as it is to be seen: of square pixels, the way up, no mirror image, no larger than allowed."""
    height, width = image.shape[:2]
    wide, high = width * max(aspect, 1.0), height / min(aspect, 1.0)
    scale = min(1.0, math.sqrt(max_pixels / (wide * high)))
    size = (
        max(1, round(wide * scale) if scale == 1 else int(wide * scale)),
        max(1, int(high * scale + (scale == 1) / 2)),
    )
    if size != (width, height):
        shrunk = size[0] * size[1] < width * height
        image = np.asarray(
            cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrunk else cv2.INTER_CUBIC), np.uint8
        )
    if lie.rotation:
        image = np.rot90(image, -(lie.rotation // 90))
    return np.ascontiguousarray(image[:, ::-1] if lie.mirrored else image)
