"""Bring the search index up to the published tables: only files that are new, changed, moved or gone cost anything.

Each file's rows carry a signature of its state (path, title, recipe, how many pages). What differs from the current
state is taken out and added again as new splits, made by tasks that each read a stretch of the published files. The
manifest then names the new version, so that a reader sees the tables and an index that belongs to them, or those
before. Finding out what changed reads two columns of the index and of the tables, some 0.3 s for a million pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import duckdb
import pyarrow as pa

from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.search import analysis, engine, splits
from folioscope.pipeline.search.embeddings import load_embedder
from folioscope.pipeline.search.engine import Location, SearchIndexError, translate_errors
from folioscope.pipeline.search.rows import FOLDER, IndexRecipe, Split, schema_of, write_split
from folioscope.pipeline.search.splits import IndexWriter
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.compaction import one_by_one
from folioscope.pipeline.tables.manifest import Manifest, SearchIndexRef, save_manifest

PAGES_PER_SPLIT: Final = 50_000

RunJobs = Callable[[Sequence[Callable[[], Any]]], Iterable[Any]]
"""How the steps that can be done anywhere are done: one after the other, or as tasks of a cluster."""

# Text that a vision-language model wrote is verified where a second reader found its words on the page.
_CURRENT = """
    CREATE TEMP TABLE wanted AS
    SELECT asset_id, any_value(recipe_id) AS recipe_id, any_value(uri) AS uri, any_value(uris) AS uris,
           any_value(title) AS title, any_value(modified) AS modified, mode(language) AS language, count(*) AS pages,
           md5_number_lower(concat_ws(chr(31), any_value(uris)::VARCHAR, any_value(title), any_value(recipe_id),
                                      any_value(modified), count(*))) AS signature
    FROM (
        SELECT segments.asset_id, segments.recipe_id, segments.language, content.uri, content.uris, content.title,
               dates.modified
        FROM all_segments AS segments
        JOIN current_content AS content
          ON content.asset_id = segments.asset_id AND content.read_recipe_id = segments.recipe_id
        JOIN (SELECT asset_id, max(modified_at)::DATE AS modified FROM current_assets GROUP BY asset_id) AS dates
          ON dates.asset_id = segments.asset_id
    )
    GROUP BY asset_id
"""
_NEW = """
    SELECT wanted.* FROM wanted LEFT JOIN held USING (asset_id, signature)
    WHERE held.asset_id IS NULL ORDER BY asset_id
"""
_GONE = """
    SELECT DISTINCT asset_id FROM held LEFT JOIN wanted USING (asset_id, signature) WHERE wanted.asset_id IS NULL
