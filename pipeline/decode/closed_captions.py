"""Captions of broadcasts (CEA-608) as cues: from the bytes that travel with the pictures, by FFmpeg's decoder.

The scan of a video takes each frame's caption bytes as it decodes the frame anyway; joined over the spans they are
decoded here, in a decode child. FFmpeg tells a screen when it is wiped or rolled: when it appeared is told by the
commands among the bytes. A rolling screen gives one cue a line, another one cue a screen. Costs some 10 µs a frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import av

from folioscope.pipeline.decode.subtitles import plain_words
from folioscope.pipeline.video.cues import Cue

CaptionBytes = tuple[float, bytes]  # the second of the frame, and its pairs of caption bytes: see caption_bytes
SIDE_DATA: Final = "A53_CC"
_TICKS = Fraction(1, 1000)
_TRACKS: Final = {0: "cc1", 1: "cc3"}  # by field: the channel that is in use on each
_CLOSING: Final = {0: bytes((0xFC, 0x94, 0x2C)), 1: bytes((0xFD, 0x15, 0x2C))}  # erase what is displayed
_END_OF_CAPTION: Final = 0x2F
_LAST_XDS_CLASS: Final = 0x0E
_XDS_END: Final = 0x0F


def caption_bytes(frame: Any) -> bytes:
    """The pairs of CEA-608 bytes that a frame carries, each behind its mark; empty where it carries none."""
    data = frame.side_data.get(SIDE_DATA)
    if data is None:
        return b""
    whole = bytes(data)
    return b"".join(
        whole[at : at + 3]
        for at in range(0, len(whole) - 2, 3)
        if whole[at] & 4 and whole[at] & 3 < 2 and (whole[at + 1] & 0x7F or whole[at + 2] & 0x7F)
    )


def read_captions(frames: Sequence[CaptionBytes], end_s: float) -> list[Cue]:
    """The cues of both fields of a video whose last frame ends at ``end_s``."""
    return [cue for field in _TRACKS for cue in _of_field(frames, field, end_s)]


def _of_field(frames: Sequence[CaptionBytes], field: int, end_s: float) -> list[Cue]:
    decoder: Any = av.CodecContext.create("cc_dec", "r")
    decoder.options = {"data_field": "second" if field else "first"}
    screens = _Screens(_TRACKS[field])
    any_data = False
    for time_s, data in [*_without_xds(frames, field), (end_s, b"")]:
        last = not data
        if last and not any_data:
            return []
        any_data = True
        packet = av.Packet(_CLOSING[field] if last else data)
        packet.pts = packet.dts = round(time_s * 1000)
        packet.time_base = _TICKS
        event = decoder.decode2(packet)
        if event is not None:
            words = "\n".join(plain_words(rect.ass.decode("utf-8", "replace")) for rect in event)
            screens.show(words, time_s)
        screens.note(data, time_s)
    return screens.cues


def _without_xds(frames: Sequence[CaptionBytes], field: int) -> Iterator[CaptionBytes]:
    """One field's pairs without programme data (XDS), which travels in the second field and is no caption."""
    in_xds = False
    for time_s, data in frames:
        kept = b""
        for at in range(0, len(data) - 2, 3):
            if data[at] & 1 != field:
                continue
            first = data[at + 1] & 0x7F
            if field and 0 < first <= _LAST_XDS_CLASS:
                in_xds = True
            elif field and first == _XDS_END:
                in_xds = False
            elif not in_xds or 0x10 <= first < 0x20:
                in_xds = False
                kept += data[at : at + 3]
        if kept:
            yield time_s, kept


class _Screens:
    """What was displayed, screen after screen, as cues."""

    def __init__(self, track: str) -> None:
        self.cues: list[Cue] = []
        self._track = track
        self._shown: list[tuple[str, int]] = []  # the lines displayed before, and their places in ``cues``
        self._since: float | None = None  # when the first letter came after the last screen
        self._turned: float | None = None  # when a screen that was made ready was last shown

    def note(self, data: bytes, time_s: float) -> None:
        """Take down when letters come and when a screen is shown."""
        for at in range(0, len(data) - 2, 3):
            first, second = data[at + 1] & 0x7F, data[at + 2] & 0x7F
            if first in (0x14, 0x15, 0x1C, 0x1D) and second == _END_OF_CAPTION:
                self._turned = time_s
            elif first >= 0x20 and self._since is None:
                self._since = time_s

    def show(self, text: str, until_s: float) -> None:
        """A screen that was displayed until now."""
        lines = text.splitlines()
        if self._turned is not None:
            self._put(text, min(self._turned, until_s), until_s)
            self._shown = []
            self._turned = None
        else:
            start_s = until_s if self._since is None else min(self._since, until_s)
            self._roll(lines, start_s, until_s)
        self._since = None

    def _put(self, text: str, start_s: float, end_s: float) -> int:
        self.cues.append(Cue(start_s, end_s, text, self._track))
        return len(self.cues) - 1

    def _roll(self, lines: Sequence[str], start_s: float, end_s: float) -> None:
        """Lines that stood there before go on; the others are new."""
        before = dict(self._shown)
        shown: list[tuple[str, int]] = []
        for line in lines:
            place = before.pop(line, None)
            if place is None:
                place = self._put(line, start_s, end_s)
            else:
                self.cues[place] = replace(self.cues[place], end_s=end_s)
            shown.append((line, place))
        self._shown = shown
