"""The stretch of a page or shot that answers a query best, and which of its words were asked for.

Works on the rows that are shown alone, some ten a query; a page takes about a millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from folioscope.model.plain_text import strip_markup
from folioscope.model.protocol import CUE_KINDS
from folioscope.pipeline.search import analysis

Source = Literal["text", "subtitle", "speech", "caption", "name"]
QUOTE_WORDS: Final = 40


@dataclass(frozen=True, slots=True)
class Passage:
    """A block's words, or a caption's. ``span`` is when they were shown or said, where that is known."""

    words: str
    held: frozenset[str]
    source: Source = "text"
    span: tuple[float, float] | None = None


def best_passage(row: dict[str, Any], wanted: frozenset[str], name: str) -> Passage:
    """The passage of a segment's row that holds most of the wanted terms, cut to forty words.

    ``name`` is the file's, with its title: it is quoted where the words stand there alone.
    """
    language = row["language"]
    passages = list(_passages(row, wanted))
    best = _joined(passages, wanted, language)
    if not best.held and wanted.intersection(analysis.terms(name, language)):
        return Passage(name, wanted.intersection(analysis.terms(name, language)), "name")
    return best


def marked(text: str, wanted: frozenset[str], language: str | None) -> list[tuple[str, bool]]:
    """A text in pieces: (words, whether they were asked for)."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for word, start, end in analysis.words(text):
        if wanted.intersection(analysis.terms(word, language)):
            pieces += [(text[at:start], False)] if start > at else []
            pieces.append((text[start:end], True))
            at = end
    return [*pieces, (text[at:], False)] if at < len(text) else pieces


def _joined(passages: Sequence[Passage], wanted: frozenset[str], language: str | None) -> Passage:
    """The first of those that hold most; short neighbours that add some join it."""
    first = last = max(range(len(passages)), key=lambda n: (len(passages[n].held), -n))
    best = passages[first]
    while last + 1 < len(passages) and _adds(passages[first : last + 1], passages[last + 1]):
        last += 1
    while first > 0 and _adds(passages[first : last + 1], passages[first - 1]):
        first -= 1
    joined = passages[first : last + 1]
    spans = [passage.span for passage in joined if passage.span is not None]
    span = (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None
    words = " / ".join(passage.words for passage in joined)
    return Passage(shortened(words, wanted, language), best.held, best.source, span)


def _adds(chosen: Sequence[Passage], other: Passage) -> bool:
    held = frozenset().union(*(passage.held for passage in chosen))
    words = sum(len(passage.words.split()) for passage in (*chosen, other))
    return other.source == chosen[0].source and words <= QUOTE_WORDS and bool(other.held - held)


def _passages(row: dict[str, Any], wanted: frozenset[str]) -> Iterator[Passage]:
    """The segment's passages; running heads and feet are not searched, nor is speech that is not to be believed."""
    language = row["language"]
    shown = [
        block
        for block in row["blocks"] or ()
        if block["text"] and block["kind"] not in ("header", "footer") and not block["flags"]
    ]
    for block in shown:
        words = strip_markup(block["text"])
        span = None if block["start_s"] is None else (block["start_s"], block["end_s"])
        source: Source = block["kind"] if block["kind"] in CUE_KINDS else "text"
        yield Passage(words, wanted.intersection(analysis.terms(words, language)), source, span)
    if not shown:
        words = strip_markup(row["text"] or "")
        yield Passage(words, wanted.intersection(analysis.terms(words, language)))
    if row["caption"]:
        yield Passage(row["caption"], wanted.intersection(analysis.terms(row["caption"], language)), "caption")


def shortened(passage: str, wanted: frozenset[str], language: str | None = None) -> str:
    """The stretch of a passage, forty words at most, that holds most of the wanted words."""
    pieces = list(re.finditer(r"\S+", passage))
    if len(pieces) <= QUOTE_WORDS:
        return passage
    hits = np.array([bool(wanted.intersection(analysis.terms(piece[0], language))) for piece in pieces], int)
    sums = np.convolve(hits, np.ones(QUOTE_WORDS, int), "valid")
    first = int(sums.argmax())
    if sums[first] == hits[first : first + QUOTE_WORDS].sum() and hits[first:].any():
        lead = int(hits[first:].argmax())  # let the words stand in the middle of the quote rather than at its end
        first = min(max(0, first + lead - QUOTE_WORDS // 4), len(pieces) - QUOTE_WORDS)
    last = first + QUOTE_WORDS - 1
    cut = passage[pieces[first].start() : pieces[last].end()]
    return f"{'… ' if first else ''}{cut}{' …' if last < len(pieces) - 1 else ''}"
