"""What crosses from a decode child to its actor: settings in; probes, pages and shots out. Plain data, safe to pickle.

No decoder is imported here: an actor has its child for that, and MuPDF with its layout network takes 0.7 s and 100 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from folioscope.model.protocol import (
    Chapter,
    Frame,
    PageInput,
    Reading,
    Reduced,
    RgbImage,
    SegmentInput,
    ShotInput,
    TextLayer,
    reduced,
)
from folioscope.pipeline.failures import Failure
from folioscope.pipeline.grounding.reference import Reference, ReferenceMode
from folioscope.pipeline.kinds import Kind
from folioscope.pipeline.video.cues import Cue

Layout = Literal["auto", "fast", "full"]
VideoDecoder = Literal["pyav", "decord"]
Route = Literal["auto", "model", "layer"]
PageReader = Literal["layer", "ocr", "model"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a file. ``kind`` is None where it is none that is read here."""

    name: str
    size: int | None
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A bookmark of a document, of level 1 and more; ``page_number`` is None where it leads to no page of it."""

    level: int
    title: str
    page_number: int | None


@dataclass(frozen=True, slots=True)
class Probe:
    """What a look into a file tells. ``width_px`` and ``height_px`` are those of the upright picture."""

    kind: Kind
    page_count: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    title: str | None = None
    video: VideoFacts | None = None
    attachments: tuple[Attachment, ...] = ()
    outline: tuple[OutlineEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What a video's streams tell. ``rotation`` is the clockwise turn that makes its frames upright, but for a mirror
    image where they are ``mirrored``; ``pixel_aspect`` how many times as wide as high a stored pixel is shown.
    """

    duration_s: float
    fps: float | None
    variable_fps: bool
    rotation: int
    container: str
    codec: str
    has_audio: bool
    mirrored: bool = False
    pixel_aspect: float = 1.0
    interlaced: bool = False
    timecode: str | None = None
    created_at: datetime | None = None
    tracks: tuple[TrackFacts, ...] = ()
    chapters: tuple[Chapter, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """One track of a container. ``kind`` is video, audio, subtitle, data or attachment; ``flags`` are its dispositions:
    default, forced, hearing_impaired and so on."""

    index: int
    kind: str
    codec: str | None
    language: str | None
    title: str | None
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How pages and frames are decoded. All of it decides the result, so all of it is in the read recipe.

    ``layout``: ``fast`` orders the text layer by our own rules (about 10 ms a page), ``full`` runs PyMuPDF's layout
    network and table finder (about 1 s a page), ``auto`` does so where a page is more than plain prose. ``render``:
    ``always``, or ``when_needed`` where the replica reads usable text layers as they are. ``max_pixels`` caps one
    rendered page or one frame; the scale is lowered to fit. ``thumbnail_px`` is the longest side of the small picture
    kept in the row; 0 keeps none. ``video_decoder`` picks the frames of videos (``pipeline/decode/frames.py`` has what
    speaks for each). ``route`` says which pages are for the model, by the rules whose version is ``route_rules``
    (``pipeline/decode/routing.py``); None where the replica reads layers and pictures alike. ``reference`` says who
    reads a page besides the model, ``reference_share`` how many of those without a usable layer are recognised in
    full, ``reference_reader`` what recognises them (``pipeline/decode/reference.py``).
    """

    dpi: int = 144
    layout: Layout = "auto"
    render: Literal["always", "when_needed"] = "when_needed"
    max_pixels: int = 16_000_000
    thumbnail_px: int = 640
    video_decoder: VideoDecoder = "pyav"
    route: Route | None = None
    route_rules: str = ""
    reference: ReferenceMode = "none"
    reference_share: float = 1.0
    reference_reader: str = ""


@dataclass(frozen=True, slots=True)
class Routed:
    """Which reader a page goes to, and the name of the rule that says so."""

    reader: PageReader
    reason: str

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class DecodedPage:
    """One page, upright. ``rotation`` is the clockwise turn in degrees stored in the file and already applied.

    ``reading`` is that of a page that goes to no model: it is read where it is decoded. ``reference`` is what a second
    reader found on a page that goes to one.
    """

    page_number: int
    width_px: int
    height_px: int
    rotation: int
    image: RgbImage | None
    layer: TextLayer | None
    thumbnail: bytes | None = None
    routed: Routed | None = None
    reading: Reading | None = None
    reference: Reference | None = None

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
    glimpses: tuple[Frame, ...] = ()
    cues: tuple[Cue, ...] = ()  # subtitles and speech that fall into it


DecodedSegment = DecodedPage | DecodedShot


def segment_input(segment: DecodedSegment) -> SegmentInput:
    """A decoded page or shot as a replica takes it."""
    if isinstance(segment, DecodedShot):
        size = segment.width_px, segment.height_px
        return ShotInput(segment.shot_number, segment.start_s, segment.end_s, *size, segment.frames, segment.glimpses)
    return PageInput(segment.page_number, segment.width_px, segment.height_px, segment.image, segment.layer)


def own_reading(segment: DecodedSegment) -> Reading | None:
    """The reading of a page that was read where it was decoded, and is for no model."""
    return None if isinstance(segment, DecodedShot) else segment.reading


@dataclass(frozen=True, slots=True)
class FailedSegment:
    """A page or shot that could not be had."""

    page_number: int
    failure: Failure
    text_salvaged: str | None = None
