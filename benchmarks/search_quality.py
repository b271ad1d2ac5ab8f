"""How well search finds: 120 queries with the pages that answer them, over a corpus of test documents kept elsewhere.

Each query is asked of the words, of the vectors and of both fused. hit@k is the share of the 100 queries with an answer
for which one of the right pages is among the first k. A typo is asked as it is typed; what the suggestion finds is told
beside it. The 20 whose answer no page holds are put to ``folioscope ask``: right is "not found".
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from folioscope.model.load import ModelChoice, load_replica
from folioscope.pipeline.readers.ask import ask_archive
from folioscope.pipeline.readers.search import ArchiveSearch, Hit, Ranking
from folioscope.pipeline.storage.store import OutputStore

QUERIES = Path(__file__).with_name("search_queries.yaml")
FOLDERS = ("doc", "longdoc", "scan", "reports", "reports-video", "eval/kitab", "eval/readoc")
"""What of the corpus is read: ``folioscope read FOLDERS… --tasks read --output TABLES``."""
FIRST = 5
Name = Literal["words", "meaning", "fused"]
_RANKINGS: dict[Name, Ranking] = {"words": "words", "meaning": "meaning", "fused": "both"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with the pages that answer it, each (the end of a path, the page's number; None for any)."""

    kind: str
    query: str
    pages: tuple[tuple[str, int | None], ...]

    def rank(self, places: Sequence[tuple[str, int]]) -> int | None:
        """The first place, from 1, that is right."""
        ranks = (rank for rank, place in enumerate(places, 1) if self._is_right(*place))
        return next(ranks, None)

    def _is_right(self, uri: str, number: int) -> bool:
        return any(uri.endswith(f"/{file}") and page in (None, number) for file, page in self.pages)


def queries() -> list[Asked]:
    """The queries of the data file."""
    told = yaml.safe_load(QUERIES.read_text(encoding="utf-8"))
    files = told["files"]

    def place(page: str) -> tuple[str, int | None]:
        name, _, number = page.partition("#")
        return files[name], int(number) if number else None

    return [Asked(row["kind"], row["query"], tuple(map(place, row.get("pages", ())))) for row in told["queries"]]


def places(hits: Iterable[Hit]) -> list[tuple[str, int]]:
    """Hits as the report tells them: path and number."""
    return [(hit.uri, hit.segment) for hit in hits]


def quality(tables: str, cache: Path) -> dict[str, Any]:
    """hit@1 and hit@5 by ranking and by kind of query; vectors are left out where the index has none."""
    store = OutputStore(tables)
    search = ArchiveSearch(store, cache)
    answered = [asked for asked in queries() if asked.kind != "absent"]
    figures: dict[str, Any] = {"queries": len(answered), "pages": search.reference.pages}
    rankings = _RANKINGS if search.reference.embeddings else {"words": _RANKINGS["words"]}
    for name, ranking in rankings.items():
        ranks = [asked.rank(places(search.search(asked.query, FIRST, None, ranking).hits)) for asked in answered]
        figures[f"hit1_{name}"] = _share(rank == 1 for rank in ranks)
        figures[f"hit5_{name}"] = _share(rank is not None for rank in ranks)
        by_kind = collections.defaultdict(list)
        for asked, rank in zip(answered, ranks, strict=True):
            by_kind[asked.kind].append(rank is not None)
            if rank != 1:
                print(f"  {name}: {asked.query!r} has its first right page at {rank or f'more than {FIRST}'}")
        figures[f"hit5_{name}_by_kind"] = {kind: _share(hits) for kind, hits in by_kind.items()}
    figures["hit5_typos_suggested"] = _share(_typo(search, asked) for asked in answered if asked.kind == "typo")
    return figures


def _typo(search: ArchiveSearch, asked: Asked) -> bool:
    """Whether a typo is found as the suggestion has it, or as it is typed where none is made."""
    meant = search.search(asked.query, FIRST, None, "words").suggestion or asked.query
    return asked.rank(places(search.search(meant, FIRST, None, "words").hits)) is not None


def absent(tables: str, cache: Path) -> dict[str, Any]:
    """How many of the questions that no page answers ``folioscope ask`` calls not found, with the embedded replica."""
    store, replica = OutputStore(tables), load_replica(ModelChoice("embedded"))
    asked = [each for each in queries() if each.kind == "absent"]
    found = {each.query: ask_archive(store, each.query, replica, cache=cache).answers for each in asked}
    for query, answers in found.items():
        for item in answers:
            print(f"  answered though absent: {query!r} by {item.answer.text!r} in {item.uri}")
    return {"absent": len(asked), "absent_not_found": _share(not answers for answers in found.values())}


def _share(right: Iterable[bool]) -> float:
    listed = list(right)
    return round(sum(listed) / len(listed), 3)
