"""Inventories: tables that say of many files what a listing would, so that a bucket need not be listed.

Two kinds are read, both by ``--input``, in Parquet or CSV (``.csv.gz``, too):

- an S3 Inventory: the ``manifest.json`` that S3 writes, or ``inventory:`` and the folder above the dated ones, of which
  the newest is taken. Old versions and delete markers are left out.
- any table with a column ``uri``, and ``size``, ``etag`` and ``modified`` where they are known.

The data files are copied to this machine one at a time and read in batches: memory is that of a batch. A file that has
gone since the inventory was made fails as not found; one that has grown is told and taken up by the next run.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from folioscope.pipeline.failures import Failure, Reason, storage_failure
from folioscope.pipeline.storage.inputs import INVENTORY_PREFIX, MANIFEST, Input, scope_of
from folioscope.pipeline.storage.local_listing import list_local
from folioscope.pipeline.storage.retries import retried
from folioscope.pipeline.storage.source_file import FailedInput, Listed, SourceFile, moment, unnameable
from folioscope.pipeline.storage.uris import is_local, normalise, redact

BATCH_ROWS = 10_000
# Columns of an S3 Inventory, as its CSV schema and as its Parquet files call them.
_S3_COLUMNS = {
    "bucket": ("bucket",),
    "key": ("key",),
    "size": ("size",),
    "etag": ("e_tag", "etag"),
    "modified": ("last_modified_date", "lastmodifieddate"),
    "latest": ("is_latest", "islatest"),
    "deleted": ("is_delete_marker", "isdeletemarker"),
}
_TABLE_COLUMNS = {
    "uri": ("uri", "url", "path"),
    "size": ("size", "bytes"),
    "etag": ("etag", "e_tag"),
    "modified": ("modified", "modified_at", "last_modified"),
}
_FORMATS = ("csv", "parquet")


@dataclass(frozen=True, slots=True)
class Inventory:
    """An S3 Inventory as its manifest describes it. ``columns`` name those of CSV files, which have no header."""

    files: tuple[str, ...]
    kind: str
    columns: tuple[str, ...]


def read_inventory(item: Input) -> Iterator[Listed]:
    """The files that an inventory names. What cannot be read of it is one failure of the input."""
    uri = item.uri.removeprefix(INVENTORY_PREFIX)
    uri = normalise(uri) if is_local(uri) else uri.rstrip("/")
    try:
        if uri.rpartition("/")[2] == MANIFEST:
            yield from _s3_files(uri)
        elif _format_of(uri) is not None:
            yield from _table_files(uri)
        else:
            yield from _s3_files(_newest_manifest(uri))
    except Failure as failure:
        yield FailedInput(item.told, failure)
    except pa.ArrowInvalid as error:
        message = f"{redact(uri)}: it is no inventory that can be read ({error}); check the file"
        yield FailedInput(item.told, Failure(Reason.STORAGE_ERROR, message))
    except Exception as error:  # noqa: BLE001  every store has exceptions of its own
        yield FailedInput(item.told, storage_failure(error, redact(uri)))


def _s3_files(manifest: str) -> Iterator[Listed]:
    inventory = _parse_manifest(manifest)
    for path in inventory.files:
        for row in _rows(path, inventory.kind, _S3_COLUMNS, inventory.columns):
            key = row["key"]
            if not key or key.endswith("/") or _says(row["deleted"], "true") or _says(row["latest"], "false"):
                continue
            name = unquote_plus(key) if inventory.kind == "csv" else key
            if not any(part.startswith(".") for part in name.split("/")):
                yield _listed(f"s3://{row['bucket']}/{name}", row)


def _table_files(uri: str) -> Iterator[Listed]:
    kind = _format_of(uri) or "csv"
    for number, row in enumerate(_rows(uri, kind, _TABLE_COLUMNS), start=1):
        name = row["uri"]
        if not name:
            raise Failure(Reason.STORAGE_ERROR, f"{redact(uri)}: row {number} has no uri; complete it")
        if is_local(name):  # the disk itself is asked: what a table says of it may be old
            yield from _local(name, f"{redact(uri)} row {number}")
        else:
            yield _listed(redact(name), row)


def _local(name: str, place: str) -> Iterator[Listed]:
    try:
        yield from list_local(scope_of(name))
    except Failure as failure:
        yield FailedInput(redact(name), failure).said_in(place)


def _listed(uri: str, row: Mapping[str, Any]) -> Listed:
    size = None if row["size"] in (None, "") else int(row["size"])
    modified = moment(row["modified"])
    etag = str(row["etag"] or f"{size}-{row['modified']}").strip('"')
    return unnameable(uri) or SourceFile(uri, size, etag, modified)


def _says(value: object, word: str) -> bool:
    return str(value).lower() == word


def _rows(
    uri: str, kind: str, wanted: Mapping[str, tuple[str, ...]], names: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """The wanted columns of a data file, row by row; None where it lacks one. ``names``: of a CSV without a header."""
    with tempfile.TemporaryDirectory(prefix="folioscope-") as folder:
        path = _copied(uri, folder)
        found, batches = (_csv_batches if kind == "csv" else _parquet_batches)(path, names)
        columns = [name.lower() for name in found]
        where = {
            name: next((columns.index(alias) for alias in aliases if alias in columns), None)
            for name, aliases in wanted.items()
        }
        required = "key" if "key" in wanted else "uri"
        if where[required] is None:
            told = ", ".join(columns)
            raise Failure(Reason.STORAGE_ERROR, f"{redact(uri)}: it has no column {required}, only {told}; rename one")
        for batch in batches:
            places = [None if at is None else batch.schema.get_field_index(found[at]) for at in where.values()]
            values = [[None] * batch.num_rows if at is None else batch.column(at).to_pylist() for at in places]
            for row in zip(*values, strict=True):
                yield dict(zip(where, row, strict=True))


def _csv_batches(path: str, names: tuple[str, ...]) -> tuple[list[str], Iterator[pa.RecordBatch]]:
    """Every value as text, an empty one as None."""
    reading = csv.ReadOptions(column_names=list(names) or None)
    parsing = csv.ParseOptions(newlines_in_values=True)
    with csv.open_csv(path, reading, parsing) as look:
        found = look.schema.names
    types = csv.ConvertOptions(
        column_types=dict.fromkeys(found, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    return found, iter(csv.open_csv(path, reading, parsing, types))


def _parquet_batches(path: str, _: tuple[str, ...]) -> tuple[list[str], Iterator[pa.RecordBatch]]:
    file = pq.ParquetFile(path)
    known = {alias for aliases in (*_S3_COLUMNS.values(), *_TABLE_COLUMNS.values()) for alias in aliases}
    columns = [name for name in file.schema_arrow.names if name.lower() in known]
    return file.schema_arrow.names, file.iter_batches(BATCH_ROWS, columns=columns)


def _copied(uri: str, folder: str) -> str:
    """The data file on this machine's disk, under a name that says how it is compressed."""
    if is_local(uri):
        return uri
    fs, path = fsspec.core.url_to_fs(uri)
    copy = Path(folder) / uri.rpartition("/")[2]
    retried(partial(fs.get_file, path, str(copy)))
    return str(copy)


