"""A shot's chosen frames at their own resolution, upright: by PyAV, or by decord where that is asked for.

Both go through a shot forwards and seek only where a key frame lies between, and are as fast. With PyAV each frame
carries its own time, and memory is that of a shot's frames whatever the film's length. decord tells no frame's time;
its seeking gives up on a busy machine and returns a frame beside the one asked for, with a word on stderr alone, and
what it decodes ahead grows with the film (1.6 GB on twenty minutes of 720p). Where it is known to be wrong (transport
streams, open groups of pictures, turned films) PyAV reads, and the row says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import decord
import numpy as np
from av.video.reformatter import VideoReformatter
from decord._ffi.base import DECORDError

from model.protocol import Frame, RgbImage
from pipeline.decode.film import FREE_CLOCKS, Film
from pipeline.decode.film_probe import clockwise_turn, first_frame
from pipeline.decode.pages import DecodedShot, DecodeSettings
from pipeline.decode.thumbnail import make_thumbnail
from pipeline.failures import Failure, Reason
from pipeline.shots import Shot

BY_PYAV = "decoded_by_pyav"
ALIKE = 6.0  # of 255, on average: ten-bit colours come out that different
DECORD_ERRORS = (DECORDError, RuntimeError, AssertionError, StopIteration, ValueError)

decord.logging.set_level(decord.logging.QUIET)


class FrameReader:
    """Reads frames of one film; kept open between shots."""

    def __init__(self, path: Path, name: str) -> None:
        self.film = Film(path, name)
        first = first_frame(self.film)
        self._turn = clockwise_turn(first[1])
        self._first = first
        self._colours = VideoReformatter()  # one for all frames, and one thread: half the time of each frame's own
        self._decord: Any = None
        self._decord_may_do = not self._turn

    def close(self) -> None:
        self.film.close()
        self._decord = None

    def read_shot(self, shot: Shot, settings: DecodeSettings) -> DecodedShot:
        """The shot's frames.

        Raises:
            Failure: no_frames where one of them can no longer be had.
        """
        numbers = [self.film.index.number_at(time_s) for time_s in shot.frame_times]
        by_decord = self._by_decord(numbers) if settings.film_decoder == "decord" else None
        images = self._by_pyav(numbers) if by_decord is None else by_decord
        flags = (*shot.flags, BY_PYAV) if by_decord is None and settings.film_decoder == "decord" else shot.flags
        if len(images) != len(numbers) or not images:
            raise Failure(
                Reason.NO_FRAMES, f"{len(images)} of {len(numbers)} frames from {shot.start_s:.2f} s on decode"
            )
        upright = [_upright(image, self._turn, settings.max_pixels) for image in images]
        frames = tuple(Frame(time_s, image) for time_s, image in zip(shot.frame_times, upright, strict=True))
        height, width = upright[0].shape[:2]
        thumbnail = make_thumbnail(upright[0], settings.thumbnail_px) if settings.thumbnail_px else None
        return DecodedShot(shot.number, shot.start_s, shot.end_s, width, height, self._turn, frames, flags, thumbnail)

    def frame_at(self, time_s: float, settings: DecodeSettings) -> RgbImage:
        """The frame shown at a presentation time.

        Raises:
            Failure: no_frames.
        """
        return self.read_shot(Shot(1, time_s, time_s, (time_s,)), settings).frames[0].image

    def _by_decord(self, numbers: Sequence[int]) -> list[RgbImage] | None:
        """None where decord does not read this film; it is then not tried again."""
        if self._decord is None and self._decord_may_do:
            self._decord = _open_decord(self.film, self._first)
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
        index = self.film.index
        images: list[RgbImage] = []
        groups = groups_by_key(numbers, index.stamps, index.keys)
        for key, group in groups:
            wanted = {int(index.stamps[number]) for number in group}
            for stamp, frame in self.film.frames(key):
                if stamp in wanted:
                    coloured = self._colours.reformat(frame, format="rgb24", threads=1)
                    images.append(np.asarray(coloured.to_ndarray(), np.uint8))
                    wanted.discard(stamp)
                if not wanted:
                    break
        return images


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


def _open_decord(film: Film, first: tuple[int | None, Any]) -> Any:
    """decord's reader; None where it does not open the film, or gives other frames than are asked for."""
    index = film.index
    if index.open_gop or film.container.format.name in FREE_CLOCKS:
        return None
    try:
        reader = decord.VideoReader(str(film.path), num_threads=1)
        if len(reader) != len(index.stamps) or not _agrees(reader, film, *first):
            return None
        if len(index.keys) > 1:
            middle = int(index.keys[len(index.keys) // 2])
            if not _agrees(reader, film, *next(film.frames(middle), (None, None))):
                return None
    except DECORD_ERRORS:
        return None
    return reader


def _agrees(reader: Any, film: Film, stamp: int | None, frame: Any) -> bool:
    """True where decord gives the same picture for a frame that PyAV has decoded."""
    if stamp is None:
        return False
    reader.seek_accurate(int(np.searchsorted(film.index.stamps, stamp)))
    theirs = reader.next().asnumpy()
    ours = frame.to_ndarray(format="rgb24")
    return ours.shape == theirs.shape and bool(np.abs(ours.astype(np.int16) - theirs).mean() < ALIKE)


def _upright(image: RgbImage, clockwise: int, max_pixels: int) -> RgbImage:
    if clockwise:
        image = np.rot90(image, -(clockwise // 90))
    height, width = image.shape[:2]
    if width * height > max_pixels:
        scale = math.sqrt(max_pixels / (width * height))
        size = max(1, int(width * scale)), max(1, int(height * scale))
        image = np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(image)
