"""Subtitle tracks and subtitle files as cues, by FFmpeg through PyAV. In a decode child.

A video's tracks are read in one pass over its packets, of which only the subtitles' are decoded: the price is reading
the file once more, and nothing where it has no such track. Words come out plain, without positions, colours and
drawings. Tracks of pictures (Blu-ray, DVD, DVB) give pictures, which whoever asked has to recognise. A file beside
the video that is not in Unicode is taken to be in its language's old encoding, else in what its bytes look like most.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from charset_normalizer import from_bytes

from folioscope.model.protocol import RgbImage
from folioscope.pipeline.decode.containers import options
from folioscope.pipeline.decode.subtitle_cues import SUBTITLE_ENDINGS, CuesEnd, PictureCue
from folioscope.pipeline.decode.subtitle_palettes import Palette, PaletteReader, palette_reader
from folioscope.pipeline.decode.video import Video, reason_words
from folioscope.pipeline.decode.video_index import VIDEO_ERRORS
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.video.cues import Cue, language_tag

MAX_FILE_BYTES = 32 << 20
MAX_CUES = 200_000  # of one file: more are no subtitles
LONGEST_S = 3600.0  # a track that tells no end of a cue tells a senseless one
UNTOLD_S = 5.0  # how long the last cue of a track stays that tells no end
PACKETS_AT_ONCE = 2000
UNREAD: Final = "subtitles_unread"  # a track that nothing here decodes
TELLING_BYTES = 64  # beyond ASCII: fewer do not tell an encoding
_OLD_ENCODINGS: Final = {
    **dict.fromkeys(("ru", "uk", "be", "bg", "sr", "mk"), "cp1251"),
    **dict.fromkeys(("pl", "cs", "sk", "hu", "sl", "hr", "bs", "ro", "sq"), "cp1250"),
    "el": "cp1253",
    "tr": "cp1254",
    "he": "cp1255",
    "ar": "cp1256",
    "fa": "cp1256",
    "vi": "cp1258",
    "th": "cp874",
    **dict.fromkeys(("lt", "lv", "et"), "cp1257"),
    "ja": "cp932",
    "zh": "gb18030",
    "ko": "cp949",
    **dict.fromkeys(("de", "en", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "no", "fi", "is", "ca"), "cp1252"),
}
_BOMS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_HEADS: Final = (
    ("webvtt", re.compile(r"\s*WEBVTT")),
    ("ass", re.compile(r"\s*\[Script Info\]", re.I)),
    ("sami", re.compile(r"\s*<SAMI\b", re.I)),
    ("srt", re.compile(r"(?m)^\d{1,3}:\d\d:\d\d[,.]\d{1,3}\s*-->")),
)
_OVERRIDE = re.compile(r"\{\\[^}]*\}")
_BRACES = re.compile(r"\{[^}]*\}")
_DRAWING = re.compile(r"\{[^}]*\\p[1-9][^}]*\}.*?(?:\{[^}]*\\p0[^}]*\}|$)", re.S)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


Found = Cue | PictureCue


def read_tracks(video: Video) -> Iterator[list[Found] | CuesEnd]:
    """The cues of all subtitle tracks of a video, some at a time (now and then none), then a CuesEnd."""
    try:
        container = av.open(str(video.path), metadata_errors="replace", options=options())
    except VIDEO_ERRORS as error:
        raise Failure(
            Reason.DAMAGED_FILE, f"{video.name}: its subtitles do not open ({reason_words(error)})"
        ) from error
    with container:
        tracks = _tracks(container)
        notes = (UNREAD,) if any(track.codec is None for track in tracks.values()) else ()
        wanted = {number: track for number, track in tracks.items() if track.codec is not None}
        if wanted:
            origin_s = float(video.index.origin * video.index.time_base)
            yield from _demuxed(container, wanted, origin_s)
    yield CuesEnd(notes)


def read_subtitle_file(path: Path, name: str, track: str, language: str | None) -> list[Cue]:
    """All cues of a file beside a video.

    Raises:
        Failure: damaged_file where it cannot be read as subtitles, too_large.
    """
    data = path.read_bytes()
    if len(data) > MAX_FILE_BYTES:
        raise Failure(Reason.TOO_LARGE, f"{name}: {len(data) >> 20} MiB are more subtitles than any video has")
    text = _decoded(data, language)
    form = _form(text) or SUBTITLE_ENDINGS.get(name.rpartition(".")[2].lower(), "srt")
    try:
        with av.open(io.BytesIO(text.encode()), format=form) as container:
            tracks = {number: _renamed(one, track, language) for number, one in _tracks(container).items()}
            found = [cue for batch in _demuxed(container, tracks, 0.0) for cue in batch if isinstance(cue, Cue)]
    except VIDEO_ERRORS as error:
        raise Failure(
            Reason.DAMAGED_FILE, f"{name}: it cannot be read as subtitles ({reason_words(error)}); mend it or remove it"
        ) from error
    if not found and _form(text) is None:
        raise Failure(Reason.DAMAGED_FILE, f"{name}: it holds no subtitle that could be read; mend it or remove it")
    return found


def _form(text: str) -> str | None:
    return next((form for form, head in _HEADS if head.match(text) or (form == "srt" and head.search(text))), None)


def _decoded(data: bytes, language: str | None) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    with suppress(UnicodeDecodeError):
        return data.decode("utf-8")
    with suppress(UnicodeDecodeError, LookupError):
        return data.decode(_OLD_ENCODINGS[(language or "").partition("-")[0]])
    best = from_bytes(data).best() if sum(byte > 127 for byte in data) >= TELLING_BYTES else None
    return data.decode("cp1252", "replace") if best is None else str(best)


@dataclass(slots=True)
class _Track:
    """One track on the way. ``open`` are cues of which the end is not yet known: the next event ends them."""

    name: str
    language: str | None
    codec: Any
    is_ass: bool
    palettes: PaletteReader | None = None  # of a track of pictures
    open: list[Found] = field(default_factory=list)
    count: int = 0


def _tracks(container: Any) -> dict[int, _Track]:
    """The subtitle tracks by stream number; ``codec`` is None where nothing decodes one."""
    tracks: dict[int, _Track] = {}
    for stream in container.streams.subtitles:
        codec = stream.codec_context
        name = f"track:{len(tracks) + 1}"
        title = " ".join(str(stream.metadata.get("title", "")).split())
        is_ass = codec is not None and codec.name in ("ass", "ssa")
        palettes = palette_reader(codec) if codec is not None else None
        language = language_tag(stream.metadata.get("language"))
        tracks[stream.index] = _Track(f"{name} {title}".strip()[:80], language, codec, is_ass, palettes)
    return tracks


def _renamed(track: _Track, name: str, language: str | None) -> _Track:
    return _Track(name, language or track.language, track.codec, track.is_ass)


def _demuxed(container: Any, tracks: dict[int, _Track], origin_s: float) -> Iterator[list[Found]]:
    """Cues as they come, after every so many packets of the file: whoever waits sees that it goes on."""
    batch: list[Found] = []
    packets = container.demux()
    number = 0
    while True:
        try:
            packet = next(packets, None)
        except VIDEO_ERRORS:  # the file ends within a packet: the index of its pictures has said so
            packet = None
        if packet is None:
            break
        track = tracks.get(packet.stream_index)
        if track is not None and packet.size and packet.pts is not None and track.count < MAX_CUES:
            batch += _taken(track, packet, origin_s)
        number += 1
        if number % PACKETS_AT_ONCE == 0:
            yield batch
            batch = []
    for track in tracks.values():
        batch += _ended(track, None)
    yield batch


def _taken(track: _Track, packet: Any, origin_s: float) -> list[Found]:
    """What is whole once this packet is known."""
    start_s = max(0.0, round(float(packet.pts * packet.time_base) - origin_s, 6))
    try:
        event = track.codec.decode2(packet)
    except VIDEO_ERRORS:  # one damaged cue: its neighbours are read
        return []
    if event is None:
        return []
    done = _ended(track, start_s)
    length_s = float((packet.duration or 0) * packet.time_base)
    if not length_s and 0 < event.end_display_time < LONGEST_S * 1000:
        length_s = event.end_display_time / 1000
    end_s = round(start_s + length_s, 6) if 0 < length_s < LONGEST_S else start_s
    rects = list(event)
    track.count += len(rects)
    words = "\n".join(line for rect in rects if isinstance(line := _words(rect, track), str) and line)
    found: list[Found] = [Cue(start_s, end_s, words, track.name, track.language)] if words else []
    palette = track.palettes.of(bytes(packet)) if track.palettes is not None else None
    pictures = sorted((rect for rect in rects if rect.type == b"bitmap"), key=lambda rect: (rect.y, rect.x))
    if pictures:
        found.append(
            PictureCue(
                start_s, end_s, track.name, track.language, _stacked([_picture(rect, palette) for rect in pictures])
            )
        )
    if end_s > start_s and not pictures:
        return done + found
    track.open = found  # pictures told to stay long are often wiped sooner
    return done


def _ended(track: _Track, at_s: float | None) -> list[Found]:
    """The open cues, which end now at the latest, or where their track ends."""
    ended: list[Found] = []
    for cue in track.open:
        told = cue.end_s if cue.end_s > cue.start_s else None
        end_s = min(end for end in (told, at_s, cue.start_s + LONGEST_S) if end is not None)
        if told is None and at_s is None:
            end_s = cue.start_s + UNTOLD_S
        end_s = max(cue.start_s, end_s)
        if isinstance(cue, Cue):
            ended.append(Cue(cue.start_s, end_s, cue.text, cue.track, cue.language))
        else:
            ended.append(PictureCue(cue.start_s, end_s, cue.track, cue.language, cue.image))
    track.open = []
    return ended


def _words(rect: Any, track: _Track) -> str | None:
    """The words of one event; None where it is a picture."""
    if rect.type == b"bitmap":
        return None
    return plain_words(rect.ass.decode("utf-8", "replace"), comments=track.is_ass)


def plain_words(event: str, *, comments: bool = False) -> str:
    """The words of an ASS event, its lines parted. ``comments``: text in braces is one, as ASS files have them."""
    text = event.split(",", 8)[-1]
    text = _DRAWING.sub("", text)
    text = (_BRACES if comments else _OVERRIDE).sub("", text)
    text = text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    lines = (" ".join(_TAG.sub("", line).replace("\u00a0", " ").split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _picture(rect: Any, palette: Palette | None) -> RgbImage:
    """A picture of words, on black where they are light and on white where they are dark."""
    shown = np.frombuffer(rect.planes[0], np.uint8).reshape(rect.height, -1)[:, : rect.width]
    if palette is None:  # the commonest colour is what lies behind the words
        ground = int(np.bincount(shown.reshape(-1), minlength=256).argmax())
        return np.repeat(np.where(shown == ground, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    colours = palette[shown].astype(np.float32)  # red, green, blue, opacity
    opacity = colours[..., 3:] / 255
    solid = opacity[..., 0] > 0.5
    light = bool(solid.any()) and float((colours[..., :3].mean(axis=2)[solid] > 128).mean()) > 0.2
    mixed = colours[..., :3] * opacity + (0.0 if light else 255.0) * (1 - opacity)
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def _stacked(shown: Sequence[RgbImage]) -> RgbImage:
    """Pictures of one moment one above the other, on the ground of the first."""
    if len(shown) == 1:
        return shown[0]
    width = max(image.shape[1] for image in shown)
    ground = int(shown[0][0, 0].mean() > 128) * 255
    rows = [np.pad(image, ((4, 4), (0, width - image.shape[1]), (0, 0)), constant_values=ground) for image in shown]
    return np.asarray(np.concatenate(rows), np.uint8)
