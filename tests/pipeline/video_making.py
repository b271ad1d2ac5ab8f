"""Small videos drawn and encoded by the tests: scenes of one colour each with a block that moves over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

SIZE = (160, 96)
Colour = tuple[int, int, int]
RED, GREEN, BLUE, GREY, BLACK = (180, 40, 40), (40, 170, 60), (40, 60, 190), (128, 128, 128), (0, 0, 0)


def picture(colour: Colour, number: int, size: tuple[int, int] = SIZE) -> Any:
    """A frame: stripes to be sharp by, and a block where ``number`` says; black is black."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = colour
    if colour != BLACK:
        image[::8, :, :] = np.clip(np.asarray(colour) + 40, 0, 255)
        left = 4 * number % (width - 24)
        image[height // 3 : height // 3 + 24, left : left + 24] = 255 - np.asarray(colour)
    return image


def draw_video(
    path: Path,
    scenes: Sequence[tuple[Colour, int]],
    *,
    fps: int = 10,
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    gop: int = 12,
    turn: int = 0,
    steps: Sequence[int] = (1,),
    sound: bool = False,
    pix_fmt: str = "yuv420p",
    aspect: Fraction | None = None,
    mirrored: bool = False,
    clock: int = 0,
    tags: Mapping[str, str] | None = None,
    nothing_at: Mapping[int, bytes] | None = None,
    **options: str,
) -> Path:
    """Encode ``scenes`` (colour, frames). ``steps`` are the ticks between frames, in turns: (1, 3) is an uneven rate.

    ``turn`` is counterclockwise, ``mirrored`` left to right after it; ``clock`` is the first frame's tick;
    ``nothing_at`` puts packets that decode to no frame in the place of frames, by their numbers.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    av.logging.set_level(av.logging.PANIC)
    front = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=front) as container:
        stream = container.add_stream(codec, rate=fps, options={"g": str(gop), **options})
        stream.width, stream.height = size
        stream.pix_fmt = "rgb8" if codec == "gif" else pix_fmt
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        container.metadata.update(tags or {})
        stream.codec_context.time_base = Fraction(1, fps)
        if turn or mirrored:
            stream.set_display_rotation(turn, hflip=mirrored)
        tone = container.add_stream("aac", rate=16000) if sound else None
        number, stamp = 0, clock
        for colour, frames in scenes:
            for _ in range(frames):
                nothing = (nothing_at or {}).get(number)
                if nothing is None:
                    frame = av.VideoFrame.from_ndarray(picture(colour, number, size), format="rgb24")
                    frame.pts, frame.time_base = stamp, Fraction(1, fps)
                    container.mux(stream.encode(frame))
                else:
                    packet = av.Packet(nothing)
                    packet.pts = packet.dts = stamp
                    packet.time_base, packet.stream = Fraction(1, fps), stream
                    container.mux(packet)
                stamp += steps[number % len(steps)]
                number += 1
        container.mux(stream.encode(None))
        if tone is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 16000, 0
            container.mux(tone.encode(silence))
            container.mux(tone.encode(None))
    return path


def with_chapters(source: Path, target: Path, chapters: Sequence[tuple[str, float, float]]) -> Path:
    """The same packets with chapters (title, start, end in seconds) named in the container."""
    with av.open(str(source)) as read, av.open(str(target), "w", format="matroska") as written:
        stream = read.streams.video[0]
        copy = written.add_stream_from_template(stream)
        written.set_chapters(
            [
                {"id": n, "start": round(1000 * start), "end": round(1000 * end), "time_base": Fraction(1, 1000),
                 "metadata": {"title": title}}
                for n, (title, start, end) in enumerate(chapters, start=1)
            ]
        )  # fmt: skip
        for packet in read.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                written.mux(packet)
    return target


def tear(path: Path, target: Path, share: float) -> Path:
    """The first ``share`` of a video's bytes; an MP4's index stands in front, so that it still opens."""
    data = path.read_bytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data[: int(len(data) * share)])
    return target
