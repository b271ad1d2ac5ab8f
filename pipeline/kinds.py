"""The kinds of file that are read, declared once: what they belong to, their names' endings, what they are called.

Content decides what a file is (``decode/probe.py``); endings decide which files a listing takes. Plain constants.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal["pdf", "image", "video", "audio", "subtitles"]
Media = Literal["documents", "videos"]


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind. ``watched`` files have a length in seconds and are cut into shots, the others into pages."""

    kind: Kind
    media: Media
    singular: str
    plural: str
    endings: frozenset[str]
    watched: bool = False

    @property
    def suffixes(self) -> frozenset[str]:
        """The endings with their dots."""
        return frozenset(f".{ending}" for ending in self.endings)


def _endings(words: str) -> frozenset[str]:
    return frozenset(words.split())


FILE_KINDS: Final[Mapping[str, FileKind]] = {
    declared.kind: declared
    for declared in (
        FileKind("pdf", "documents", "PDF", "PDFs", _endings("pdf")),
        FileKind("image", "documents", "image", "images", _endings("png jpg jpeg tif tiff webp bmp heic heif avif")),
        FileKind(
            "video",
            "videos",
            "video",
            "videos",
            _endings(
                "mp4 m4v mov qt 3gp 3g2 f4v mkv webm avi divx ts m2ts mts m2t mpg mpeg mpe m2v vob mxf gxf wmv asf ogv "
                "ogm wtv dv rm rmvb flv gif nut ivf h264 hevc y4m mjpeg pva nsv amv"
            ),
            watched=True,
        ),
        FileKind("audio", "videos", "audio file", "audio files", _endings("mp3 m4a wav flac ogg opus"), watched=True),
        FileKind("subtitles", "videos", "subtitle file", "subtitle files", _endings("srt vtt ass ssa smi sami")),
    )
}
EVERY_KIND: Final[tuple[Kind, ...]] = tuple(declared.kind for declared in FILE_KINDS.values())
KINDS: Final[dict[Media, tuple[Kind, ...]]] = {
    media: tuple(declared.kind for declared in FILE_KINDS.values() if declared.media == media)
    for media in get_args(Media)
}
WATCHED: Final[frozenset[Kind]] = frozenset(declared.kind for declared in FILE_KINDS.values() if declared.watched)


def kinds_inside(kinds: Collection[Kind]) -> tuple[Kind, ...]:
    """Which of the kinds that a run reads it also reads where they lie inside a file: not what belongs to others."""
    return tuple(kind for kind in EVERY_KIND if kind in kinds and kind != "subtitles")
