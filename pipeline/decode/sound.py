"""The sound of a video or of an audio file, as one channel of 16,000 samples a second. In a decode child.

Comes in pieces of ten seconds, each where the container's clock has it: a gap in the sound is silence, so that what is
said keeps its second. Decoding costs some 3 ms a second of sound; memory is that of a piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.decode.containers import options
from folioscope.pipeline.decode.pages import Probe, VideoFacts
from folioscope.pipeline.decode.protection import refuse_protected
from folioscope.pipeline.decode.sound_pieces import RATE, SoundEnd, SoundTrack
from folioscope.pipeline.decode.video import reason_words
from folioscope.pipeline.decode.video_facts import chapters_of, created_at, title_of, tracks_of
from folioscope.pipeline.decode.video_index import VIDEO_ERRORS
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.video.cues import language_tag

PIECE: Final = 10 * RATE
SLACK_S: Final = 0.1  # by which clocks of sound and picture may differ before silence is put in
LONGEST_GAP_S: Final = 6 * 3600.0  # a jump beyond it is a broken clock, no silence
MOST_DAMAGED = 10_000  # packets: nothing but noise comes of what damages more
Pcm = NDArray[np.int16]


def read_sound(path: Path, name: str, origin_s: float) -> Iterator[SoundTrack | Pcm | SoundEnd]:
    """What track it is, its samples from ``origin_s`` of the container's clock on, then a SoundEnd.

    Raises:
        Failure: no_sound, damaged_file, unsupported_codec or protected.
    """
    try:
        container = av.open(str(path), metadata_errors="replace", options=options(sound=True))
    except VIDEO_ERRORS as error:
        raise Failure(Reason.DAMAGED_FILE, f"{name}: its sound does not open ({reason_words(error)})") from error
    with container:
        refuse_protected(container, path, name, "audio")
        stream = _sound_stream(container, name)
        yield SoundTrack(f"speech:{stream.index}", language_tag(stream.metadata.get("language")))
        pieces = _Pieces()
        damaged = 0
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                frames = [] if packet is None else packet.decode()
            except av.error.MemoryError as error:
                raise MemoryError from error
            except VIDEO_ERRORS:
                damaged += 1
                if packet is None or damaged > MOST_DAMAGED:
                    break
                continue
            if packet is None:
                break
            for frame in frames:
                at_s = None if frame.time is None else frame.time - origin_s
                for part in resampler.resample(frame):
                    yield from pieces.take(_samples(part), at_s)
                    at_s = None
        yield from pieces.rest(resampler)
        yield SoundEnd(damaged, pieces.seconds)


def probe_sound(path: Path, name: str) -> Probe:
    """What a file is that holds sound and no moving picture.

    Raises:
        Failure: damaged_file, no_video (nor sound), unsupported_codec or protected.
    """
    try:
        container = av.open(str(path), metadata_errors="replace", options=options(sound=True))
    except VIDEO_ERRORS as error:
        raise Failure(
            Reason.DAMAGED_FILE, f"{name}: it does not open as sound ({reason_words(error)}); get another copy"
        ) from error
    with container:
        refuse_protected(container, path, name, "audio")
        stream = _sound_stream(container, name)
        seconds = container.duration / av.time_base if container.duration else _counted_s(container, stream)
        facts = VideoFacts(
            seconds,
            None,
            False,
            0,
            str(container.format.name).split(",")[0],
            stream.codec_context.codec.canonical_name,
            True,
            created_at=created_at(container, stream),
            tracks=tracks_of(container),
            chapters=chapters_of(container, 0.0, seconds),
        )
        return Probe("audio", None, None, None, title_of(container), facts)


def _counted_s(container: Any, stream: Any) -> float:
    """The end of the last packet, where no header tells the length."""
    end_s = 0.0
    try:
        for packet in container.demux(stream):
            if packet.pts is not None:
                end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    except VIDEO_ERRORS:  # it breaks off: what is before counts
        return end_s
    return end_s


def _sound_stream(container: Any, name: str) -> Any:
    """The track that players choose.

    Raises:
        Failure: no_sound or unsupported_codec.
    """
    stream = container.streams.best("audio")
    if stream is None:
        if container.streams.audio:
            raise Failure(Reason.UNSUPPORTED_CODEC, f"{name}: nothing here decodes its sound")
        raise Failure(Reason.NO_SOUND, f"{name}: it holds no sound")
    if stream.codec_context is None:
        raise Failure(Reason.UNSUPPORTED_CODEC, f"{name}: nothing here decodes its sound")
    stream.thread_count = 1
    return stream


def _samples(frame: Any) -> Pcm:
    return np.asarray(frame.to_ndarray().reshape(-1), np.int16)


class _Pieces:
    """Samples gathered into even pieces, silence put where the clock jumps."""

    def __init__(self) -> None:
        self._held: list[Pcm] = []
        self._length = 0
        self._given = 0

    @property
    def seconds(self) -> float:
        return (self._given + self._length) / RATE

    def take(self, samples: Pcm, at_s: float | None) -> Iterator[Pcm]:
        if at_s is not None:
            gap_s = at_s - self.seconds
            if SLACK_S < gap_s < LONGEST_GAP_S:
                yield from self._silence(round(gap_s * RATE))
            elif at_s < 0 and self.seconds == 0:  # sound that begins before the picture
                samples = samples[min(len(samples), round(-at_s * RATE)) :]
        yield from self._add(samples)

    def rest(self, resampler: Any) -> Iterator[Pcm]:
        for part in resampler.resample(None):
            yield from self._add(_samples(part))
        if self._length:
            yield np.concatenate(self._held)
            self._given += self._length
            self._held, self._length = [], 0

    def _silence(self, samples: int) -> Iterator[Pcm]:
        while samples > 0:
            part = min(samples, PIECE)
            yield from self._add(np.zeros(part, np.int16))
            samples -= part

    def _add(self, samples: Pcm) -> Iterator[Pcm]:
        self._held.append(samples)
        self._length += len(samples)
        if self._length >= PIECE:
            yield np.concatenate(self._held)
            self._given += self._length
            self._held, self._length = [], 0
