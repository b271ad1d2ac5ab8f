"""Search over what a run published: pages and shots of the whole archive by BM25, best first, each with its quote.

The words of the current pages and shots are indexed once for each run and kept in a cache folder of this machine,
never in the output; a later question costs milliseconds. Indexing reads the segments files once, wherever the output
lies, and takes about 0.7 ms and 5 KB of memory for each page of 300 words.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from model.plain_text import strip_markup
from model.words import content_tokens, tokens
from pipeline.bm25 import Index, IndexWriter
from pipeline.manifest import load_manifest
from pipeline.published import open_views
from pipeline.store import OutputStore

SegmentKind = Literal["page", "shot"]
VERSION: Final = "2"  # of the index and of how words are cut
QUOTE_WORDS = 40
BATCH_ROWS = 2048
_ROWS = "rows.parquet"
_ROW = pa.schema([("asset_id", pa.string()), ("kind", pa.string()), ("segment", pa.int32())])
_WORDS = """
    SELECT asset_id, 'page' AS kind, segment, text, caption FROM pages
    UNION ALL
    SELECT asset_id, 'shot' AS kind, segment, text, caption FROM shots
"""
_SHOWN = """
    WITH shown AS (
        SELECT asset_id, segment, uri, page_number, NULL::DOUBLE AS start_s, NULL::DOUBLE AS end_s, text, blocks,
               caption
        FROM pages
        UNION ALL
        SELECT asset_id, segment, uri, NULL, start_s, end_s, text, blocks, caption FROM shots
    )
    SELECT * FROM shown WHERE asset_id IN ({assets}) AND (asset_id, segment) IN ({keys})
"""


class NothingPublishedError(Exception):
    """The output holds nothing that could be searched; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One page or shot. ``start_s`` to ``end_s`` is when the quote stood on the screen.

    ``source`` says whether the quote is text that was read there, or the model's caption.
    """

    uri: str
    kind: SegmentKind
    segment: int
    page_number: int | None
    start_s: float | None
    end_s: float | None
    quote: str
    source: Literal["text", "caption"]
    score: float

    @property
    def place(self) -> str:
        return f"page {self.page_number}" if self.start_s is None else clock(self.start_s)


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class ArchiveSearch:
    """One output's current pages and shots, opened for questions. Close it when done."""

    def __init__(self, store: OutputStore, cache: Path | None = None) -> None:
        """Raises :class:`NothingPublishedError`, ``ManifestError``."""
        manifest = load_manifest(store)
        if not manifest.run_id:
            raise NothingPublishedError(
                f"{store.uri} holds no manifest.json: no run has published there. Give the --output of a finished run."
            )
        self._db = open_views(store)
        folder = (cache or default_cache()) / _digest(store.uri) / f"{manifest.run_id}-{VERSION}"
        if not folder.is_dir():
            _build(self._db, folder)
        rows = pq.read_table(folder / _ROWS)
        self._assets, self._segments = rows["asset_id"], rows["segment"].to_numpy()
        self._is_shot = np.asarray(rows["kind"].to_numpy(zero_copy_only=False) == "shot")
        self._index = Index(folder)

    def close(self) -> None:
        self._db.close()

    def find(self, query: str, limit: int, kind: SegmentKind | None = None) -> list[Hit]:
        """The best pages and shots for a query, best first; [] where none holds any of its words."""
        wanted = content_tokens(query) or tokens(query)
        scores = self._index.scores(wanted)
        if not scores.any():
            return []
        if kind is not None:
            scores = np.where(self._is_shot == (kind == "shot"), scores, 0.0)
        best = np.argpartition(-scores, min(limit, len(scores)) - 1)[:limit]
        ranked = sorted((int(row) for row in best if scores[row] > 0), key=lambda row: (-scores[row], row))
        return self._hits(ranked, scores, frozenset(wanted))

    def _hits(self, ranked: Sequence[int], scores: NDArray[np.float32], wanted: frozenset[str]) -> list[Hit]:
        """The segments' text, read in one query, and the quotes in them."""
        keys = [(self._assets[row].as_py(), int(self._segments[row])) for row in ranked]
        if not keys:
            return []
        assets = sorted({asset_id for asset_id, _ in keys})
        sql = _SHOWN.format(assets=", ".join("?" * len(assets)), keys=", ".join(["(?, ?)"] * len(keys)))
        found = self._db.execute(sql, [*assets, *(value for key in keys for value in key)]).fetchall()
        shown = {(row[0], row[1]): row[2:] for row in found}
        return [self._hit(row, shown[key], wanted, float(scores[row])) for row, key in zip(ranked, keys, strict=True)]

    def _hit(self, row: int, shown: tuple[Any, ...], wanted: frozenset[str], score: float) -> Hit:
        uri, page_number, start_s, end_s, text, blocks, caption = shown
        quote = _best_passage(list(_passages(text or "", blocks or (), caption or "", wanted)), wanted)
        if quote.span is not None:
            start_s, end_s = quote.span
        kind: SegmentKind = "shot" if self._is_shot[row] else "page"
        segment = int(self._segments[row])
        return Hit(uri, kind, segment, page_number, start_s, end_s, quote.words, quote.source, round(score, 4))


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "folioscope" / "search"


