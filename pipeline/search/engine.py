"""The index itself: a Lance dataset beside the tables, of immutable splits, each rows of words with a full-text index.

Lance does what a search engine does: postings with positions, BM25 with the statistics of all splits together, and
vectors; it reads the ranges that a query needs from a disk or a bucket, so that no index is copied to ask it. All that
the rest knows of Lance stands in this file. Opening reads a few kilobytes; a query of an open index takes a
millisecond or two. A page takes some 2 KB, of which its words are a fifth.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.storage.uris import redact, scheme_of
from folioscope.schemas.errors import FolioscopeError

if TYPE_CHECKING:
    from lance.query import FullTextQuery

# Lance is imported where it is used: it starts threads, and warns at each process that is forked after that.
FORMAT: Final = "lance-1"  # of the columns below
WORDS, VECTOR = "words", "vector"
_SCHEMES = {"": "", "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}

ROW: Final = pa.schema(
    [
        ("asset_id", pa.string()),
        ("recipe_id", pa.string()),
        ("segment", pa.int32()),
        ("kind", pa.string()),
        ("uri", pa.string()),
        ("paths", pa.string()),  # all under which the same bytes lie, a line each
        ("date", pa.date32()),
        ("language", pa.string()),
        ("flags", pa.list_(pa.string())),
        ("verified", pa.bool_()),
        ("signature", pa.uint64()),  # of the file's current state: another one means that its rows are made anew
        (WORDS, pa.string()),  # the terms, a space between two
    ]
)
_KEY = ["asset_id", "recipe_id", "segment", "kind", "uri"]

Phrase = Sequence[Sequence[str]]
"""One phrase: its terms, in each language that the archive holds. One of the forms must stand there."""


class SearchIndexError(FolioscopeError):
    """The search index cannot be written or read; the tables are as they were. The message says why."""


@contextmanager
def translate_errors(location: Location) -> Iterator[None]:
    """What Lance raises (it knows no errors of its own) as one error that tells which index, and what to do."""
    try:
        yield
    except FolioscopeError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise SearchIndexError(
            f"the search index {redact(location.uri)} could not be written or read ({str(error)[:300]}). The tables "
            "are as they were. Make room or mend the permissions, then run folioscope index; if it is damaged, "
            "delete its folder first."
        ) from error


@dataclass(frozen=True, slots=True)
class Location:
    """Where an index lies, as Lance takes it. Pickles; holds what a bucket is opened with, so it is never logged."""

    uri: str
    options: Mapping[str, str]

    @classmethod
    def of(cls, store: OutputStore, path: str) -> Location | None:
        """A place below an output; None where its kind of store can hold no index, as memory or SFTP cannot."""
        scheme = _SCHEMES.get(scheme_of(store.uri))
        if scheme is None:
            return None
        full = store.full(path)
        return cls(full if scheme == "" else f"{scheme}://{full.partition('://')[2] or full}", _options(store))


def _options(store: OutputStore) -> dict[str, str]:
    """Credentials that the store's own file system was given; what it takes from the environment Lance takes, too."""
    if scheme_of(store.uri) not in ("s3", "s3a"):
        return {}
    filesystem = store.filesystem
    given = {
        "aws_access_key_id": getattr(filesystem, "key", None),
        "aws_secret_access_key": getattr(filesystem, "secret", None),
        "aws_session_token": getattr(filesystem, "token", None),
        "aws_endpoint": _endpoint(filesystem),
        "aws_region": (getattr(filesystem, "client_kwargs", None) or {}).get("region_name"),
    }
    options = {name: str(value) for name, value in given.items() if value}
    if options.get("aws_endpoint", "").startswith("http://"):
        options["allow_http"] = "true"
    return options


def _endpoint(filesystem: Any) -> str | None:
    named = getattr(filesystem, "endpoint_url", None) or (getattr(filesystem, "client_kwargs", None) or {}).get(
        "endpoint_url"
    )
    return named or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a query asks of the index. Words add to the rank; every phrase must be there and no excluded word may be.

    ``where`` is a condition over the columns in SQL, made by ``query.py`` of filters alone.
    """

    words: Sequence[str] = ()
    phrases: Sequence[Phrase] = ()
    without: Sequence[str] = ()
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A page or shot with its score."""

    asset_id: str
    recipe_id: str
    segment: int
    kind: str
    uri: str
    score: float

    @property
    def key(self) -> tuple[str, str, int]:
        """What a row is found by: file, recipe, number."""
        return self.asset_id, self.recipe_id, self.segment


