"""Captions and subtitle tracks put into small videos by the tests."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from video_making import SIZE, Colour, picture

ROLL_UP, CARRIAGE_RETURN, POP_ON, PUT_UP, ERASE = (0x14, 0x25), (0x14, 0x2D), (0x14, 0x20), (0x14, 0x2F), (0x14, 0x2C)
LAST_ROW = (0x14, 0x70)
Pair = tuple[int, int]


def _odd(byte: int) -> int:
    """With the parity bit that captions have."""
    return byte if bin(byte).count("1") % 2 else byte | 0x80


def letters(text: str) -> list[Pair]:
    codes = [*text.encode("ascii"), *([0] if len(text) % 2 else [])]
    return list(zip(codes[::2], codes[1::2], strict=True))


def as_bytes(pair: Pair, field: int = 0) -> bytes:
    """One pair as it travels: its mark, then both bytes."""
    return bytes((0xFC | field, _odd(pair[0]), _odd(pair[1]) if pair[1] else 0x80))


def timed(pairs: Sequence[Pair], start_s: float, field: int = 0, step_s: float = 1 / 30) -> list[tuple[float, bytes]]:
    """A pair a frame, from a second on."""
    return [(start_s + number * step_s, as_bytes(pair, field)) for number, pair in enumerate(pairs)]


def draw_captioned_video(path: Path, scenes: Sequence[tuple[Colour, int]], captions: Mapping[int, bytes]) -> Path:
    """An H.264 transport stream of 30 frames a second; ``captions`` are the bytes that travel with a frame."""
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=30, options={"bf": "0", "g": "30", "tune": "zerolatency"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        number = 0
        for colour, frames in scenes:
            for _ in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(colour, number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 30)
                number += 1
                for packet in stream.encode(frame):
                    container.mux(_captioned(packet, captions))
        for packet in stream.encode(None):
            container.mux(_captioned(packet, captions))
    return path


def _captioned(packet: Any, captions: Mapping[int, bytes]) -> Any:
    number = round(float(packet.pts * packet.time_base) * 30)
    data = captions.get(number)
    if data is None:
        return packet
    added = av.Packet(_sei(data) + bytes(packet))
    added.pts, added.dts, added.time_base = packet.pts, packet.dts, packet.time_base
    added.stream = packet.stream
    added.is_keyframe = packet.is_keyframe
    return added


def _sei(data: bytes) -> bytes:
    """Captions as H.264 carries them: user data of ATSC in a unit of supplemental information."""
    payload = b"\xb5\x00\x31GA94\x03" + bytes((0x40 | len(data) // 3, 0xFF)) + data + b"\xff"
    unit = bytes((6, 4, len(payload))) + payload + b"\x80"
    escaped = unit.replace(b"\x00\x00\x01", b"\x00\x00\x03\x01").replace(b"\x00\x00\x02", b"\x00\x00\x03\x02")
    return b"\x00\x00\x00\x01" + escaped


def draw_subtitled_video(
    path: Path,
    scenes: Sequence[tuple[Colour, int]],
    tracks: Sequence[tuple[str, str | None, str]],
    *,
    fps: int = 10,
) -> Path:
    """A video with subtitle tracks: (subtitle file's text, language, title) each."""
    files = [av.open(io.BytesIO(text.encode())) for text, _, _ in tracks]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"g": "10"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        added = []
        for file, (_, language, title) in zip(files, tracks, strict=True):
            track = container.add_stream_from_template(file.streams.subtitles[0])
            if language:
                track.metadata["language"] = language
            if title:
                track.metadata["title"] = title
            added.append(track)
        packets = list(_subtitle_packets(files, added))
        for packet in packets:
            container.mux(packet)
        number = 0
        for colour, frames in scenes:
            for _ in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(colour, number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, fps)
                number += 1
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for file in files:
        file.close()
    return path


def _subtitle_packets(files: Sequence[Any], tracks: Sequence[Any]) -> Iterator[Any]:
    for file, track in zip(files, tracks, strict=True):
        for packet in file.demux(file.streams.subtitles[0]):
            if packet.size:
                packet.stream = track
                yield packet


def srt(cues: Sequence[tuple[float, float, str]]) -> str:
    """A SubRip file."""
    return "\n".join(
        f"{n}\n{_clock(start)} --> {_clock(end)}\n{text}\n" for n, (start, end, text) in enumerate(cues, 1)
    )


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3600000:02d}:{whole // 60000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"
