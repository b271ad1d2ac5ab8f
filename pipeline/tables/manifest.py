"""The manifest: which files make up the published tables. Readers start from it, and only from it.

It is written last and in one piece, so that a reader sees the archive before a run or after it, never between. Each
is kept as ``manifests/<run>.json``; files that the next one no longer names move from the tables' folders to
``_replaced/<run>/`` and stay there until the run after the next, for those who began to read under the one before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from folioscope.pipeline.storage.store import OutputStore
from folioscope.schemas.errors import FolioscopeError
from folioscope.schemas.tables import SCHEMA_VERSION, TABLES

MANIFEST = "manifest.json"
REPLACED = "_replaced"
STATE_FOLDER = "_state"


class ManifestError(FolioscopeError):
    """The output's manifest cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One published Parquet file. ``first`` and ``last`` are the least and greatest of its rows' range keys.

    See ``part_files.range_keys``: the leading column of the sort order; for answers question and file, joined.
    """

    path: str
    rows: int
    bytes: int
    schema_version: int = SCHEMA_VERSION
    first: str | None = None
    last: str | None = None

    def may_hold(self, key: str) -> bool:
        return self.first is not None and self.last is not None and self.first <= key <= self.last


@dataclass(frozen=True, slots=True)
class SearchIndexRef:
    """The search index that belongs to the tables: a version of it, which never changes.

    ``generation`` and ``run_id`` are those of the tables it was last brought up to; ``languages`` those whose words it
    holds; ``embeddings`` names the model of its vectors, where it has any.
    """

    path: str
    version: int
    generation: int
    run_id: str
    pages: int
    languages: tuple[str, ...] = ()
    embeddings: str | None = None


@dataclass(frozen=True, slots=True)
class IcebergRef:
    """The Iceberg tables over the published files: URIs of their metadata files, and the catalog that knows them."""

    metadata: dict[str, str] = field(default_factory=dict)
    catalog: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """``state`` are the files of ``pipeline/tables/state.py``; None where an older version published.

    ``iceberg`` is None where no Iceberg metadata is kept.
    """

    run_id: str = ""
    generation: int = 0
    schema_version: int = SCHEMA_VERSION
    tables: dict[str, tuple[DataFile, ...]] = field(default_factory=lambda: dict.fromkeys(TABLES, ()))
    state: tuple[DataFile, ...] | None = None
    index: SearchIndexRef | None = None
    iceberg: IcebergRef | None = None

    def paths(self) -> set[str]:
        return {file.path for files in (*self.tables.values(), self.state or ()) for file in files}

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode()

    def with_table(self, name: str, files: tuple[DataFile, ...]) -> Manifest:
        return replace(self, tables={**self.tables, name: files})


def load_manifest(store: OutputStore) -> Manifest:
    """The published manifest; an empty one where nothing has been published.

    Raises:
        ManifestError: it is not one of ours, or comes from a newer version.
    """
    try:
        raw = store.read(MANIFEST)
    except FileNotFoundError:
        return Manifest(state=())
    try:
        values = json.loads(raw)
        tables = {name: tuple(DataFile(**file) for file in values["tables"].get(name, ())) for name in TABLES}
        state = values.get("state")
        counted = None if state is None else tuple(DataFile(**file) for file in state)
        iceberg = values.get("iceberg")
        manifest = Manifest(
            values["run_id"],
            values["generation"],
            values["schema_version"],
            tables,
            counted,
            _index_of(values),
            None if iceberg is None else IcebergRef(**iceberg),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ManifestError(
            f"{store.name}/{MANIFEST} is not a Folioscope manifest ({error}). Choose another --output, or put the "
            "newest file of manifests/ in its place."
        ) from error
    if manifest.schema_version > SCHEMA_VERSION:
        raise ManifestError(
            f"{store.name} was written by a newer Folioscope (schema {manifest.schema_version}, this one knows "
            f"{SCHEMA_VERSION}). Install that version, or choose another --output."
        )
    return manifest


def _index_of(values: dict[str, Any]) -> SearchIndexRef | None:
    index = values.get("index")
    return None if index is None else SearchIndexRef(**{**index, "languages": tuple(index["languages"])})


def save_manifest(store: OutputStore, manifest: Manifest) -> None:
    """Publish: the history's copy first, then the one file that readers open."""
    store.write(f"manifests/{manifest.run_id}.json", manifest.to_json())
    store.write(MANIFEST, manifest.to_json())


def orphaned_files(store: OutputStore, *kept: Manifest) -> Iterator[str]:
    """Files in the tables' folders that no kept manifest lists: left by crashes."""
    listed = set().union(*(manifest.paths() for manifest in kept))
    for folder in (*TABLES, STATE_FOLDER):
        yield from (path for path in store.names(folder) if path not in listed)
