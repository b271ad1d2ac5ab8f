"""The published tables as the report walks them: small tables whole, documents one after the other.

Segments stream out of the sorted Parquet files in the order of their assets, a few rows of a file in memory at a time;
all that hangs on a document (summary, answers, failures) is looked up in tables that DuckDB may spill to disk. A second
run may publish meanwhile: the files of the manifest that was read stay until the run after it.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow.parquet as pq

from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import DataFile, Manifest, load_manifest
from folioscope.schemas.errors import FolioscopeError
from folioscope.schemas.tables import SCHEMA_VERSION

Row = dict[str, Any]
SEGMENTS_AT_ONCE = 32
MEMORY_LIMIT = "1GB"

_HANGING = {
    "summaries": """
        SELECT s.asset_id, s.summary, s.method, s.model, s.key_points, s.chapters
        FROM all_summaries AS s JOIN contents USING (asset_id) WHERE s.recipe_id = contents.summary_recipe_id""",
    "answers": """
        SELECT a.asset_id, a.question_id, a.question, a.answer, a.answerable, a.score, a.evidence, a.reasoning, a.model
        FROM current_answers AS a SEMI JOIN contents USING (asset_id)""",
    "troubles": """
        SELECT f.asset_id, f.stage, f.segment, f.question_id, f.reason, f.message, f.text_salvaged
        FROM failures AS f SEMI JOIN contents USING (asset_id)""",
    "copies": "SELECT c.asset_id, c.uri, c.size, c.etag FROM chosen AS c SEMI JOIN contents USING (asset_id)",
}


_EARLIER = """
    SELECT s.asset_id, arg_max(s.recipe_id, s.created_at) FROM all_segments AS s JOIN contents USING (asset_id)
    WHERE s.recipe_id <> contents.read_recipe_id GROUP BY s.asset_id
"""


class ReportError(FolioscopeError, RuntimeError):
    """There is nothing that a report could show; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Content:
    """One document or video with all that was found out about it.

    ``copies`` are the paths under which its bytes lie, with size and etag. ``segments`` can be walked once, and then
    ``older``: the latest of the readings before the present one.
    """

    number: int
    row: Row
    summary: Row | None
    answers: list[Row]
    failures: list[Row]
    copies: list[Row]
    segments: Iterator[Row]
    older: Iterator[Row]


