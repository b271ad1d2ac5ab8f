"""What a video's container says of itself: how its pictures lie and come, its tracks, chapters and dates.

Nothing is decoded but the first frame, which is given. What a container says is a claim: values that cannot be true are
left out.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from av.sidedata.sidedata import Type as SideData

from folioscope.model.protocol import Chapter
from folioscope.pipeline.decode.pages import TrackFacts
from folioscope.pipeline.decode.title import clean_title

MOST_STRETCHED: Final = 4.0  # times as wide as high, or as high as wide, that a pixel can be
FIRST_YEAR: Final = 1970  # containers count from 1904 or 1970: where no date was set, that is what they say
MOST_CHAPTERS: Final = 10_000
_DATES: Final = ("creation_time", "com.apple.quicktime.creationdate", "date", "wm/wmrvencodetime", "modification_date")


@dataclass(frozen=True, slots=True)
class Lie:
    """How stored frames become upright: turned clockwise by ``rotation``, then mirrored left to right."""

    rotation: int = 0
    mirrored: bool = False


def lie_of(frame: Any) -> Lie:
    """By the frame's display matrix: from it come the direction of its rows and of its columns as shown."""
    matrix = None if frame is None else frame.side_data.get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return Lie()
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Lie(0 if d >= 0 else 180, mirrored=(a < 0) != (d < 0))
    return Lie(90 if b > 0 else 270, mirrored=(b > 0) == (c > 0))


def pixel_aspect(stream: Any) -> float:
    """How many times as wide as high a pixel is shown; 1 where the container does not say, or says what cannot be."""
    ratio = float(stream.sample_aspect_ratio or 0)
    return ratio if 1 / MOST_STRETCHED <= ratio <= MOST_STRETCHED else 1.0


def timecode(container: Any, stream: Any) -> str | None:
    """The time code of the first frame, as broadcasters write it."""
    told = [stream.metadata, container.metadata, *(other.metadata for other in container.streams)]
    found = (value for metadata in told for key, value in metadata.items() if key.lower() == "timecode")
    return next((clean_title(value) for value in found if value), None)


def created_at(container: Any, stream: Any) -> datetime | None:
    """When it was recorded, by the container's own word."""
    told = {key.lower(): value for key, value in (*stream.metadata.items(), *container.metadata.items())}
    for key in _DATES:
        try:
            moment = datetime.fromisoformat(told.get(key, "").strip())
        except ValueError:
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment.astimezone(UTC).year > FIRST_YEAR or (moment.year == FIRST_YEAR and moment.month > 1):
            return moment.astimezone(UTC).replace(microsecond=0)
    return None


def title_of(container: Any) -> str | None:
    return next((clean_title(value) for key, value in container.metadata.items() if key.lower() == "title"), None)


def tracks_of(container: Any) -> tuple[TrackFacts, ...]:
    """All tracks in the container's order."""
    return tuple(
        TrackFacts(
            stream.index,
            stream.type or "data",
            stream.codec_context.codec.canonical_name if stream.codec_context is not None else None,
            _language(stream.metadata.get("language")),
            clean_title(stream.metadata.get("title")),
            tuple(flag.name for flag in stream.disposition if flag.name),
        )
        for stream in container.streams
    )


def _language(code: str | None) -> str | None:
    clean = clean_title(code)
    return None if clean in (None, "und", "unk", "mis", "zxx") else clean


def chapters_of(container: Any, origin_s: float, duration_s: float) -> tuple[Chapter, ...]:
    """The container's chapters in order, those outside of its ``duration_s`` left out. Its clock is at ``origin_s``
    when the video or the sound begins."""
    found = []
    for number, chapter in enumerate(container.chapters()[:MOST_CHAPTERS], start=1):
        start_s, end_s = (float(chapter[edge] * chapter["time_base"]) - origin_s for edge in ("start", "end"))
        start_s, end_s = max(0.0, start_s), min(end_s, max(duration_s, start_s))
        if math.isfinite(start_s) and start_s < duration_s and end_s >= start_s:
            title = clean_title(chapter["metadata"].get("title")) or f"Chapter {number}"
            found.append(Chapter(title, start_s, end_s))
    return tuple(sorted(found, key=lambda chapter: chapter.start_s))
