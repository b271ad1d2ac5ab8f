"""The words of all texts, for a search without a server: an inverted index cut into pieces by the words' first letters.

A piece holds, for each of its words, in which segments of which documents it stands and how often. The page loads the
one piece that a typed word falls into. ``words`` and the page's ``search.js`` must cut text alike. Building takes about
5 µs a word; DuckDB keeps the list and spills to disk.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import chain, groupby
from operator import itemgetter

import duckdb
import pyarrow as pa

LONGEST = 40
_WORD = re.compile(r"[^\W_]+")
# Scripts written without spaces are indexed by pairs of characters: kana, Han, Hangul and Thai to Khmer.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)

_POSTINGS = pa.schema([("word", pa.string()), ("content", pa.int32()), ("segment", pa.int32()), ("times", pa.int32())])


def words(text: str) -> Iterator[str]:
    """The words of a text as they are compared: no accents, no capitals."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if unicodedata.category(c) != "Mn")
    for match in _WORD.finditer(unicodedata.normalize("NFC", folded)):
        yield from _pairs(match[0])


def _pairs(word: str) -> Iterator[str]:
    at = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > at:
            yield word[at : run.start()][:LONGEST]
        characters = run[0]
        yield from (characters[i : i + 2] for i in range(max(1, len(characters) - 1)))
        at = run.end()
    if at < len(word):
        yield word[at:][:LONGEST]


def bucket(word: str) -> str:
    """The piece that a word lies in, named by the code points of its first letters."""
    letters = word[:1] if ord(word[0]) >= 0x2E80 else word[:2]
    return "-".join(f"{ord(letter):x}" for letter in letters)


class SearchIndex:
    """Takes texts in, document by document, and gives the pieces."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db
        self._rows: list[tuple[str, int, int, int]] = []
        db.execute("CREATE TEMP TABLE postings (word VARCHAR, content INTEGER, segment INTEGER, times INTEGER)")

    def add(self, content: int, segment: int, text: str) -> None:
        """``segment`` 0 is what is said of the whole document: its name, title and summary."""
        self._rows += [(word, content, segment, times) for word, times in Counter(words(text)).items()]
        if len(self._rows) >= 200_000:
            self._flush()

    def pieces(self) -> Iterator[tuple[str, dict[str, list[int]]]]:
        """(piece, {word: [content, how many segments, segment, times, segment, times …, content …]})."""
        self._flush()
        found = self._db.execute("SELECT word, content, segment, times FROM postings ORDER BY ALL")
        rows = chain.from_iterable(iter(lambda: found.fetchmany(50_000), []))
        # Words sorted by code point: those of one piece follow each other, but for a lone letter, which sorts first.
        for name, group in groupby(rows, key=lambda row: bucket(row[0])):
            yield name, {word: _posting(list(entries)) for word, entries in groupby(group, key=itemgetter(0))}

    def _flush(self) -> None:
        if self._rows:
            columns = [
                pa.array(column, kind.type)
                for column, kind in zip(zip(*self._rows, strict=True), _POSTINGS, strict=True)
            ]
            self._db.register("fresh", pa.table(columns, schema=_POSTINGS))
            self._db.execute("INSERT INTO postings SELECT * FROM fresh")
            self._db.unregister("fresh")
            self._rows.clear()


def _posting(entries: list[tuple[str, int, int, int]]) -> list[int]:
    found: list[int] = []
    for content, group in groupby(entries, key=itemgetter(1)):
        segments = [number for _, _, segment, times in group for number in (segment, times)]
        found += [content, len(segments) // 2, *segments]
    return found
