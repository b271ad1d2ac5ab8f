"""Retention: rows that no file names any more, and old runs and tombstones, leave the tables. What is current stays.

A row goes where it was made before the cutoff and no asset, nor any tombstone that stays, names its content under its
recipe. New files are written first and the manifest last, as a run publishes: killed at any moment, the command leaves
the tables as they were or as they shall be. Replaced files stay for readers until the next run, or the next call of
this. Reads key columns of every file, rewrites only files that lose rows, and holds one file at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from folioscope.pipeline.storage.lease import Lease
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import DataFile, Manifest, ManifestError, load_manifest
from folioscope.pipeline.tables.part_files import open_file, row_groups
from folioscope.pipeline.tables.publish import Publication, read_published, sweep
from folioscope.pipeline.tables.recipes import ASK_PREFIX
from folioscope.pipeline.tables.rows import new_run_id
from folioscope.pipeline.tables.state import state_rows
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.tables import SCHEMA_VERSION, TABLES

# What the state counts: by table, a row's recipe and question, each of them where it has several.
RESULTS = {
    "segments": "recipe_id, NULL",
    "summaries": "recipe_id, NULL",
    "answers": "recipe_id, question_id",
    "coverage": "unnest(recipe_ids), unnest(question_ids)",
}
KEPT_BY_RECIPE = ("thumbnails", *RESULTS, "failures")


@dataclass(frozen=True, slots=True)
class Expired:
    """Rows that went, by table, and bytes of the tables' files before and after."""

    rows: dict[str, int]
    bytes_before: int
    bytes_after: int

    @property
    def nothing(self) -> bool:
        return not any(self.rows.values())


@dataclass(frozen=True, slots=True)
class Keep:
    """What stays for its age: what was made since ``since``, or by the last ``runs`` runs. One of the two is set."""

    since: datetime | None = None
    runs: int | None = None

    def cutoff(self, started: list[datetime]) -> datetime | None:
        """The moment before which things are old; None where nothing is. ``started``: when each run began, sorted."""
        if self.runs is None:
            return self.since
        return started[-self.runs] if len(started) > self.runs else None


def expire(store: OutputStore, keep: Keep, *, dry_run: bool, notify: Callable[[str], None]) -> Expired:
    """Drop what is neither current nor young enough; with ``dry_run`` tell what would go.

    Raises:
        ManifestError, OutputError, OutputBusyError, LeaseLostError: with what to do about it.
    """
    _check_version(store)
    if dry_run:
        return _Expiry(store, keep, "dry-run").plan()
    run_id = f"{new_run_id()}-expire"
    with Lease(store, run_id, notify) as lease:
        sweep(store, load_manifest(store), run_id)
        expiry = _Expiry(store, keep, run_id)
        expired = expiry.plan()
        if not expired.nothing:
            after = expiry.rewrite().publish(partial(lease.check, thoroughly=True))
            store.delete(expiry.old_manifests())
            expired = Expired(expired.rows, expired.bytes_before, _size(after))
        return expired


def _check_version(store: OutputStore) -> None:
    """Only a run moves what another version keeps in another table."""
    manifest = load_manifest(store)
    if any(file.schema_version < SCHEMA_VERSION for files in manifest.tables.values() for file in files):
        raise ManifestError(
            f"{store.name} holds tables that an older Folioscope wrote. Run the same job again, which brings them up "
            "to date and reads nothing twice; then expire."
        )


