"""Search over what a run published: pages and shots of the whole archive, best first, each with its quote.

The index lies beside the tables, named by their manifest, and is asked where it lies. Where the manifest names none (an
older version's output, a store that can hold none, a run with --no-search-index), one is kept in a cache folder of this
machine and brought up to each run, which costs about 1 ms for each new page. A query takes some milliseconds, and as
many reads of the tables as hits are shown.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from rapidfuzz.distance import DamerauLevenshtein

from folioscope.model.plain_text import strip_markup
from folioscope.pipeline.readers.segments import Key, read_segments
from folioscope.pipeline.search import analysis
from folioscope.pipeline.search.build import update_index
from folioscope.pipeline.search.embeddings import load_embedder
from folioscope.pipeline.search.engine import Index, Location, Ranked, translate_errors
from folioscope.pipeline.search.fusion import FUSED, LOOKED_AT, coverage, fused
from folioscope.pipeline.search.query import Filters, Kind, Query, parse_query
from folioscope.pipeline.search.quotes import Source, best_passage, marked
from folioscope.pipeline.search.rows import IndexRecipe, file_name
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import Manifest, SearchIndexRef, load_manifest
from folioscope.schemas.errors import ExitCode, FolioscopeError
from folioscope.schemas.tables import SCHEMA_VERSION

SegmentKind = Kind
Ranking = Literal["words", "meaning", "both"]
SUGGESTED_EDITS: Final = 2
SUGGESTED_FROM: Final = 50  # rows whose words are looked over for one that is meant
SUGGESTED_OF: Final = 12  # terms whose words are compared with the one that was typed
LONGEST_DISTANCE: Final = 20
_COLUMNS = ("page_number", "start_s", "end_s", "text", "blocks", "caption", "language")


class SearchError(FolioscopeError):
    """The output cannot be searched; the message says why, and what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.BAD_ARGUMENTS


@dataclass(frozen=True, slots=True)
class Hit:
    """One page or shot. ``start_s`` to ``end_s`` is when the quote was shown or said.

    ``source`` says whether the quote is text that was read there, a subtitle, speech, the model's caption, or the
    file's name or title. ``marked`` is the quote in pieces, with whether each was asked for.
    """

    uri: str
    kind: SegmentKind
    segment: int
    page_number: int | None
    start_s: float | None
    end_s: float | None
    quote: str
    source: Source
    score: float
    asset_id: str
    recipe_id: str
    marked: tuple[tuple[str, bool], ...] = ()

    @property
    def place(self) -> str:
        return f"page {self.page_number}" if self.start_s is None else clock(self.start_s)

    @property
    def key(self) -> Key:
        return self.asset_id, self.recipe_id, self.segment


@dataclass(frozen=True, slots=True)
class Results:
    """What a query found, and the same query with words that the archive does hold, where it holds some not."""

    hits: list[Hit]
    suggestion: str | None = None


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


