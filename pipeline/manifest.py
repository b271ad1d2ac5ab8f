"""The manifest: which files make up the published tables. Readers start from it, and only from it.

It is written last and in one piece, so that a reader sees the archive before a run or after it, never between. The
one before is kept as ``manifests/<run>.json`` together with its files until the next publish: a query that began
under it can end under it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

from pipeline.store import OutputStore
from schemas.tables import SCHEMA_VERSION, TABLES

MANIFEST = "manifest.json"


class ManifestError(Exception):
    """The output's manifest cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One published Parquet file. ``first`` and ``last`` are the least and greatest of its leading sort column."""

    path: str
    rows: int
    bytes: int
    schema_version: int = SCHEMA_VERSION
    first: str | None = None
    last: str | None = None

    def may_hold(self, key: str) -> bool:
        return self.first is not None and self.last is not None and self.first <= key <= self.last


@dataclass(frozen=True, slots=True)
class Manifest:
    run_id: str = ""
    generation: int = 0
    schema_version: int = SCHEMA_VERSION
    tables: dict[str, tuple[DataFile, ...]] = field(default_factory=lambda: dict.fromkeys(TABLES, ()))

    def paths(self) -> set[str]:
        return {file.path for files in self.tables.values() for file in files}

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
        return Manifest()
    try:
        values = json.loads(raw)
        tables = {name: tuple(DataFile(**file) for file in values["tables"].get(name, ())) for name in TABLES}
        manifest = Manifest(values["run_id"], values["generation"], values["schema_version"], tables)
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


def save_manifest(store: OutputStore, manifest: Manifest) -> None:
    """Publish: the history's copy first, then the one file that readers open."""
    store.write(f"manifests/{manifest.run_id}.json", manifest.to_json())
    store.write(MANIFEST, manifest.to_json())


def unlisted(store: OutputStore, *kept: Manifest) -> Iterator[str]:
    """Files in the tables' folders that no kept manifest lists: left by crashes, or replaced long enough ago."""
    listed = set().union(*(manifest.paths() for manifest in kept))
    for table in TABLES:
        yield from (path for path in store.names(table) if path not in listed)
