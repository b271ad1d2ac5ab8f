"""What a transcriber is: sound in pieces goes in, segments of words with their times come out. Plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from folioscope.model.protocol import Word

SPEECH_VERSION: Final = 1  # of how sound is cut and models are asked: part of what decides a transcript
RATE = 16_000  # samples a second
Samples = NDArray[np.float32]  # one channel, -1..1
SpeechKind = Literal["whisper", "endpoint"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Words said from ``start_s`` to ``end_s``. ``flags`` say why they must not be believed."""

    start_s: float
    end_s: float
    text: str
    language: str | None
    confidence: float | None = None
    flags: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()


class Transcriber(Protocol):
    """One loaded model, or one server. Methods may raise."""

    @property
    def languages(self) -> frozenset[str] | None:
        """The languages that it knows; None for very many."""

    def transcribe(self, sound: Iterator[Samples], language: str | None) -> Iterator[Segment]:
        """Segments in order of time, while the sound comes in. ``language`` is None where it is to be detected."""


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A transcriber as the driver knows it, without loading it. ``location`` is a directory, a URL or a server.

    ``tagged_only``: sound is transcribed only where its track says that it is in a language of the model's.
    """

    name: str
    revision: str
    kind: SpeechKind
    location: str
    tagged_only: bool = False

    @property
    def label(self) -> str:
        """Name and revision, as rows and messages give them."""
        return f"{self.name}@{self.revision}"
