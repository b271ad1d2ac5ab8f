"""Sentences of a document or a film, each with the segment and the block that holds it. No model, no language packs.

Splits after sentence marks of any script, but not after initials, common abbreviations or numbers; headings and table
rows are sentences of their own kind. About 20 µs a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from model.plain_text import strip_markup
from model.protocol import AssetText, Block, Box, Evidence, FilmText, PageText, ShotText

SentenceKind = Literal["heading", "text", "row"]
_LEFT_OUT = frozenset({"header", "footer"})
_ROW = re.compile(r"<tr\b[^>]*>(.*?)</tr>", re.S | re.I)
_SPLIT = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[^\W_])|(?<=[。！？؟।])\s*")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[^\W\d_]|Mr|Mrs|Ms|Dr|Prof|St|No|Nos|Nr|Fig|Figs|Eq|Sec|Vol|Ed|Inc|Ltd|Co|Corp|vs|cf|al|e\.g|i\.e|"
    r"z\.B|d\.h|bzw|usw|ca|approx|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|Art|Abs|M|Mme)\.$"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A verbatim sentence. ``order`` counts over the whole document; ``block`` counts its blocks.

    ``segment`` is its page or shot; of a film, ``start_s`` to ``end_s`` is when it stood on the screen.
    """

    text: str
    kind: SentenceKind
    segment: int
    bbox: Box | None
    order: int
    block: int
    start_s: float | None = None
    end_s: float | None = None

    @property
    def evidence(self) -> Evidence:
        """The sentence as evidence for itself."""
        page_number = self.segment if self.start_s is None else None
        return Evidence(self.text, page_number, self.start_s, self.end_s, self.bbox)


def sentences_of(asset: AssetText) -> list[Sentence]:
    """All sentences of a document or a film in reading order."""
    found: list[Sentence] = []
    number = 0
    segments: tuple[PageText, ...] | tuple[ShotText, ...] = asset.shots if isinstance(asset, FilmText) else asset.pages
    for segment in segments:
        for block in segment.blocks or (Block("text", segment.text),):
            if block.kind in _LEFT_OUT or not block.text.strip():
                continue
            number += 1
            kind: SentenceKind = "heading" if block.kind == "heading" else "row" if block.kind == "table" else "text"
            place, start_s, end_s = _where(segment, block)
            for text in _pieces(block):
                found.append(Sentence(text, kind, place, block.bbox, len(found), number, start_s, end_s))
    return found


def _where(segment: PageText | ShotText, block: Block) -> tuple[int, float | None, float | None]:
    """(page or shot, start, end) of a block; a film's block without times was there for its whole shot."""
    if isinstance(segment, PageText):
        return segment.page_number, None, None
    start_s = segment.start_s if block.start_s is None else block.start_s
    return segment.shot_number, start_s, segment.end_s if block.end_s is None else block.end_s


def _pieces(block: Block) -> Iterator[str]:
    if block.kind == "table":
        rows = _ROW.findall(block.text) or block.text.splitlines()
        yield from (words for row in rows if (words := strip_markup(row)))
    elif block.kind == "heading":
        yield strip_markup(block.text)
    else:
        yield from split_sentences(strip_markup(block.text))


def split_sentences(text: str) -> Iterator[str]:
    """Sentences of one paragraph, verbatim."""
    start = 0
    for match in _SPLIT.finditer(text):
        piece = text[start : match.end()].strip()
        if not piece or _ABBREVIATION.search(text[start : match.start()].rstrip("\"'”’)]")):
            continue
        if text[match.end() : match.end() + 1].islower() and piece[-1] in ".…":
            continue
        yield piece
        start = match.end()
    rest = text[start:].strip()
    if rest:
        yield rest