def _format_of(uri: str) -> str | None:
    name = uri.lower().removesuffix(".gz")
    return next((kind for kind in _FORMATS if name.endswith(f".{kind}")), None)


def _newest_manifest(folder: str) -> str:
    """The manifest of the latest dated folder: their names sort by time."""
    fs, path = fsspec.core.url_to_fs(folder)
    fs.invalidate_cache()
    found = sorted(map(str, retried(lambda: fs.glob(f"{path.rstrip('/')}/*/{MANIFEST}"))))
    if not found:
        told = f"there is no */{MANIFEST} in it; name the folder above the dated ones, or a manifest"
        raise Failure(Reason.NOT_FOUND, f"{redact(folder)}: {told}")
    return found[-1] if is_local(folder) else str(fs.unstrip_protocol(found[-1]))


def _parse_manifest(uri: str) -> Inventory:
    fs, path = fsspec.core.url_to_fs(uri)
    raw = retried(lambda: fs.cat_file(path))
    try:
        values = json.loads(raw)
        kind, schema = str(values["fileFormat"]).lower(), str(values["fileSchema"])
        keys = [str(file["key"]) for file in values["files"]]
        bucket = str(values["destinationBucket"]).rpartition(":")[2]
    except (ValueError, KeyError, TypeError) as error:
        told = f"it is no manifest of an S3 Inventory ({type(error).__name__}: {error}); check --input"
        raise Failure(Reason.STORAGE_ERROR, f"{redact(uri)}: {told}") from error
    if kind not in _FORMATS:
        told = f"its files are {kind.upper()}; have S3 write the inventory as Parquet or CSV"
        raise Failure(Reason.STORAGE_ERROR, f"{redact(uri)}: {told}")
    columns = tuple(name.strip() for name in schema.split(",")) if kind == "csv" else ()
    return Inventory(tuple(_data_file(uri, bucket, key) for key in keys), kind, columns)


def _data_file(manifest: str, bucket: str, key: str) -> str:
    """Where a data file lies: in the bucket that the manifest names, or beside a copy of the manifest on a disk."""
    if not is_local(manifest):
        return f"{manifest.split('://', 1)[0]}://{bucket}/{key}"
    folder = Path(manifest).parent
    beside = (folder / Path(*Path(key).parts[-depth:]) for depth in range(1, len(Path(key).parts) + 1))
    above = folder.parent / "data" / Path(key).name
    return str(next((path for path in (*beside, above) if path.is_file()), above))
