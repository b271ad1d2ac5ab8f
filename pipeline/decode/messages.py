"""What an actor and its decode child say to each other: requests, and the framing of messages on the child's pipes.

Imports no decoder and none of the modules that declare what the answers hold: a child must start fast.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

HEADER = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    path: Path
    name: str
    kind: str
    pages: tuple[int, ...]
    settings: Any  # DecodeSettings; its module is imported only when a request arrives
    promptly: bool = True
    shots: tuple[Any, ...] = ()  # of a video, in the place of pages


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """A span of a video to look over: see scan_span. Answers are features, then how the span ends."""

    path: Path
    name: str
    start_s: float | None
    end_s: float | None
    miniatures: bool = False


@dataclass(frozen=True, slots=True)
class CuesRequest:
    """A video's subtitles and captions. Answers are lists of cues, then a CuesEnd or a Failure: see read_tracks."""

    path: Path
    name: str
    captions: tuple[tuple[float, bytes], ...]


@dataclass(frozen=True, slots=True)
class SoundRequest:
    """The sound of a file; the answers are a SoundTrack, samples, then a SoundEnd or a Failure: see read_sound.

    ``with_picture``: times are counted from where the picture's are.
    """

    path: Path
    name: str
    with_picture: bool


@dataclass(frozen=True, slots=True)
class SubtitleFileRequest:
    """A subtitle file; the answer is the list of its cues, or a Failure."""

    path: Path
    name: str
    track: str
    language: str | None


@dataclass(frozen=True, slots=True)
class UnpackRequest:
    """An attachment of a PDF, or of an attachment in it. Answers are pieces of its bytes, then UnpackEnd or a Failure.

    ``numbers`` lead to it, each counted from 1.
    """

    path: Path
    name: str
    numbers: tuple[int, ...]
    max_bytes: int


@dataclass(frozen=True, slots=True)
class UnpackEnd:
    """All bytes of the attachment have been sent."""


def read_frame(stream: BinaryIO) -> Any:
    """The next pickled message. Raises EOFError at the end of the stream."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    return pickle.loads(stream.read(HEADER.unpack(header)[0]))


def write_frame(stream: BinaryIO, message: Any) -> None:
    data = pickle.dumps(message, protocol=5)
    stream.write(HEADER.pack(len(data)))
    stream.write(data)
    stream.flush()