class Index:
    """An index opened at one version, which never changes."""

    def __init__(self, location: Location, version: int | None = None) -> None:
        import lance

        self.location = location
        with translate_errors(location):
            self._dataset = lance.dataset(location.uri, version=version, storage_options=dict(location.options))

    @property
    def version(self) -> int:
        return int(self._dataset.version)

    @property
    def rows(self) -> int:
        return int(self._dataset.count_rows())

    @property
    def has_vectors(self) -> bool:
        return VECTOR in self._dataset.schema.names

    def find(self, wanted: Wanted, limit: int) -> list[Ranked]:
        """The best rows by BM25; of equals the one whose path and number come first."""
        found = self._best(wanted, [*_KEY, "_score"], limit)
        return [] if found is None else _ranked(found, found["_score"].to_pylist())

    def words_of_best(self, wanted: Wanted, limit: int) -> list[str]:
        """All words of the best rows by BM25."""
        found = self._best(wanted, [WORDS], limit)
        return [] if found is None else found[WORDS].to_pylist()

    def _best(self, wanted: Wanted, columns: list[str], limit: int) -> pa.Table | None:
        query = _query(wanted)
        if query is None or not self.rows:
            return None
        return self._dataset.scanner(
            columns=columns, full_text_query=query, limit=limit, filter=wanted.where, prefilter=True
        ).to_table()

    def nearest(self, vector: Sequence[float], where: str | None, limit: int) -> list[Ranked]:
        """The rows whose vectors are most like one, by cosine."""
        if not self.rows:
            return []
        found = self._dataset.scanner(
            columns=[*_KEY, "_distance"],
            nearest={"column": VECTOR, "q": list(vector), "k": limit, "metric": "cosine"},
            filter=where,
            prefilter=True,
        ).to_table()
        return _ranked(found, [1.0 - distance for distance in found["_distance"].to_pylist()])

    def holds(self, term: str) -> bool:
        """Whether any row holds a term."""
        return bool(self.find(Wanted([term]), 1))

    def alike(self, term: str, edits: int, limit: int) -> list[tuple[Ranked, str]]:
        """Rows that hold a term at most ``edits`` letters away, each with all its words."""
        from lance.query import MatchQuery

        if not self.rows:
            return []
        query = MatchQuery(term, WORDS, fuzziness=edits, max_expansions=50)
        found = self._dataset.scanner(columns=[*_KEY, WORDS, "_score"], full_text_query=query, limit=limit).to_table()
        scores, words = found["_score"].to_pylist(), found[WORDS].to_pylist()
        return list(zip(_rows(found, scores), words, strict=True))

    def column_batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from self._dataset.scanner(columns=list(columns)).to_batches()


def _rows(found: pa.Table, scores: Sequence[float]) -> list[Ranked]:
    return [Ranked(*values) for values in zip(*(found[name].to_pylist() for name in _KEY), scores, strict=True)]


def _ranked(found: pa.Table, scores: Sequence[float]) -> list[Ranked]:
    return sorted(_rows(found, scores), key=lambda row: (-round(row.score, 4), row.uri, row.segment))


def _query(wanted: Wanted) -> FullTextQuery | None:
    from lance.query import BooleanQuery, MatchQuery, Occur

    words = " ".join(wanted.words)
    if not wanted.phrases and not wanted.without:
        return MatchQuery(words, WORDS) if words else None
    parts: list[tuple[Occur, FullTextQuery]] = [(Occur.MUST, _phrase(phrase)) for phrase in wanted.phrases]
    if words:
        parts.append((Occur.SHOULD if wanted.phrases else Occur.MUST, MatchQuery(words, WORDS)))
    if not parts:
        return None
    parts += [(Occur.MUST_NOT, MatchQuery(word, WORDS)) for word in wanted.without]
    return BooleanQuery(parts)


def _phrase(phrase: Phrase) -> FullTextQuery:
    from lance.query import BooleanQuery, Occur, PhraseQuery

    forms = [PhraseQuery(" ".join(form), WORDS) for form in phrase]
    return forms[0] if len(forms) == 1 else BooleanQuery([(Occur.SHOULD, form) for form in forms])
