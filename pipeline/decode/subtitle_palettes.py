"""The colours of subtitle pictures, from the packets themselves: PyAV gives the pictures' colour numbers alone.

Each kind of subtitle keeps its colours in a place of its own: Blu-ray (PGS) and DVB in segments of the packets, DVD
(VobSub) in the track's header and in commands behind each picture. Colours once told hold until they are told anew.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Palette = NDArray[np.uint8]  # (256, 4): red, green, blue and opacity of each colour number


class PaletteReader(Protocol):
    def of(self, packet: bytes) -> Palette | None:
        """The colours of the picture in this packet; None where none have been told."""


def palette_reader(codec: Any) -> PaletteReader | None:
    """What reads the colours of this codec's pictures; None where it has none."""
    if codec.name == "pgssub":
        return _BluRay()
    if codec.name == "dvbsub":
        return _Dvb()
    if codec.name == "dvdsub":
        return _Dvd(bytes(codec.extradata or b""))
    return None


def _rgb(luma: float, red: float, blue: float) -> tuple[float, float, float]:
    """Red, green and blue of luma (16..235) and colour differences (16..240, 128 is none), as television has them."""
    y, cr, cb = 1.164 * (luma - 16), red - 128, blue - 128
    return y + 1.596 * cr, y - 0.813 * cr - 0.392 * cb, y + 2.017 * cb


def _entry(palette: Palette, number: int, luma: float, red: float, blue: float, opacity: float) -> None:
    palette[number] = np.clip((*_rgb(luma, red, blue), opacity), 0, 255)


class _BluRay:
    """Segments of a type, a length and a content; 0x16 says which palette is used, 0x14 holds one."""

    def __init__(self) -> None:
        self._palettes: dict[int, Palette] = {}

    def of(self, packet: bytes) -> Palette | None:
        used = 0
        at = 0
        while at + 3 <= len(packet):
            kind, size = packet[at], struct.unpack_from(">H", packet, at + 1)[0]
            body = packet[at + 3 : at + 3 + size]
            if kind == 0x16 and len(body) > 9:
                used = body[9]
            elif kind == 0x14 and len(body) >= 2:
                palette = self._palettes.setdefault(body[0], np.zeros((256, 4), np.uint8))
                for entry in range(2, len(body) - 4, 5):
                    number, luma, red, blue, opacity = body[entry : entry + 5]
                    _entry(palette, number, luma, red, blue, opacity)
            at += 3 + size
        return self._palettes.get(used)


class _Dvb:
    """Segments behind a mark 0x0F; 0x12 holds colours. Pages of one colour table are what broadcasts have."""

    def __init__(self) -> None:
        self._palette: Palette | None = None

    def of(self, packet: bytes) -> Palette | None:
        for kind, body in _dvb_segments(packet):
            if kind == 0x12:
                if self._palette is None:
                    self._palette = np.zeros((256, 4), np.uint8)
                self._take(self._palette, body)
        return self._palette

    @staticmethod
    def _take(palette: Palette, body: bytes) -> None:
        at = 2
        while at + 2 <= len(body):
            number, flags = body[at], body[at + 1]
            if flags & 1 and at + 6 <= len(body):
                luma, red, blue, clear = body[at + 2 : at + 6]
                at += 6
            elif not flags & 1 and at + 4 <= len(body):
                bits = struct.unpack_from(">H", body, at + 2)[0]
                luma, red, blue, clear = bits >> 10 << 2, (bits >> 6 & 15) << 4, (bits >> 2 & 15) << 4, (bits & 3) << 6
                at += 4
            else:
                return
            _entry(palette, number, luma, red, blue, 0 if luma == 0 else 255 - clear)


def _dvb_segments(packet: bytes) -> Iterator[tuple[int, bytes]]:
    at = packet.find(b"\x0f")  # two bytes of header may stand in front
    while at >= 0 and at + 6 <= len(packet) and packet[at] == 0x0F:
        size = struct.unpack_from(">H", packet, at + 4)[0]
        yield packet[at + 1], packet[at + 6 : at + 6 + size]
        at += 6 + size


class _Dvd:
    """Sixteen colours in the track's header; each picture's commands name four of them and how opaque they are."""

    def __init__(self, header: bytes) -> None:
        match = re.search(rb"palette:\s*((?:[0-9a-fA-F]{6}\s*,?\s*){16})", header)
        found = re.findall(rb"[0-9a-fA-F]{6}", match[1]) if match else []
        self._colours = [tuple(bytes.fromhex(colour.decode())) for colour in found]

    def of(self, packet: bytes) -> Palette | None:
        commands = _dvd_commands(packet)
        if commands is None or not self._colours:
            return None
        names, opacities = commands
        palette = np.zeros((256, 4), np.uint8)
        for number in range(4):
            palette[number] = (*self._colours[names[number]], opacities[number] * 17)
        return palette


def _dvd_commands(packet: bytes) -> tuple[list[int], list[int]] | None:
    """(colour names, opacities 0..15) of the four colour numbers, as the picture's first commands tell them."""
    if len(packet) < 4:
        return None
    at = struct.unpack_from(">H", packet, 2)[0] + 4
    names: list[int] | None = None
    opacities: list[int] | None = None
    sizes = {0x00: 0, 0x01: 0, 0x02: 0, 0x03: 2, 0x04: 2, 0x05: 6, 0x06: 4}
    while at < len(packet) and packet[at] in sizes:
        command, body = packet[at], packet[at + 1 : at + 3]
        if command in (0x03, 0x04) and len(body) == 2:
            nibbles = [body[1] & 15, body[1] >> 4, body[0] & 15, body[0] >> 4]
            if command == 0x03:
                names = nibbles
            else:
                opacities = nibbles
        at += 1 + sizes[command]
    return None if names is None or opacities is None else (names, opacities)
