"""Sidecars: subtitle files that lie beside a video and bear its name, found in the listing.

``talk.srt``, ``talk.en.vtt``, ``talk.pt-BR.forced.ass`` and ``talk.mp4.srt`` belong to ``talk.mp4``; where several
videos would do, the one with the longest name in common is meant. What stands between the two names has to be a
language or a purpose: ``talk.part2.srt`` and ``talk.cut.srt`` are of other videos, whether those are there or not.
Costs a few look-ups in a dictionary for each file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from folioscope.pipeline.video.cues import language_tag

# Endings that tell for whom or for what a file is, not in which language. ``hi`` alone is Hindi.
_PURPOSES: Final = frozenset(
    "sdh cc hi forced full default signs songs commentary auto asr orig original translated sub subs subtitle "
    "subtitles caption captions transcript utf8 utf-8".split()
)
_NAMES: Final = dict(
    pair.split("=")
    for pair in (
        "english=en german=de deutsch=de french=fr français=fr spanish=es español=es italian=it italiano=it "
        "portuguese=pt português=pt brazilian=pt-BR dutch=nl russian=ru polish=pl czech=cs turkish=tr greek=el "
        "arabic=ar hebrew=he hindi=hi chinese=zh japanese=ja korean=ko swedish=sv danish=da norwegian=no finnish=fi "
        "hungarian=hu romanian=ro ukrainian=uk vietnamese=vi thai=th indonesian=id persian=fa catalan=ca croatian=hr"
    ).split()
)
# Languages without a code of two letters that subtitles are commonly in. Of the 7,000 other codes of three letters
# many are words: ``cut``, ``new``, ``old``.
_OF_THREE: Final = frozenset("yue cmn wuu nan fil ceb haw hmn ast gsw nds arz ary mul".split())
_MOST_PARTS = 3  # between the video's name and the ending


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A subtitle file and the video that it is of. ``track`` is what its name adds to the video's."""

    video: str
    uri: str
    language: str | None
    track: str


def match_sidecars(videos: Iterable[str], subtitles: Iterable[str]) -> Iterator[Sidecar]:
    """Each subtitle file with each video that it lies beside; a file with no video is left out."""
    by_name: dict[str, list[str]] = {}
    for uri in videos:
        by_name.setdefault(uri, []).append(uri)
        stem, dot, ending = uri.rpartition(".")
        if dot and "/" not in ending:
            by_name.setdefault(stem, []).append(uri)
    for uri in subtitles:
        name = uri.rpartition(".")[0]
        added: list[str] = []
        while len(added) <= _MOST_PARTS and name not in by_name:
            name, dot, part = name.rpartition(".")
            if not dot or "/" in part:
                break
            added.insert(0, part)
        if name in by_name and len(added) <= _MOST_PARTS and _are_told(added):
            for video in by_name[name]:
                yield Sidecar(video, uri, _language(added), _track(uri, added))


def _are_told(added: list[str]) -> bool:
    """Whether all of it is languages and purposes; a number may stand among them, as of one track of several."""
    words = [part for part in added if not part.isdigit()]
    return (not added or bool(words)) and all(_is_told(part) for part in words)


def _is_told(part: str) -> bool:
    return part.casefold() in _PURPOSES or _tag(part) is not None


def _tag(part: str) -> str | None:
    """The language that a part of a name tells."""
    named = _NAMES.get(part.casefold())
    tag = named or language_tag(part)
    primary = (tag or "").partition("-")[0]
    return tag if len(primary) == 2 or primary in _OF_THREE else None


def _language(added: list[str]) -> str | None:
    parts = [part for part in added if part.casefold() not in _PURPOSES]
    if not parts and [part.casefold() for part in added] == ["hi"]:
        parts = added
    return next((tag for part in parts if (tag := _tag(part)) is not None), None)


def _track(uri: str, added: list[str]) -> str:
    """Such as ``sidecar:en.forced.srt``: what tells one sidecar of a video from another."""
    return f"sidecar:{'.'.join([*added, uri.rpartition('.')[2]])}"
