"""What crosses from a decode child that decodes sound, beside the samples themselves. No decoder is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RATE: Final = 16_000  # samples a second


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """The track that is heard. ``language`` is what its container says."""

    name: str
    language: str | None


@dataclass(frozen=True, slots=True)
class SoundEnd:
    """The end of the sound, after so many seconds; ``damaged`` packets did not decode."""

    damaged: int
    seconds: float
