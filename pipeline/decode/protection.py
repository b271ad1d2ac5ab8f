"""Whether a file's pictures or sound are encrypted, by what its container says. Reads two megabytes of it at most.

An encrypted stream may well open, and its decoder then gives grey frames or noise: that must not pass for damage, nor
for what somebody says.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal

from folioscope.pipeline.failures import Failure, Reason

Track = Literal["video", "audio"]
# What an MP4's sample table calls an encrypted track.
ENCRYPTED_ENTRIES: Final[dict[Track, tuple[bytes, ...]]] = {"video": (b"encv", b"drmi"), "audio": (b"enca", b"drms")}
LOOKED_AT: Final = 2 << 20
MOST: Final = 0.5  # of a stream's packets that are scrambled
# ASF's header objects for protected content: Content Encryption, Extended and Advanced Content Encryption.
_ASF_OBJECTS: Final = tuple(
    bytes.fromhex(guid)
    for guid in (
        "fbb3112223bdd211b4b700a0c955fc6e",
        "14e68a292226174cb935dae07ee9289c",
        "338505438169e6499b74ad12cb86d58c",
    )
)
# A packet of a DVD or a program stream, and the two bits that tell whether it is scrambled.
_PACKETS: Final[dict[Track, re.Pattern[bytes]]] = {
    "video": re.compile(rb"\x00\x00\x01[\xe0-\xef]..([\x80-\xbf])", re.DOTALL),
    "audio": re.compile(rb"\x00\x00\x01[\xbd\xc0-\xdf]..([\x80-\xbf])", re.DOTALL),
}
_WORDS: Final[dict[Track, str]] = {"video": "its frames are", "audio": "its sound is"}


def refuse_protected(container: Any, path: Path, name: str, track: Track = "video") -> None:
    """Raises Failure (protected) where the container says that its pictures, or its sound, are encrypted."""
    if _is_protected(container, path, track):
        raise Failure(Reason.PROTECTED, f"{name}: {_WORDS[track]} encrypted; get a copy without copy protection")


def _is_protected(container: Any, path: Path, track: Track) -> bool:
    streams = container.streams.video if track == "video" else container.streams.audio
    if any("enc_key_id" in stream.metadata for stream in streams):  # so FFmpeg calls what Matroska says of a track
        return True
    form = container.format.name
    if form.startswith("mov,"):
        return any(entry in _sample_tables(path) for entry in ENCRYPTED_ENTRIES[track])
    if form not in ("asf", "mpegts", "mpeg"):
        return False
    with path.open("rb") as file:
        data = file.read(LOOKED_AT)
    if form == "asf":
        return any(guid in data[: 1 << 16] for guid in _ASF_OBJECTS)
    if form == "mpeg":
        flags = [match[1][0] for match in _PACKETS[track].finditer(data)]
        return _mostly([bool(flag & 0x30) for flag in flags])
    return _mostly(_scrambled(data, {stream.id for stream in streams}))


def _sample_tables(path: Path) -> bytes:
    """An MP4's ``moov`` box, as far as it is looked at. FFmpeg puts the codec's name in the place of ``encv``."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[:4])
            if size == 1:
                size = int.from_bytes(file.read(8)) - 8
            if head[4:] == b"moov":
                return file.read(min(LOOKED_AT, size))
            if size < 8:
                break
            file.seek(size - 8, 1)
    return b""


def _scrambled(data: bytes, wanted: set[int]) -> list[bool]:
    """For each packet with content of a transport stream's wanted tracks, whether it is scrambled."""
    size = next((size for size in (188, 192, 204) if data[_first(size) :: size][:8].count(0x47) == 8), 188)
    found = []
    for start in range(_first(size), len(data) - 3, size):
        pid = (data[start + 1] & 0x1F) << 8 | data[start + 2]
        if data[start] == 0x47 and pid in wanted and data[start + 3] & 0x10:
            found.append(bool(data[start + 3] & 0xC0))
    return found


def _first(size: int) -> int:
    return size - 188 if size == 192 else 0


def _mostly(marks: list[bool]) -> bool:
    return bool(marks) and sum(marks) > MOST * len(marks)
