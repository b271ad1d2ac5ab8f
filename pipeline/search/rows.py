"""From published pages to rows of the search index: the words that are looked for, what is filtered by, and vectors.

A task writes the rows of one split: it reads the row groups that hold its files, a few hundred pages at a time; a page
costs about 1 ms of CPU.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from folioscope.model.plain_text import strip_markup
from folioscope.pipeline.search import analysis, engine, splits
from folioscope.pipeline.search.embeddings import Embedder, load_embedder
from folioscope.pipeline.search.engine import Location
from folioscope.pipeline.storage.attachments import plain_name
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import Manifest
from folioscope.pipeline.tables.part_files import open_file

FOLDER: Final = "_search"
ROWS_AT_ONCE: Final = 256
SUPPORTED: Final = 0.95  # of a page's words, from which a model's text counts as verified
_READ = (
    "asset_id", "recipe_id", "segment", "kind", "text", "caption", "language", "flags", "text_source", "model",
    "reader", "support",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IndexRecipe:
    """What decides the index's content: how words are cut, its columns, and the model of its vectors if it has any."""

    embeddings: str | None = None

    @property
    def path(self) -> str:
        said = "\n".join((analysis.VERSION, engine.FORMAT, self.embeddings or ""))
        return f"{FOLDER}/{hashlib.sha256(said.encode()).hexdigest()[:12]}.lance"


def schema_of(embedder: Embedder | None) -> pa.Schema:
    """The index's columns, with vectors where a model makes them."""
    if embedder is None:
        return engine.ROW
    return engine.ROW.append(pa.field(engine.VECTOR, pa.list_(pa.float32(), embedder.size)))


@dataclass(frozen=True, slots=True)
class Split:
    """What a task writes as one split: the rows of some files, found by their ids in the published tables."""

    tables: OutputStore
    manifest: Manifest
    location: Location
    files: pa.Table
    recipe: IndexRecipe


@dataclass(frozen=True, slots=True)
class _File:
    """What is known of a file whose pages are indexed: a row of ``Split.files``."""

    asset_id: str
    recipe_id: str
    uri: str
    uris: Sequence[str]
    title: str | None
    modified: date | None
    language: str | None
    signature: int


@dataclass(frozen=True, slots=True)
class _Page:
    """A page or shot to index: a row of ``segments``, its columns ``_READ``."""

    file: _File
    segment: int
    kind: str
    text: str
    language: str | None
    flags: Sequence[str]
    verified: bool

    @classmethod
    def of_row(cls, file: _File, row: dict[str, Any]) -> _Page:
        text = text_of(row["text"], row["caption"])
        flags = row["flags"] or ()
        return cls(file, row["segment"], row["kind"], text, row["language"], flags, is_verified(row))


def write_split(split: Split) -> list[Any]:
    """Write the split's rows beside the index; returns the fragments to be appended to it."""
    embedder = load_embedder(split.recipe.embeddings) if split.recipe.embeddings else None
    schema = schema_of(embedder)
    batches = (_indexed(pages, schema, embedder) for pages in _pages(split))
    return splits.write_rows(split.location, schema, batches)


def _pages(split: Split) -> Iterator[list[_Page]]:
    """The split's pages, a few hundred at a time."""
    files = split.files.select(list(_File.__slots__)).to_pylist()
    known = {row["asset_id"]: _File(**row) for row in files}
    ids = pa.array(sorted(known))
    first, last = ids[0].as_py(), ids[-1].as_py()
    for file in split.manifest.tables["segments"]:
        if file.first is not None and file.last is not None and (file.last < first or last < file.first):
            continue
        with open_file(split.tables, file.path) as stream:
            parquet = pq.ParquetFile(stream)
            groups = [number for number in range(parquet.num_row_groups) if _overlaps(parquet, number, first, last)]
            for batch in parquet.iter_batches(ROWS_AT_ONCE, row_groups=groups, columns=list(_READ)):
                chosen = batch.filter(pc.is_in(batch["asset_id"], value_set=ids))
                found = ((known[row["asset_id"]], row) for row in chosen.to_pylist())
                if current := [_Page.of_row(file, row) for file, row in found if row["recipe_id"] == file.recipe_id]:
                    yield current


def _overlaps(parquet: pq.ParquetFile, group: int, first: str, last: str) -> bool:
    column = parquet.metadata.row_group(group).column(parquet.schema_arrow.get_field_index("asset_id"))
    statistics = column.statistics
    return statistics is None or not statistics.has_min_max or (statistics.min <= last and first <= statistics.max)


def _indexed(pages: Sequence[_Page], schema: pa.Schema, embedder: Embedder | None) -> pa.RecordBatch:
    columns: dict[str, list[Any]] = {
        "asset_id": [page.file.asset_id for page in pages],
        "segment": [page.segment for page in pages],
        "recipe_id": [page.file.recipe_id for page in pages],
        "kind": [page.kind for page in pages],
        "uri": [page.file.uri for page in pages],
        "paths": ["\n".join(page.file.uris) for page in pages],
        "date": [page.file.modified for page in pages],
        "language": [page.language for page in pages],
        "flags": [page.flags for page in pages],
        "verified": [page.verified for page in pages],
        "signature": [page.file.signature for page in pages],
        engine.WORDS: [" ".join(_terms(page)) for page in pages],
    }
    if embedder is not None:
        columns[engine.VECTOR] = embedder.passages(list(map(_embedded, pages)))
    return pa.RecordBatch.from_pydict({name: pa.array(columns[name], schema.field(name).type) for name in schema.names})


def _terms(page: _Page) -> list[str]:
    """A page whose language is not known is cut as most of its file is."""
    file = page.file
    return analysis.terms(f"{names_of(file.uris, file.title)}\n{page.text}", page.language or file.language)


def names_of(uris: Sequence[str], title: str | None) -> str:
    """What a file is called: it stands before the text of each of its pages."""
    return "\n".join([*map(file_name, uris), title or ""])


def text_of(text: str | None, caption: str | None) -> str:
    """What is found of a page or shot."""
    return strip_markup(f"{text or ''}\n{caption or ''}")


def _embedded(page: _Page) -> str:
    return f"{page.file.title or file_name(page.file.uri)}\n{page.text}"


def is_verified(page: dict[str, Any]) -> bool:
    """Whether the text was read by something that does not invent, or a second reader found nearly all of its words."""
    if page["text_source"] != "model" or page["reader"] in ("layer", "ocr"):
        return True
    return str(page["model"]).startswith("embedded") or (page["support"] or 0.0) >= SUPPORTED


def file_name(uri: str) -> str:
    """A path's last name, which is what counts as the file's name; what stands before it is filtered by path."""
    return plain_name(uri).replace("_", " ")
