"""What crosses from a decode child to its actor: settings in; probes, pages and shots out. Plain data, safe to pickle.

No decoder is imported here: an actor has its child for that, and MuPDF with its layout network takes 0.7 s and 100 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.protocol import Frame, Reduced, RgbImage, TextLayer, reduced
from pipeline.failures import Failure

Layout = Literal["fast", "full"]
FilmDecoder = Literal["pyav", "decord"]
Kind = Literal["pdf", "image", "video"]


@dataclass(frozen=True, slots=True)
class Probe:
    """What a look into a file tells. ``width_px`` and ``height_px`` are those of the upright picture."""

    kind: Kind
    page_count: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    title: str | None = None
    film: FilmFacts | None = None


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """What a film's streams tell. ``rotation`` is the clockwise turn that makes its frames upright."""

    duration_s: float
    fps: float | None
    variable_fps: bool
    rotation: int
    container: str
    codec: str
    has_audio: bool


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How pages and frames are decoded. All of it decides the result, so all of it is in the read recipe.

    ``layout``: ``fast`` orders the text layer by our own rules (about 10 ms a page), ``full`` runs PyMuPDF's layout
    network and table finder (about 1 s a page). ``render``: ``always``, or ``when_needed`` where the replica reads
    usable text layers as they are. ``max_pixels`` caps one rendered page or one frame; the scale is lowered to fit.
    ``thumbnail_px`` is the longest side of the small picture kept in the row; 0 keeps none. ``film_decoder`` picks the
    frames of films (``pipeline/decode/frames.py`` has what speaks for each).
    """

    dpi: int = 144
    layout: Layout = "full"
    render: Literal["always", "when_needed"] = "when_needed"
    max_pixels: int = 16_000_000
    thumbnail_px: int = 640
    film_decoder: FilmDecoder = "pyav"


@dataclass(frozen=True, slots=True)
class DecodedPage:
    """One page, upright. ``rotation`` is the clockwise turn in degrees stored in the file and already applied."""

    page_number: int
    width_px: int
    height_px: int
    rotation: int
    image: RgbImage | None
    layer: TextLayer | None
    thumbnail: bytes | None = None

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class DecodedShot:
    """One shot's chosen frames, upright. ``rotation`` is the clockwise turn stored in the file and already applied."""

    shot_number: int
    start_s: float
    end_s: float
    width_px: int
    height_px: int
    rotation: int
    frames: tuple[Frame, ...]
    flags: tuple[str, ...] = ()
    thumbnail: bytes | None = None


DecodedSegment = DecodedPage | DecodedShot


@dataclass(frozen=True, slots=True)
class FailedPage:
    """A page or shot that could not be had."""

    page_number: int
    failure: Failure
    text_salvaged: str | None = None
