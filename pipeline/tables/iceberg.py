"""Apache Iceberg metadata over the published Parquet files: no row is written twice.

Each publication becomes one snapshot a table, tagged with its run: files that the manifest names anew are appended,
files that it no longer names are taken out. ``manifest.json`` names the tables' metadata files, so that it stays the
one pointer to all; with a catalog (``--catalog``) the tables are committed there as well, ``assets`` last. Snapshots
that name files since replaced are expired, since those files have left their places: a table reads as of any run
after the last that replaced some of its files. Iceberg writes whole URIs down: an output that moved gets new tables.

Costs some 0.1 s a publication, one request for each new file's footer, and a few small files a table; needs the extra
``iceberg``. Names of PyIceberg stand in this module alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from folioscope.pipeline.storage.store import OutputError, OutputStore
from folioscope.pipeline.tables.manifest import DataFile, IcebergRef
from folioscope.schemas.extras import require
from folioscope.schemas.tables import TABLES

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

FOLDER = "_iceberg"
NAMESPACE = "folioscope"
RUN_PROPERTY = "folioscope.run_id"
_COMMITTED_LAST = "assets"
_FILE_IO = {"py-io-impl": "folioscope.pipeline.storage.iceberg_io.StoreFileIO"}  # ours alone: not the tables' property
_PROPERTIES = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


def commit_to_iceberg(
    store: OutputStore, before: IcebergRef, tables: Mapping[str, Sequence[DataFile]], run_id: str
) -> IcebergRef:
    """Bring the Iceberg tables to what is about to be published; ``before`` is where they stood.

    Raises:
        MissingExtraError: pyiceberg is not installed.
        OutputError: the catalog or the store refuses; nothing of the publication shows in the manifest.
    """
    require("iceberg", "--iceberg")
    name_of_catalog, _, namespace = (before.catalog or "").partition("/")
    names = [*(name for name in TABLES if name != _COMMITTED_LAST), _COMMITTED_LAST]
    try:
        with closing(_catalog(name_of_catalog or None)) as catalog:
            place = namespace or NAMESPACE
            catalog.create_namespace_if_not_exists(place)
            found = {
                name: _committed(catalog, store, (place, name), before.metadata.get(name), tables[name], run_id)
                for name in names
            }
    except (OutputError, MemoryError):
        raise
    except Exception as error:
        catalog_name = f"the Iceberg catalog {before.catalog}" if before.catalog else "the Iceberg tables"
        raise OutputError(
            f"{catalog_name} of {store.name} could not be brought up ({type(error).__name__}: {error}). What is "
            "committed is kept. Mend the catalog or its settings, then run the same command again."
        ) from error
    return IcebergRef({name: found[name] for name in TABLES}, before.catalog)


def _catalog(name: str | None) -> Catalog:
    """The catalog that the machine's PyIceberg settings know by that name; without one, a passing one in memory."""
    from pyiceberg.catalog import load_catalog

    if name is not None:
        return load_catalog(name, **_FILE_IO)
    return load_catalog(NAMESPACE, type="sql", uri="sqlite:///:memory:", **_FILE_IO)


def _committed(
    catalog: Catalog,
    store: OutputStore,
    identifier: tuple[str, str],
    metadata: str | None,
    files: Iterable[DataFile],
    run_id: str,
) -> str:
    """Bring one table (namespace, name) up; its metadata file's URI."""
    location = store_uri(store, f"{FOLDER}/{identifier[1]}")
    table = _table(catalog, identifier, location, metadata)
    present = _present(table)
    wanted = {store_uri(store, file.path) for file in files}
    gone = [data_file for path, (data_file, _) in present.items() if path not in wanted]
    fresh = sorted(wanted - present.keys())
    if gone or fresh or table.current_snapshot() is None:
        _bring_up(table, gone, fresh, run_id)
    return str(catalog.load_table(identifier).metadata_location)


def _table(catalog: Catalog, identifier: tuple[str, str], location: str, metadata: str | None) -> Table:
    """The table as it stood; a new one where there was none, or where the output lay elsewhere then.

    Raises:
        OutputError: the catalog knows it as another output's.
    """
    schema = TABLES[identifier[1]]
    if metadata is not None and metadata.startswith(f"{location}/") and not catalog.table_exists(identifier):
        table = catalog.register_table(identifier, metadata)
    else:
        table = catalog.create_table_if_not_exists(identifier, schema, location=location, properties=_PROPERTIES)
    if table.location() != location:
        raise OutputError(
            f"The Iceberg table {'.'.join(identifier)} belongs to {table.location()}, not to {location}. Name another "
            "namespace: --catalog NAME/NAMESPACE; or, where the output was moved, drop the table from the catalog."
        )
    with table.update_schema() as update:
        update.union_by_name(schema)
    return table


def _present(table: Table) -> dict[str, tuple[Any, int]]:
    """The data files of the current snapshot by URI, each with the sequence number under which it came."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return {}
    entries = (entry for manifest in snapshot.manifests(table.io) for entry in manifest.fetch_manifest_entry(table.io))
    return {entry.data_file.file_path: (entry.data_file, entry.sequence_number or 0) for entry in entries}


def _bring_up(table: Table, gone: Sequence[Any], fresh: Sequence[str], run_id: str) -> None:
    """One snapshot that takes files out and appends others, its tag, and the end of snapshots that lost a file."""
    from pyiceberg.io.pyarrow import parquet_files_to_data_files

    lost = _snapshots_with(table, gone)
    with table.transaction() as change:
        change.set_properties({"schema.name-mapping.default": table.schema().name_mapping.model_dump_json()})
        data_files = parquet_files_to_data_files(table.io, change.table_metadata, iter(fresh))
        update = change.update_snapshot(snapshot_properties={RUN_PROPERTY: run_id})
        with update.overwrite() if gone else update.fast_append() as producer:
            for data_file in gone:
                producer.delete_data_file(data_file)
            for data_file in data_files:
                producer.append_data_file(data_file)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    with table.manage_snapshots() as references:
        for tag, reference in table.metadata.refs.items():
            if reference.snapshot_ref_type == "tag" and reference.snapshot_id in lost:
                references.remove_tag(tag)
        references.create_tag(snapshot.snapshot_id, run_id)
    if lost:
        table.maintenance.expire_snapshots().by_ids(sorted(lost)).commit()


def _snapshots_with(table: Table, gone: Sequence[Any]) -> set[int]:
    """The snapshots that name one of these files: from the one that brought it to the present one."""
    present = _present(table)
    came = min((present[data_file.file_path][1] for data_file in gone), default=None)
    if came is None:
        return set()
    return {item.snapshot_id for item in table.snapshots() if (item.sequence_number or 0) >= came}


def store_uri(store: OutputStore, path: str) -> str:
    """The URI under which any reader of Iceberg finds a file of the store."""
    if store.is_local:
        return Path(store.full(path)).absolute().as_uri()
    return str(store.filesystem.unstrip_protocol(store.full(path)))
