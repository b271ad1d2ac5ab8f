"""Whether the published files are what their manifest and their schemas say. Reads the footers of all files.

For an owner who doubts a bucket, a copy, or a program of their own that wrote into an output. What the rows say of each
other is ``tables/audit.py``'s.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.parquet as pq

from folioscope.pipeline.logs import counted
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import DataFile, ManifestError, load_manifest
from folioscope.schemas.tables import SCHEMA_VERSION, TABLES


def file_problems(store: OutputStore) -> Iterator[str]:
    """What is wrong with each published file, a line each.

    Raises:
        ManifestError: nothing is published, or the manifest cannot be used.
    """
    manifest = load_manifest(store)
    if not manifest.run_id:
        raise ManifestError(f"{store.uri}: nothing has been published there; check the path")
    for name, files in manifest.tables.items():
        for file in files:
            yield from _of_file(store, name, file)


def _of_file(store: OutputStore, name: str, file: DataFile) -> Iterator[str]:
    try:
        with store.filesystem.open(store.full(file.path), "rb") as stream:
            found = pq.ParquetFile(stream)
            rows, schema = found.metadata.num_rows, found.schema_arrow
    except FileNotFoundError:
        yield f"{file.path}: the manifest names it, but it is not there; restore it, or read again what it held"
        return
    except (OSError, ValueError) as error:
        yield f"{file.path}: cannot be read as Parquet ({error}); restore it"
        return
    if rows != file.rows:
        yield f"{file.path}: holds {counted(rows, 'row')}, the manifest says {file.rows:,}"
    if file.schema_version == SCHEMA_VERSION and not schema.equals(TABLES[name]):
        wrong = sorted(set(map(str, schema)) ^ set(map(str, TABLES[name])))
        yield f"{file.path}: its columns are not those of {name}: {', '.join(wrong)}"