class PublishedArchive:
    """An output's current state, the first ``limit`` files of it by path."""

    def __init__(self, store: OutputStore, limit: int) -> None:
        """Raises ManifestError or ReportError where the output cannot be shown."""
        self.store = store
        self.manifest: Manifest = load_manifest(store)
        if not self.manifest.run_id:
            raise ReportError(f"{store.name} holds no published tables (no manifest.json). Run folioscope read first.")
        if self.manifest.schema_version < SCHEMA_VERSION:
            raise ReportError(
                f"{store.name} has schema version {self.manifest.schema_version}, the report needs {SCHEMA_VERSION}. "
                "Run the same job again: it brings the tables up to date and reads nothing twice."
            )
        self._spill = tempfile.TemporaryDirectory(prefix="folioscope-report-")
        self.db = open_views(store)
        self.db.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        self.db.execute(f"SET temp_directory = '{self._spill.name}'")
        self.db.execute("CREATE TEMP TABLE chosen AS SELECT * FROM current_assets ORDER BY uri LIMIT $1", [limit])
        self.db.execute(
            """
            CREATE TEMP TABLE contents AS
            SELECT row_number() OVER (ORDER BY asset_id) - 1 AS number, asset_id, c.uri, c.uris, c.title,
                   c.read_recipe_id, c.summary_recipe_id, tongue.language,
                   a.kind, a.status, a.reason, a.page_count, a.shot_count, a.duration_s, a.width_px, a.height_px,
                   a.fps, a.container, a.codec, a.has_audio, a.size, a.modified_at
            FROM current_content AS c
            JOIN (SELECT DISTINCT ON (asset_id) * FROM chosen WHERE kind <> 'subtitles' ORDER BY asset_id, uri) AS a
            USING (asset_id)
            LEFT JOIN (SELECT asset_id, recipe_id, mode(language) AS language FROM all_segments GROUP BY ALL) AS tongue
              ON tongue.asset_id = c.asset_id AND tongue.recipe_id = c.read_recipe_id
            ORDER BY asset_id
            """
        )
        for name, query in _HANGING.items():
            self.db.execute(f"CREATE TEMP TABLE of_{name} AS {query} ORDER BY asset_id")

    def close(self) -> None:
        self.db.close()
        self._spill.cleanup()

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """A small result whole."""
        found = self.db.execute(sql, list(parameters))
        names = [column[0] for column in found.description]
        return [dict(zip(names, values, strict=True)) for values in found.fetchall()]

    def segment_counts(self) -> list[tuple[str, int]]:
        """Every chosen document and video by path, with how many of its pages or shots were read."""
        found: list[tuple[str, int]] = self.db.execute(
            """
            SELECT asset_id, count(s.segment) FROM contents AS c
            LEFT JOIN all_segments AS s USING (asset_id) WHERE s.recipe_id = c.read_recipe_id
            GROUP BY asset_id ORDER BY any_value(c.uri)
            """
        ).fetchall()
        return found

    def contents(self, at_once: int = 256) -> Iterator[Content]:
        """Every chosen document and video, in the order of their ids; each must be walked before the next."""
        recipes = dict(self.db.execute("SELECT asset_id, read_recipe_id FROM contents").fetchall())
        files = self.manifest.tables["segments"]
        walk = _BySorted(merged_segments(self.store, files, recipes))
        pictures = _BySorted(merged_segments(self.store, self.manifest.tables["thumbnails"], recipes))
        earlier = dict(self.db.execute(_EARLIER).fetchall())
        concerned = [file for file in files if any(file.first is None or file.may_hold(one) for one in earlier)]
        walk_earlier = _BySorted(merged_segments(self.store, concerned, earlier))
        for start in range(0, len(recipes), at_once):
            rows = self.rows(
                "SELECT * FROM contents WHERE number >= $1 AND number < $2 ORDER BY number", [start, start + at_once]
            )
            hanging = {name: self._hanging(name, rows[0]["asset_id"], rows[-1]["asset_id"]) for name in _HANGING}
            for row in rows:
                asset_id = row["asset_id"]
                summaries = hanging["summaries"].get(asset_id, [])
                yield Content(
                    number=row["number"],
                    row=row,
                    summary=summaries[0] if summaries else None,
                    answers=hanging["answers"].get(asset_id, []),
                    failures=hanging["troubles"].get(asset_id, []),
                    copies=hanging["copies"].get(asset_id, []),
                    segments=_with_pictures(walk.of(asset_id), pictures.of(asset_id)),
                    older=walk_earlier.of(asset_id),
                )

    def _hanging(self, name: str, first: str, last: str) -> dict[str, list[Row]]:
        rows = self.rows(f"SELECT * FROM of_{name} WHERE asset_id BETWEEN $1 AND $2 ORDER BY ALL", [first, last])
        return {asset_id: list(group) for asset_id, group in groupby(rows, key=itemgetter("asset_id"))}


def _with_pictures(segments: Iterator[Row], pictures: Iterator[Row]) -> Iterator[Row]:
    """Segments of a file, each with its small picture under ``thumbnail``; both sorted by segment."""
    picture = next(pictures, None)
    for segment in segments:
        while picture is not None and picture["segment"] < segment["segment"]:
            picture = next(pictures, None)
        fits = picture is not None and picture["segment"] == segment["segment"]
        yield segment | {"thumbnail": picture["image"] if picture is not None and fits else None}


class _BySorted:
    """Groups of a stream sorted by asset, taken in that order; assets that nobody asks for are passed over."""

    def __init__(self, segments: Iterator[Row]) -> None:
        self._groups = groupby(segments, key=itemgetter("asset_id"))
        self._next = next(self._groups, None)

    def of(self, asset_id: str) -> Iterator[Row]:
        while self._next is not None and self._next[0] < asset_id:
            self._next = next(self._groups, None)
        if self._next is not None and self._next[0] == asset_id:
            yield from self._next[1]


def merged_segments(store: OutputStore, files: Iterable[DataFile], recipes: dict[str, str]) -> Iterator[Row]:
    """The current segments of all files, by (asset, segment). ``recipes`` says which reading of an asset is current."""
    streams = (_chained(store, chain, recipes) for chain in chains(files))
    return heapq.merge(*streams, key=itemgetter("asset_id", "segment"))


def chains(files: Iterable[DataFile]) -> list[list[DataFile]]:
    """The files in as few rows as can be, each of which one after the other is sorted: few need to be open at once."""
    found: list[list[DataFile]] = []
    for file in sorted((file for file in files if file.rows), key=lambda file: file.first or ""):
        for chain in found:
            if (chain[-1].last or "") < (file.first or ""):
                chain.append(file)
                break
        else:
            found.append([file])
    return found


def _chained(store: OutputStore, files: list[DataFile], recipes: dict[str, str]) -> Iterator[Row]:
    for file in files:
        with store.open(file.path) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(SEGMENTS_AT_ONCE):
                yield from (row for row in batch.to_pylist() if recipes.get(row["asset_id"]) == row["recipe_id"])
