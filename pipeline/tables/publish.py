"""Publish: the tables' next state is made ready in the work area, put in its place and made visible by one manifest.

Commits' part files are in the form that readers get already, so publishing links them into the tables' folders (in a
bucket: a copy inside the store) and writes the manifest; no row passes the driver. Files that lose rows, or are of an
older schema, are written anew, one row group in memory at a time.

``<table>/*.parquet`` is what the manifest names, so that readers who know nothing of it see the current rows. Between
the first file put in place and the last one taken away this does not hold: milliseconds on a disk, in a bucket about 20
ms for every 32 files; a crash there is mended at the next run's start. Readers by the manifest never see it. Files that
are replaced lie under ``_replaced/<run>/`` until the run after the next has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial

import pyarrow as pa

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.iceberg import commit_to_iceberg
from folioscope.pipeline.tables.manifest import (
    REPLACED,
    STATE_FOLDER,
    DataFile,
    IcebergRef,
    Manifest,
    orphaned_files,
    save_manifest,
)
from folioscope.pipeline.tables.part_files import TableWriter, read_table, row_groups, sorted_pieces, thumbnails_held
from folioscope.pipeline.tables.state import write_state
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.coverage import split
from folioscope.schemas.tables import SCHEMA_VERSION, TABLES

TAKEN_FROM_COMMITS = ("segments", "thumbnails", "summaries", "answers", "coverage")
Filter = Callable[[pa.Table], pa.Table]


class Publication:
    """The tables' next state in the making. Nothing of it shows before ``publish``."""

    def __init__(self, work: WorkArea, before: Manifest, run_id: str) -> None:
        """``work``: the generation that is published; with it go all before it.

        Raises RuntimeError where a later one has been: what this one holds would be lost.
        """
        if work.generation < before.generation:
            raise RuntimeError(f"generation {work.generation} comes after {before.generation}, which is published")
        self._work = work
        self._before = before
        self._run_id = run_id
        self._kept = {name: list(before.tables[name]) for name in TABLES}
        self._fresh: dict[str, list[DataFile]] = {name: [] for name in TABLES}
        self._state = list(before.state or ())
        self._fresh_state: list[DataFile] = []
        self._iceberg = before.iceberg
        self._grown = False  # an output from before there was a state has none until all its rows are counted
        self._written = 0

    def keep_iceberg(self, catalog: str | None) -> None:
        """Keep Iceberg metadata from now on, in this catalog too where one is named."""
        known = self._before.iceberg or IcebergRef()
        self._iceberg = known if catalog in (None, known.catalog) else IcebergRef(catalog=catalog)

    def take(self, name: str, file: DataFile) -> None:
        """Add a file of the work area to a table."""
        if file.rows:
            self._fresh[name].append(file)

    def append(self, name: str, tables: Iterable[pa.Table]) -> None:
        """Add rows, given in sort order, to a table."""
        self._fresh[name] += self._write(name, tables)

    def drop(self, name: str, files: Collection[DataFile]) -> None:
        """Leave out files."""
        gone = {file.path for file in files}
        for held in (self._kept, self._fresh):
            held[name] = [file for file in held[name] if file.path not in gone]

    def rewrite(self, name: str, file: DataFile, change: Filter) -> None:
        """Put each row group of a file of the state before through ``change``; a file without rows is left out."""
        self.drop(name, [file])
        self.append(name, (change(group) for group in row_groups(self._work.store, name, file)))

    def upgrade(self, change: Callable[[str, pa.Table], pa.Table]) -> None:
        """Bring files of older schema versions to the present one, file by file; ``change`` gets each row group."""
        for name in TABLES:
            for file in [file for file in self._kept[name] if file.schema_version < SCHEMA_VERSION]:
                if name == "answers":
                    self._part_coverage(file, partial(change, name))
                    continue
                self.rewrite(name, file, partial(change, name))
                if name == "segments":
                    moved = thumbnails_held(self._work.store, file)
                    self.append("thumbnails", (change("thumbnails", group) for group in moved))

    def _part_coverage(self, file: DataFile, change: Filter) -> None:
        """Answers that found nothing go to ``coverage``; the others are sorted, a file of them in memory."""
        groups = (change(group) for group in row_groups(self._work.store, "answers", file))
        self.append("coverage", (split(group)[1] for group in groups))
        self.drop("answers", [file])
        found = (split(change(group))[0] for group in row_groups(self._work.store, "answers", file))
        for piece in sorted_pieces("answers", found):
            self.append("answers", [piece])

    def files(self, name: str) -> tuple[DataFile, ...]:
        """The table's files as they stand now; new ones by their places in the work area."""
        return (*self._kept[name], *self._fresh[name])

    def state_files(self) -> tuple[DataFile, ...]:
        return (*self._state, *self._fresh_state)

    def grow_state(self, batches: Iterable[pa.Table], replacing: Collection[DataFile] = ()) -> None:
        """Add rows of the state, sorted by asset; in the place of files that they sum up."""
        self._grown = True
        gone = {file.path for file in replacing}
        fresh = write_state(self._work.store, f"{self._work.root}/new/{STATE_FOLDER}", self._stem(), batches)
        self._state = [file for file in self._state if file.path not in gone]
        self._fresh_state = [*(file for file in self._fresh_state if file.path not in gone), *fresh]

    def publish(self, check: Callable[[], None]) -> Manifest:
        """Put the files in their places, save the manifest and take away what it no longer names.

        ``check`` is asked last before the manifest is saved, and raises where this run may not publish any more.

        Raises:
            OutputError: the output cannot be written; readers see the state before.
        """
        store = self._work.store
        self._fill_empty_tables()
        fresh = {**self._fresh, STATE_FOLDER: self._fresh_state}
        moves = [(file.path, _place(folder, file)) for folder, files in fresh.items() for file in files]
        placed = {
            folder: tuple(replace(file, path=_place(folder, file)) for file in files) for folder, files in fresh.items()
        }
        after = Manifest(
            self._run_id,
            self._work.generation,
            tables={name: (*self._kept[name], *placed[name]) for name in TABLES},
            state=None if self._before.state is None and not self._grown else (*self._state, *placed[STATE_FOLDER]),
            index=self._before.index,
        )
        store.at_once([partial(store.copy, source, target) for source, target in moves])
        check()
        if self._iceberg is not None:
            after = replace(after, iceberg=commit_to_iceberg(store, self._iceberg, after.tables, self._run_id))
        save_manifest(store, after)
        retire(store, self._before.paths() - after.paths(), self._run_id)
        WorkArea(store, self._work.generation + 1).clear_older()
        return after

    def _fill_empty_tables(self) -> None:
        """A table without rows has one file, which tells readers its schema; others have none that is empty."""
        for name in TABLES:
            with_rows = [file for file in self._kept[name] if file.rows]
            if with_rows or self._fresh[name]:
                self._kept[name] = with_rows
            elif not self._kept[name]:
                writer = self._writer(name)
                writer.write_empty()
                self._fresh[name] += writer.files

    def _write(self, name: str, tables: Iterable[pa.Table]) -> list[DataFile]:
        writer = self._writer(name)
        writer.write(tables)
        return writer.files

    def _writer(self, name: str) -> TableWriter:
        return TableWriter(self._work.store, name, f"{self._work.root}/new/{name}", self._stem())

    def _stem(self) -> str:
        self._written += 1
        return f"{self._run_id}-{self._work.generation}-{self._written}"


def _place(folder: str, file: DataFile) -> str:
    return f"{folder}/{file.path.rpartition('/')[2]}"


def retire(store: OutputStore, paths: Collection[str], run_id: str) -> None:
    """Take files out of the tables' folders; those who read them find them under ``_replaced`` for a while."""
    store.at_once([partial(store.move, path, f"{REPLACED}/{run_id}/{path}") for path in sorted(paths)])


def sweep(store: OutputStore, manifest: Manifest, run_id: str) -> None:
    """At a run's start: what a crash left in the tables' folders goes out of them; of replaced files the last stay."""
    retire(store, set(orphaned_files(store, manifest)), run_id)
    for folder in {name.split("/")[1] for name in store.names(REPLACED)} - {run_id, manifest.run_id}:
        store.delete_folder(f"{REPLACED}/{folder}")


def read_published(store: OutputStore, manifest: Manifest, name: str) -> pa.Table:
    """A whole published table, brought to the present schema. For the small tables."""
    return read_table(store, name, manifest.tables[name])