class ArchiveSearch:
    """One output's current pages and shots, opened for questions. Sees the state at opening."""

    def __init__(
        self, store: OutputStore, cache: Path | None = None, notify: Callable[[str], None] = lambda told: None
    ) -> None:
        """Raises :class:`SearchError`, ``ManifestError``."""
        self.store = store
        self.manifest = _searchable(store)
        reference = self.manifest.index
        recipe = IndexRecipe(reference.embeddings if reference else None)
        if reference is None or reference.path != recipe.path:
            place = OutputStore(str((cache or default_cache()) / _digest(store.uri)))
            reference = _cached_index(store, self.manifest, place, notify)
        else:
            place = store
            if reference.generation < self.manifest.generation:
                notify(f"the index is of run {reference.run_id}: pages of later runs are not found until the next run")
        location = Location.of(place, reference.path)
        assert location is not None, "an index that was made has a place"
        self.reference = reference
        self._index = Index(location, reference.version)

    def find(
        self, query: str, limit: int, kind: SegmentKind | None = None, *, filters: Filters | None = None
    ) -> list[Hit]:
        """The best pages and shots for a query, best first; [] where none holds any of its words."""
        chosen = filters or Filters()
        return self.search(query, limit, replace(chosen, kind=kind) if kind else chosen).hits

    def search(self, query: str, limit: int, filters: Filters | None = None, ranking: Ranking | None = None) -> Results:
        """What a query finds, with a suggestion for words that nothing holds.

        ``ranking``: by words, by meaning, or both fused, which is the default where the index has vectors.

        Raises:
            SearchError: ``ranking`` needs vectors, and the index has none.
        """
        parsed = parse_query(query, self.reference.languages, filters)
        with translate_errors(self._index.location):
            ranked = self._ranked(parsed, limit, ranking or ("both" if self._index.has_vectors else "words"))
            return Results(self._hits(ranked, parsed), self._suggestion(parsed))

    def _ranked(self, query: Query, limit: int, ranking: Ranking) -> list[Ranked]:
        if ranking == "words":
            return self._index.find(query.wanted, limit)
        embeddings = self.reference.embeddings
        if embeddings is None:
            raise SearchError(
                f"the index of {self.store.name} has no vectors: build it with folioscope index --embeddings MODEL"
            )
        vector = load_embedder(embeddings).query(query.text)
        nearest = self._index.nearest(vector, query.wanted.where, max(limit, FUSED))
        if ranking == "meaning" or query.is_empty:
            return nearest[:limit]
        if query.wanted.phrases or query.wanted.without:  # a phrase must be there, however near the meaning is
            return self._index.find(query.wanted, limit)
        by_words = self._index.find(query.wanted, max(limit, FUSED))
        held = (frozenset(words.split()) for words in self._index.words_of_best(query.wanted, LOOKED_AT))
        return fused(by_words, nearest, coverage([forms for _, forms in query.asked], held))[:limit]

    def _hits(self, ranked: Sequence[Ranked], query: Query) -> list[Hit]:
        """The segments' text, read once for all, and the quotes in them."""
        keys = [row.key for row in ranked]
        rows = read_segments(self.store, self.manifest, keys, _COLUMNS)
        return [_hit(row, rows[key], query) for row, key in zip(ranked, keys, strict=True) if key in rows]

    def _suggestion(self, query: Query) -> str | None:
        """The query with each word that nothing holds put into the most alike that something does."""
        text = query.text
        for word, terms in query.asked:
            if len(word) < 4 or any(self._index.holds(term) for term in terms):
                continue
            alike = self._alike(word, terms)
            if alike is not None:
                text = text.replace(word, alike.lower() if word.islower() else alike)
        return None if text == query.text else text

    def _alike(self, word: str, terms: frozenset[str]) -> str | None:
        """The word of the archive, as it stands there, that is most like one, of those whose terms are at most two
        letters from its own."""
        edits = 1 if len(word) < 6 else SUGGESTED_EDITS
        near: dict[str, tuple[int, Ranked]] = {}
        for term in sorted(terms):
            for row, words in self._index.alike(term, edits, SUGGESTED_FROM):
                for other in set(words.split()) - terms:
                    distance = _distance(term, other)
                    if distance <= edits and distance < near.get(other, (edits + 1, row))[0]:
                        near[other] = (distance, row)
        nearest = sorted(near, key=lambda other: (near[other][0], other))[:SUGGESTED_OF]
        spelt = self._spelt({term: near[term][1] for term in nearest})
        folded = analysis.fold(word)
        return min(spelt, key=lambda one: _distance(folded, analysis.fold(one), LONGEST_DISTANCE), default=None)

    def _spelt(self, terms: dict[str, Ranked]) -> list[str]:
        """Terms as the words that they come from, each of the row that holds it."""
        keys = {term: row.key for term, row in terms.items()}
        rows = read_segments(self.store, self.manifest, keys.values(), _COLUMNS)
        found = []
        for term, row in terms.items():
            shown = rows.get(keys[term])
            if shown is not None:
                text = f"{strip_markup(shown['text'] or '')} {shown['caption'] or ''} {file_name(row.uri)}"
                words = (word for word, _, _ in analysis.words(text))
                found.append(next((word for word in words if term in analysis.terms(word, shown["language"])), term))
        return found


def _distance(term: str, other: str, most: int = SUGGESTED_EDITS) -> int:
    return int(DamerauLevenshtein.distance(term, other, score_cutoff=most))


def _hit(ranked: Ranked, row: dict[str, Any], query: Query) -> Hit:
    quote = best_passage(row, query.terms, file_name(ranked.uri))
    start_s, end_s = quote.span or (row["start_s"], row["end_s"])
    return Hit(
        uri=ranked.uri,
        kind="shot" if ranked.kind == "shot" else "page",
        segment=ranked.segment,
        page_number=row["page_number"],
        start_s=start_s,
        end_s=end_s,
        quote=quote.words,
        source=quote.source,
        score=round(ranked.score, 4),
        asset_id=ranked.asset_id,
        recipe_id=ranked.recipe_id,
        marked=tuple(marked(quote.words, query.terms, row["language"])),
    )


def _searchable(store: OutputStore) -> Manifest:
    manifest = load_manifest(store)
    if not manifest.run_id:
        raise SearchError(
            f"{store.name} holds no manifest.json: no run has published there. Give the --output of a finished run."
        )
    if manifest.schema_version < SCHEMA_VERSION:
        raise SearchError(
            f"{store.name} was written by an older Folioscope (schema {manifest.schema_version}, this one reads "
            f"{SCHEMA_VERSION}). Run its job again, which brings the tables up to date, or ask with that version."
        )
    return manifest


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "folioscope" / "search"


def _digest(uri: str) -> str:
    return hashlib.sha256((uri if "://" in uri else str(Path(uri).resolve())).encode()).hexdigest()[:16]


def _cached_index(
    store: OutputStore, manifest: Manifest, place: OutputStore, notify: Callable[[str], None]
) -> SearchIndexRef:
    """The index of this machine, brought up to the tables. Two processes may do so at once: Lance orders them."""
    state = "index.json"
    tables = hashlib.sha256(manifest.to_json()).hexdigest()
    try:
        kept = json.loads(place.read(state))
        reference = SearchIndexRef(**{**kept["index"], "languages": tuple(kept["index"]["languages"])})
        if kept["tables"] == tables and reference.path == IndexRecipe().path:
            return reference
    except FileNotFoundError:
        pass
    notify("no index lies beside the tables: one is brought up in this machine's cache, about 1 ms for each new page")
    reference = update_index(store, manifest, IndexRecipe(), place)
    place.write(state, json.dumps({"tables": tables, "index": asdict(reference)}).encode())
    return reference
