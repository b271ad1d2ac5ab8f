"""What crosses from a decode child that reads subtitles to whoever asked, beside plain cues. No decoder is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from folioscope.model.protocol import RgbImage

# What FFmpeg calls the text files of subtitles with these endings.
SUBTITLE_ENDINGS: Final = {"srt": "srt", "vtt": "webvtt", "ass": "ass", "ssa": "ass", "smi": "sami", "sami": "sami"}


@dataclass(frozen=True, slots=True)
class PictureCue:
    """A cue that is a picture of its words, as a Blu-ray has."""

    start_s: float
    end_s: float
    track: str
    language: str | None
    image: RgbImage


@dataclass(frozen=True, slots=True)
class CuesEnd:
    """The end of a video's cues. ``notes`` are flags of the whole video."""

    notes: tuple[str, ...] = ()