def _digest(uri: str) -> str:
    return hashlib.sha256((uri if "://" in uri else str(Path(uri).resolve())).encode()).hexdigest()[:16]


def _build(database: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Index the current segments; the folder appears when it is whole, and older runs' indices go."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unfinished-", dir=folder.parent, ignore_cleanup_errors=True) as unfinished:
        _write_index(database, Path(unfinished))
        try:
            Path(unfinished).rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker, and its index is the same
                raise
    for older in folder.parent.iterdir():
        if older != folder and not older.name.startswith("."):
            shutil.rmtree(older, ignore_errors=True)


def _write_index(database: duckdb.DuckDBPyConnection, folder: Path) -> None:
    writer = IndexWriter()
    with pq.ParquetWriter(folder / _ROWS, _ROW) as rows:
        found = database.execute(_WORDS)
        while batch := found.fetchmany(BATCH_ROWS):  # streamed: the archive's text is never held whole
            for _, _, _, text, caption in batch:
                writer.add(tokens(strip_markup(f"{text or ''}\n{caption or ''}")))
            columns = list(zip(*batch, strict=True))[: len(_ROW)]
            rows.write_table(pa.table([pa.array(*pair) for pair in zip(columns, _ROW.types, strict=True)], schema=_ROW))
    writer.save(folder)


@dataclass(frozen=True, slots=True)
class _Passage:
    """A block's words, or a caption's. ``span`` is when they stood on the screen, where that is known."""

    words: str
    held: frozenset[str]
    source: Literal["text", "caption"] = "text"
    span: tuple[float, float] | None = None


def _best_passage(passages: Sequence[_Passage], wanted: frozenset[str]) -> _Passage:
    """The passage that holds most of the wanted words, the first of equals; short neighbours that add some join it."""
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
    return _Passage(shortened(words, wanted), best.held, best.source, span)


def _adds(chosen: Sequence[_Passage], other: _Passage) -> bool:
    held = frozenset().union(*(passage.held for passage in chosen))
    words = sum(len(passage.words.split()) for passage in (*chosen, other))
    return other.source == chosen[0].source and words <= QUOTE_WORDS and bool(other.held - held)


def _passages(text: str, blocks: Sequence[dict[str, Any]], caption: str, wanted: frozenset[str]) -> Iterator[_Passage]:
    """The segment's passages; running heads and feet are not searched."""
    shown = [block for block in blocks if block["text"] and block["kind"] not in ("header", "footer")]
    for block in shown:
        words = strip_markup(block["text"])
        span = None if block["start_s"] is None else (block["start_s"], block["end_s"])
        yield _Passage(words, wanted.intersection(tokens(words)), span=span)
    if not shown:
        yield _Passage(strip_markup(text), wanted.intersection(tokens(text)))
    if caption:
        yield _Passage(caption, wanted.intersection(tokens(caption)), "caption")


def shortened(passage: str, wanted: frozenset[str]) -> str:
    """The stretch of a passage, forty words at most, that holds most of the wanted words."""
    pieces = list(re.finditer(r"\S+", passage))
    if len(pieces) <= QUOTE_WORDS:
        return passage
    hits = np.array([bool(wanted & set(tokens(piece[0]))) for piece in pieces], int)
    sums = np.convolve(hits, np.ones(QUOTE_WORDS, int), "valid")
    first = int(sums.argmax())
    if sums[first] == hits[first : first + QUOTE_WORDS].sum() and hits[first:].any():
        lead = int(hits[first:].argmax())  # let the words stand in the middle of the quote rather than at its end
        first = min(max(0, first + lead - QUOTE_WORDS // 4), len(pieces) - QUOTE_WORDS)
    last = first + QUOTE_WORDS - 1
    cut = passage[pieces[first].start() : pieces[last].end()]
    return f"{'… ' if first else ''}{cut}{' …' if last < len(pieces) - 1 else ''}"