class _Expiry:
    """One look at an output, and the tables as they shall be."""

    def __init__(self, store: OutputStore, keep: Keep, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self.before = load_manifest(store)
        self._runs = read_published(store, self.before, "runs").sort_by("run_id")
        self._cutoff = keep.cutoff(sorted(self._runs["started_at"].to_pylist()))
        self._ledger = Ledger(self.before, WorkArea(store, self.before.generation + 1))
        self._losing: dict[str, list[tuple[DataFile, pa.Array]]] = {}

    def plan(self) -> Expired:
        """Find out what goes."""
        rows = dict.fromkeys(TABLES, 0)
        self._ledger.db.execute("CREATE TABLE rows_gone (asset UBIGINT, task UBIGINT, rows INTEGER)")
        if self._cutoff is not None:
            self._mark_named(self._cutoff)
            for name in KEPT_BY_RECIPE:
                self._losing[name] = list(self._marked(name, self._cutoff))
                rows[name] = sum(len(mask) - int(np.count_nonzero(mask)) for _, mask in self._losing[name])
            rows["assets"] = self._count("dropped_stones")
            self._mark_runs(self._cutoff)
            rows["runs"] = self._count("dropped_runs")
        size = _size(self.before)
        return Expired(rows, size, size)

    def rewrite(self) -> Publication:
        """Write the files that take the place of those that lose rows."""
        # Under the generation that is published: what a run has committed since stays its own.
        publication = Publication(WorkArea(self._store, self.before.generation), self.before, self._run_id)
        for name, losing in self._losing.items():
            for file, stays in losing:
                publication.drop(name, [file])
                publication.append(name, self._kept_rows(name, file, stays))
        for name, key, dropped in (("assets", "uri", "dropped_stones"), ("runs", "run_id", "dropped_runs")):
            gone = self._ledger.query(f"SELECT {key} FROM {dropped}")[key].combine_chunks()
            if len(gone):
                for file in self.before.tables[name]:
                    publication.rewrite(name, file, partial(_without, key, gone))
        if self.before.state is not None:
            publication.grow_state(state_rows(self._ledger, "SELECT asset, task, -rows AS rows FROM rows_gone"))
        return publication

    def old_manifests(self) -> Iterator[str]:
        """The history's copies of runs that are no longer in the runs table."""
        dropped = self._ledger.query("SELECT run_id FROM dropped_runs")["run_id"].to_pylist()
        kept = set(self._runs["run_id"].to_pylist()) - set(dropped) | {self.before.run_id, self._run_id}
        yield from (path for path in self._store.names("manifests") if PurePosixPath(path).stem not in kept)

    def _mark_named(self, cutoff: datetime) -> None:
        """Register ``dropped_stones`` (uri), ``named`` (asset_id, recipe_id) and ``content`` (asset_id) that stay."""
        database = self._ledger.db
        database.execute(
            """
            CREATE TABLE dropped_stones AS
            SELECT uri FROM published_assets AS assets JOIN published_runs AS runs USING (run_id)
            WHERE assets.status = 'deleted' AND runs.started_at < $1
            """,
            [cutoff],
        )
        database.execute(
            """
            CREATE TABLE assets_kept AS
            SELECT * FROM published_assets WHERE uri NOT IN (SELECT uri FROM dropped_stones);
            CREATE TABLE content AS SELECT DISTINCT asset_id FROM assets_kept WHERE asset_id IS NOT NULL;
            CREATE TABLE named AS
            SELECT asset_id, read_recipe_id AS recipe_id FROM assets_kept
            UNION SELECT asset_id, summary_recipe_id FROM assets_kept
            UNION SELECT asset_id, unnest(answer_recipe_ids) FROM assets_kept;
            """
        )

    def _marked(self, name: str, cutoff: datetime) -> Iterator[tuple[DataFile, pa.Array]]:
        """Each file of the table that loses rows, with True for each row that stays."""
        if name == "failures":
            columns = ["uri", "asset_id", "recipe_id", "created_at"]
            # A failed file's row goes with its tombstone, for the tombstone is what hides it.
            rule = """CASE WHEN asset_id IS NULL THEN uri IN (SELECT uri FROM dropped_stones)
                ELSE created_at < $1 AND NOT (
                    asset_id IN (SELECT asset_id FROM content)
                    AND (recipe_id IS NULL OR EXISTS (SELECT 1 FROM named WHERE named.asset_id = keys.asset_id
                                                      AND named.recipe_id = keys.recipe_id))) END"""
        elif name == "coverage":  # a row stays with all its questions while a file names the recipe of one
            columns = ["asset_id", "recipe_ids", "question_ids", "created_at"]
            rule = f"""created_at < $1 AND "row" NOT IN (
                SELECT "row" FROM (SELECT "row", asset_id, unnest(recipe_ids) AS recipe_id FROM keys) AS each
                WHERE (asset_id, recipe_id) IN (SELECT (asset_id, recipe_id) FROM named)
                   OR starts_with(recipe_id, '{ASK_PREFIX}') AND asset_id IN (SELECT asset_id FROM content))"""
        else:
            columns = ["asset_id", "recipe_id", "created_at"]
            rule = """created_at < $1 AND NOT EXISTS (
                SELECT 1 FROM named WHERE named.asset_id = keys.asset_id AND named.recipe_id = keys.recipe_id)"""
        if name == "answers":  # those that `ask --keep` wrote are named by no file; they stay as long as their content
            rule += f""" AND NOT (
                starts_with(recipe_id, '{ASK_PREFIX}') AND asset_id IN (SELECT asset_id FROM content))"""
            columns = [*columns, "question_id"]
        for file in self.before.tables[name]:
            with open_file(self._store, file.path) as stream:
                keys = pq.read_table(stream, columns=columns)
            keys = keys.append_column("row", pa.array(np.arange(keys.num_rows)))
            self._ledger.db.register("keys", keys)
            gone = self._ledger.query(f'SELECT "row" FROM keys WHERE {rule}', [cutoff])["row"]
            if len(gone):
                if name in RESULTS:
                    self._ledger.db.execute(
                        f"""
                        INSERT INTO rows_gone
                        SELECT key64(asset_id), task_key(recipe, question), count(*)::INTEGER
                        FROM (SELECT asset_id, {RESULTS[name]} FROM keys WHERE {rule})
                             AS gone (asset_id, recipe, question)
                        GROUP BY ALL
                        """,
                        [cutoff],
                    )
                stays = np.ones(keys.num_rows, dtype=bool)
                stays[gone.to_numpy()] = False
                yield file, pa.array(stays)

    def _kept_rows(self, name: str, file: DataFile, stays: pa.Array) -> Iterator[pa.Table]:
        start = 0
        for group in row_groups(self._store, name, file):
            yield group.filter(stays.slice(start, group.num_rows))
            start += group.num_rows

    def _mark_runs(self, cutoff: datetime) -> None:
        """Register ``dropped_runs`` (run_id): old ones that no row that stays names, and never the last."""
        named: set[str] = {self._runs["run_id"][-1].as_py()} if self._runs.num_rows else set()
        for name in KEPT_BY_RECIPE:
            masks = {file.path: mask for file, mask in self._losing[name]}
            for file in self.before.tables[name]:
                with open_file(self._store, file.path) as stream:
                    runs = pq.read_table(stream, columns=["run_id"])
                kept = runs.filter(masks[file.path]) if file.path in masks else runs
                named |= set(kept["run_id"].unique().to_pylist())
        named |= set(self._ledger.query("SELECT DISTINCT run_id FROM assets_kept")["run_id"].to_pylist())
        self._ledger.db.register("runs_named", pa.table({"run_id": pa.array(sorted(named), pa.string())}))
        self._ledger.db.execute(
            """
            CREATE TABLE dropped_runs AS
            SELECT run_id FROM published_runs WHERE started_at < $1 AND run_id NOT IN (SELECT run_id FROM runs_named)
            """,
            [cutoff],
        )

    def _count(self, table: str) -> int:
        return int(self._ledger.query(f"SELECT count(*) AS n FROM {table}")["n"][0].as_py())


def _without(key: str, gone: pa.Array, group: pa.Table) -> pa.Table:
    return group.filter(pc.invert(pc.is_in(group[key], value_set=gone)))


def _size(manifest: Manifest) -> int:
    return sum(file.bytes for files in manifest.tables.values() for file in files)
