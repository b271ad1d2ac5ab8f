"""Sentences of a document or a video, each with the segment and the block that holds it. No model, no language packs.

Splits after sentence marks of any script, but not after initials, common abbreviations or numbers; headings and table
rows are sentences of their own kind. About 20 µs a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from folioscope.model.embedded.named_rows import NamedCell, NamedRow, named_rows
from folioscope.model.plain_text import strip_markup
from folioscope.model.protocol import AssetText, Block, Box, Evidence, PageText, ShotText, VideoText
from folioscope.model.spoken import main_track, passages, tracks_of

SentenceKind = Literal["heading", "text", "row", "names"]  # names: of a table's columns
_LEFT_OUT = frozenset({"header", "footer", "comment"})
_SPLIT = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[^\W_])|(?<=[。！？؟।])\s*")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[^\W\d_]|Mr|Mrs|Ms|Dr|Prof|St|No|Nos|Nr|Fig|Figs|Eq|Sec|Vol|Ed|Inc|Ltd|Co|Corp|vs|cf|al|e\.g|i\.e|"
    r"z\.B|d\.h|bzw|usw|ca|approx|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Art|Abs|M|Mme)\.$"
)
_DOTTED = re.compile(r"(?:^|[\s(])(?:[^\W\d_]\.)+[^\W\d_]\.$")  # U.S., e.g.: they end a sentence now and then
_NUMBERED = re.compile(
    r"\W*(?:table|figure|fig\.|exhibit|chart|tabelle|abb\.|abbildung|tableau|tabla|figura)\s*[\w.]*\d", re.I
)
_STARTER = re.compile(
    r"[\"'“‘(\[]*(?:The|This|These|That|Those|It|In|On|At|As|A|An|He|She|They|We|I|But|However|For|After|When|There|If)\b"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A verbatim sentence. ``order`` counts over the whole document; ``block`` counts its blocks.

    ``segment`` is its page or shot; of a video, ``start_s`` to ``end_s`` is when it stood on the screen.
    """

    text: str
    kind: SentenceKind
    segment: int
    bbox: Box | None
    order: int
    block: int
    start_s: float | None = None
    end_s: float | None = None
    cells: tuple[NamedCell, ...] = ()  # of a table's row

    @property
    def evidence(self) -> Evidence:
        """The sentence as evidence for itself."""
        page_number = self.segment if self.start_s is None else None
        return Evidence(self.text, page_number, self.start_s, self.end_s, self.bbox)


def sentences_of(asset: AssetText, *, main_track_alone: bool = False) -> list[Sentence]:
    """All sentences of a document or a video in reading order; of a shot, what is said comes after what is seen.

    ``main_track_alone``: of what is subtitled and said, one track, in the video's own language.
    """
    found: list[Sentence] = []
    number = 0
    said = _said(asset, main_track_alone) if isinstance(asset, VideoText) else {}
    segments: tuple[PageText, ...] | tuple[ShotText, ...] = asset.shots if isinstance(asset, VideoText) else asset.pages
    for segment in segments:
        for block in segment.blocks or (Block("text", segment.text),):
            if block.kind in _LEFT_OUT or block.is_cue or not block.text.strip():
                continue
            number += 1
            kind = _kind(block)
            place, start_s, end_s = _where(segment, block)
            for text, row in _pieces(block):
                what: SentenceKind = "names" if row is not None and row.is_head else kind
                cells = row.cells if row is not None else ()
                found.append(Sentence(text, what, place, block.bbox, len(found), number, start_s, end_s, cells))
        if isinstance(segment, ShotText):
            for text, start_s, end_s in said.get(segment.shot_number, ()):
                number += 1
                found.append(Sentence(text, "text", segment.shot_number, None, len(found), number, start_s, end_s))
    return found


def _kind(block: Block) -> SentenceKind:
    if block.kind == "caption" and _NUMBERED.match(block.text):
        return "heading"  # it names a table or figure, and what it says stands in that
    return "heading" if block.kind == "heading" else "row" if block.kind == "table" else "text"


def _said(video: VideoText, main_track_alone: bool) -> dict[int, list[tuple[str, float, float]]]:
    """By shot, the sentences (words, start, end) of subtitles and speech that begin in it."""
    found: dict[int, list[tuple[str, float, float]]] = {}
    wanted = main_track(video, in_sentences=True) if main_track_alone else None
    for track, cues in tracks_of(video.shots).items():
        if main_track_alone and track != wanted:
            continue
        for passage in passages(cues):
            text, place = passage.text, 0
            for piece in split_sentences(text):
                place = text.index(piece, place)
                shot_number, start_s, end_s = passage.at(place, place + len(piece) - 1)
                found.setdefault(shot_number, []).append((piece, start_s, end_s))
                place += len(piece)
    return found


def _where(segment: PageText | ShotText, block: Block) -> tuple[int, float | None, float | None]:
    """(page or shot, start, end) of a block; a video's block without times was there for its whole shot."""
    if isinstance(segment, PageText):
        return segment.page_number, None, None
    start_s = segment.start_s if block.start_s is None else block.start_s
    return segment.shot_number, start_s, segment.end_s if block.end_s is None else block.end_s


def _pieces(block: Block) -> Iterator[tuple[str, NamedRow | None]]:
    if block.kind == "table":
        rows = named_rows(block.text)
        if rows:
            yield from ((row.text, row) for row in rows)
        else:
            yield from ((words, None) for row in block.text.splitlines() if (words := strip_markup(row)))
    elif block.kind == "heading":
        yield strip_markup(block.text), None
    else:
        yield from ((text, None) for text in split_sentences(strip_markup(block.text)))


def split_sentences(text: str) -> Iterator[str]:
    """Sentences of one paragraph, verbatim."""
    start = 0
    for match in _SPLIT.finditer(text):
        piece, before = text[start : match.end()].strip(), text[start : match.start()].rstrip("\"'”’)]")
        if not piece or _ABBREVIATION.search(before):
            continue
        if _DOTTED.search(before) and not _STARTER.match(text, match.end()):
            continue
        if text[match.end() : match.end() + 1].islower() and piece[-1] in ".…":
            continue
        yield piece
        start = match.end()
    rest = text[start:].strip()
    if rest:
        yield rest