"""


def can_hold_index(store: OutputStore) -> bool:
    """Whether an index can lie beside these tables: on a disk, in S3, GCS or Azure."""
    return Location.of(store, FOLDER) is not None


def publish_index(
    store: OutputStore,
    manifest: Manifest,
    recipe: IndexRecipe,
    check: Callable[[], None],
    run_jobs: RunJobs = one_by_one,
) -> Manifest:
    """Bring the index beside the tables up to them and let the manifest name it. The caller holds the lease; ``check``
    is asked before the manifest is saved, and raises where it was lost.

    Raises:
        OutputError, SearchIndexError: the output cannot be read or written; the manifest names the index before.
        EmbeddingError: the model of the vectors cannot be used.
    """
    reference = update_index(store, manifest, recipe, store, run_jobs)
    check()
    if reference == manifest.index:
        return manifest
    after = replace(manifest, index=reference)
    save_manifest(store, after)
    kept = {reference.path, *([manifest.index.path] if manifest.index else [])}
    for name in store.folders(FOLDER):
        if f"{FOLDER}/{name}" not in kept:
            store.delete_folder(f"{FOLDER}/{name}")
    return after


def update_index(
    tables: OutputStore,
    manifest: Manifest,
    recipe: IndexRecipe,
    place: OutputStore,
    run_jobs: RunJobs = one_by_one,
) -> SearchIndexRef:
    """Bring the index of some tables, which lies in ``place``, up to them.

    Raises:
        OutputError, SearchIndexError, EmbeddingError: with what to do about it.
    """
    location = _location(place, recipe.path)
    with translate_errors(location):
        return _update(tables, manifest, recipe, location, run_jobs)


def _location(store: OutputStore, path: str) -> Location:
    location = Location.of(store, path)
    if location is None:
        raise SearchIndexError(
            f"{store.name} can hold no search index: it must be a folder, or a bucket of S3, GCS or Azure. folioscope "
            "search builds its own on the machine that asks."
        )
    return location


def _update(
    tables: OutputStore, manifest: Manifest, recipe: IndexRecipe, location: Location, run_jobs: RunJobs
) -> SearchIndexRef:
    embedder = load_embedder(recipe.embeddings) if recipe.embeddings else None
    writer = IndexWriter(location, schema_of(embedder))
    writer.forget_old_versions()
    with open_views(tables) as database:
        database.execute(_CURRENT)
        _register_held(database, location, writer.version)
        gone = [row[0] for row in database.execute(_GONE).fetchall()]
        new = database.sql(_NEW).to_arrow_table()
        languages = _languages(database)
        pages = int(database.execute("SELECT coalesce(sum(pages), 0) FROM wanted").fetchall()[0][0])
    writer.drop(gone)
    jobs = [partial(write_split, Split(tables, manifest, location, chunk, recipe)) for chunk in _chunks(new)]
    writer.append([fragment for written in run_jobs(jobs) for fragment in written])
    unindexed = writer.unindexed()
    writer.commit_indices(
        list(run_jobs([partial(splits.index_split, location, writer.version, split) for split in unindexed]))
    )
    writer.merge_small()
    return SearchIndexRef(
        recipe.path, writer.version, manifest.generation, manifest.run_id, pages, languages, recipe.embeddings
    )


def erase_deleted(store: OutputStore, manifest: Manifest, check: Callable[[], None]) -> Manifest:
    """After rows were deleted for good: bring the index up, and take the words of what is gone out of its files."""
    if manifest.index is None:
        return manifest
    updated = publish_index(store, manifest, IndexRecipe(manifest.index.embeddings), check)
    assert updated.index is not None, "it was just made"
    location = _location(store, updated.index.path)
    with translate_errors(location):
        writer = IndexWriter(location, engine.ROW)
        writer.rewrite_deleted()
        check()
        after = replace(updated, index=replace(updated.index, version=writer.version))
        save_manifest(store, after)
        writer.forget_all_before()
    return after


def _register_held(database: duckdb.DuckDBPyConnection, location: Location, version: int) -> None:
    database.execute("CREATE TEMP TABLE held (asset_id VARCHAR, signature UBIGINT)")
    for batch in engine.Index(location, version).column_batches(["asset_id", "signature"]):
        distinct = pa.Table.from_batches([batch]).group_by(["asset_id", "signature"]).aggregate([])
        database.register("batch", distinct)
        database.execute("INSERT INTO held SELECT asset_id, signature FROM batch")
        database.unregister("batch")


def _languages(database: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    tags = database.execute("SELECT DISTINCT language FROM all_segments").fetchall()
    return tuple(sorted({key for (tag,) in tags if (key := analysis.language_key(tag)) is not None}))


def _chunks(new: pa.Table) -> Iterator[pa.Table]:
    """Stretches of the new files, in their order, each of about as many pages as a split holds."""
    start = pages = 0
    for row, count in enumerate(new["pages"].to_pylist()):
        pages += count
        if pages >= PAGES_PER_SPLIT:
            yield new.slice(start, row + 1 - start)
            start, pages = row + 1, 0
    if start < new.num_rows:
        yield new.slice(start)
