"""The ledger: what is done, derived from the committed rows themselves, so that no second record can drift from them.

A query joins what is published with what is committed and not yet published. How much is published of each asset it
reads from the state, so its cost is that of the files listed, not of their pages; it may spill to this machine's disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa
from fsspec.implementations.dirfs import DirFileSystem

from folioscope.pipeline.storage.attachments import LISTED
from folioscope.pipeline.tables.commits import UNIT_COLUMNS, CommitRecord, read_records, unit_values
from folioscope.pipeline.tables.cue_lists import RECIPE_OF
from folioscope.pipeline.tables.manifest import DataFile, Manifest
from folioscope.pipeline.tables.state import MACROS, state_view
from folioscope.pipeline.tables.takeover import CountedCommits
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.migrations import schema_at, to_table
from folioscope.schemas.tables import ASSETS, SCHEMA_VERSION, TABLES

_WHOLE = frozenset({"assets"})

# A recorded failure f whose work has been committed anew.
SETTLED_ANEW = """
    EXISTS (SELECT 1 FROM work_units AS u WHERE u.asset_id = f.asset_id AND u.recipe_id = f.recipe_id
            AND ((f.stage IN ('decode', 'read', 'ocr') AND u.stage = 'read'
                  AND f.segment BETWEEN u."first" AND u."last")
                 OR (f.stage = u.stage AND u.question_id IS NOT DISTINCT FROM f.question_id)))
"""
# A recorded failure f of something that has a row all the same: earlier versions could leave both. The row counts.
CONTRADICTED = """
    EXISTS (SELECT 1 FROM have AS h WHERE f.stage IN ('summarize', 'answer') AND h.asset_id = f.asset_id
            AND h.recipe_id = f.recipe_id AND h.question_id IS NOT DISTINCT FROM f.question_id)
    OR EXISTS (SELECT 1 FROM pages_read AS p WHERE f.stage IN ('decode', 'read') AND p.asset_id = f.asset_id
               AND p.recipe_id = f.recipe_id AND p.segment = f.segment)
"""
_UNIT_TYPES = [pa.string(), pa.string(), pa.string(), pa.int64(), pa.int64(), pa.string(), pa.string()]
_WORK_ROWS = """
    CREATE OR REPLACE VIEW work_rows AS
    SELECT asset_id, recipe_id, question_id, run_id, sum(n)::BIGINT AS rows FROM (
        SELECT asset_id, recipe_id, question_id, run_id,
               CASE stage WHEN 'read' THEN "last" - "first" + 1 ELSE 1 END AS n
        FROM work_units WHERE stage <> 'identify'
        UNION ALL
        SELECT asset_id, recipe_id, question_id, run_id, -1 FROM work_failures
        WHERE stage IN ('decode', 'read', 'summarize', 'answer')
    ) GROUP BY ALL HAVING sum(n) > 0
"""
_ASKED = """
    CREATE OR REPLACE VIEW published_asked AS
    SELECT asset_id, question_id, recipe_id, run_id, model, seconds, input_tokens, output_tokens FROM published_answers
    UNION ALL
    SELECT asset_id, unnest(question_ids), unnest(recipe_ids), run_id, model, seconds / len(question_ids),
           input_tokens / len(question_ids), output_tokens / len(question_ids) FROM published_coverage
"""
MEMORY_LIMIT = "1GB"
STREAMED_ROWS = 4096
_ASKED_NIGHTLY = frozenset({"assets", "failures", "runs"})


class Ledger:
    """Set questions about one output, asked in SQL. Holds a private database, which may spill to disk; close it.

    ``records`` are the commits that are not yet published. Relations that it keeps:

        published_<table>    rows that are published, without columns that hold structs
        published_asked      what was asked of each asset, found (``answers``) or not (``coverage``)
        recorded_failures    rows of failures that are published; ``published_failures`` are those of them that stand
        state, have          rows of results by asset and task: of the whole output, and of ``documents``, which
                             ``settled.py`` counts together with ``pages_read``
        work_units           what the commits settle: stage, asset_id, recipe_id, first, last, question_id, run_id
        work_rows            how many rows of results the commits hold: asset_id, recipe_id, question_id, run_id, rows
        work_failures        rows of failures in the commits
        looked_into          rows of assets in the commits
        within               files inside listed files, once ``attachments.py`` has looked for them
    """

    def __init__(
        self, manifest: Manifest, work: WorkArea, retry: Sequence[str] = (), counted: CountedCommits | None = None
    ) -> None:
        """Failures of the reasons in ``retry`` count as not yet tried.

        ``counted`` tells whose commits it takes in: the run's own, of the generation of ``work``, and inherited ones;
        by default none.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="folioscope-ledger-")
        self.db = duckdb.connect()  # what outgrows its memory goes to the folder; nothing in it need outlive the run
        self.work = work
        store = work.store
        self._native = store.is_local and not set("*?[") & set(store.full(""))  # DuckDB takes those for a glob
        self._brought: dict[str, str] = {}
        # A file opened in Python serves one thread: DuckDB seeks and reads in two steps.
        self.db.execute(f"SET threads = {2 if self._native else 1}; SET enable_external_file_cache = false")
        self.db.execute(f"SET memory_limit = '{MEMORY_LIMIT}'; SET temp_directory = '{self._folder.name}'")
        self.db.execute("SET preserve_insertion_order = false")
        self._root = store.full("") + "/" if self._native else "dir://"
        self.db.execute(RECIPE_OF)
        self.db.register_filesystem(DirFileSystem(store.full(""), store.filesystem))
        self.db.execute(MACROS)
        self.db.execute(LISTED)
        self._exclude(retry)
        self._counted = counted
        self.records: list[CommitRecord] = []
        self._register_commits([])
        self.db.execute(_WORK_ROWS)
        self.db.execute(
            """
            CREATE TABLE have (asset_id VARCHAR, recipe_id VARCHAR, question_id VARCHAR, rows BIGINT);
            CREATE TABLE pages_read (asset_id VARCHAR, recipe_id VARCHAR, segment INTEGER);
            CREATE TABLE within (uri VARCHAR);
            """
        )
        self.rebase(manifest)
        self.refresh()

    def close(self) -> None:
        self.db.close()
        self._folder.cleanup()

    def _view(self, name: str, view: str) -> None:
        """A view of one published table's columns that hold no structs; of assets, which planning carries on, all.

        DuckDB reads the files itself; in a bucket, those of the tables that every night asks about are brought to this
        machine first, each by one request, others are read through the store's file system. (Scanning them by Arrow,
        with a file system written in Python below it, locks up now and then: each waits for the other with the GIL
        held.)
        """
        self.db.register(f"no_{name}", TABLES[name].empty_table().select(_plain_columns(name, SCHEMA_VERSION)))
        parts = [f"SELECT * FROM no_{name}"]
        files = self.manifest.tables[name]
        places = self._places(files, bring=name in _ASKED_NIGHTLY)
        for version in sorted({file.schema_version for file in files}):
            paths = ", ".join(_literal(places[file.path]) for file in files if file.schema_version == version)
            columns = ", ".join(f'"{column}"' for column in _plain_columns(name, version))
            parts.append(f"SELECT {columns} FROM read_parquet([{paths}])")
        self.db.execute(f"CREATE OR REPLACE VIEW {view} AS {' UNION ALL BY NAME '.join(parts)}")

    def places(self, files: Sequence[DataFile]) -> dict[str, str]:
        """Where DuckDB finds each file; those in a bucket are brought to this machine."""
        return self._places(files, bring=True)

    def _places(self, files: Sequence[DataFile], *, bring: bool) -> dict[str, str]:
        """Where DuckDB finds each file."""
        if self._native or not bring:
            return {file.path: f"{self._root}{file.path}" for file in files}
        store = self.work.store
        missing = [file.path for file in files if file.path not in self._brought]
        local = [f"{self._folder.name}/{len(self._brought) + number}.parquet" for number in range(len(missing))]
        store.at_once([partial(store.fetch, path, place) for path, place in zip(missing, local, strict=True)])
        self._brought.update(zip(missing, local, strict=True))
        return {file.path: self._brought[file.path] for file in files}

    def refresh(self) -> None:
        """Take in what has been committed since."""
        if self._counted is None:
            return
        known = {record.path for record in self.records}
        names = [*self._counted.inherited, *self.work.names(f"commits/{self._counted.run_id}")]
        self._register_commits(list(read_records(self.work.store, (name for name in names if name not in known))))

    def _register_commits(self, fresh: list[CommitRecord]) -> None:
        """Add commits to the relations that hold them."""
        units = [(*unit_values(unit), record.run_id) for record in fresh for unit in record.units]
        columns = list(zip(*units, strict=True)) if units else [() for _ in _UNIT_TYPES]
        arrays = [pa.array(column, kind) for column, kind in zip(columns, _UNIT_TYPES, strict=True)]
        self._append("work_units", pa.table(arrays, names=[*UNIT_COLUMNS, "run_id"]), first=not self.records)
        failures = to_table("failures", [row for record in fresh for row in record.failures])
        self._append("work_failures", failures, first=not self.records)
        assets = [part.file.path for record in fresh for part in record.parts if part.table == "assets"]
        tables = [table.cast(ASSETS) for table in self.work.read(assets)]
        self._append("looked_into", pa.concat_tables([ASSETS.empty_table(), *tables]), first=not self.records)
        self.records += fresh

    def _append(self, name: str, rows: pa.Table, *, first: bool) -> None:
        self.db.register("appended", rows)
        verb = f"CREATE OR REPLACE TABLE {name} AS" if first else f"INSERT INTO {name}"
        self.db.execute(f"{verb} SELECT * FROM appended")
        self.db.unregister("appended")

    def forget_retries(self) -> None:
        """Count recorded failures of every reason again."""
        self._exclude(())

    def _exclude(self, reasons: Sequence[str]) -> None:
        self.db.register("reasons_excluded", pa.table({"reason": pa.array(list(reasons), pa.string())}))

    def begin_anew(self, manifest: Manifest, work: WorkArea) -> None:
        """Take in the run's commits of another generation alone, over another published state."""
        self.work = work
        self._counted = self._counted.own if self._counted else None
        self.records = []
        self._register_commits([])
        self.rebase(manifest)
        self.refresh()

    def rebase(self, manifest: Manifest) -> None:
        """Look at another published state of the output."""
        self.manifest = manifest
        for name in TABLES:
            self._view(name, "recorded_failures" if name == "failures" else f"published_{name}")
        self.db.execute(_ASKED)
        if manifest.state is None:
            state_view(self.db, None)
        else:
            state_view(self.db, list(self._places(manifest.state, bring=True).values()))
        # Failures to look into a file are not touched here: they do not settle anything.
        self.db.execute(
            f"""
            CREATE OR REPLACE VIEW published_failures AS
            SELECT * FROM recorded_failures AS f
            WHERE stage = 'plan' OR NOT (
                reason IN (SELECT reason FROM reasons_excluded) OR {SETTLED_ANEW} OR {CONTRADICTED})
            """
        )

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        return self.db.sql(sql, params=list(parameters)).to_arrow_table()

    def stream(self, sql: str, schema: pa.Schema, parameters: Sequence[Any] = ()) -> Iterator[pa.Table]:
        """A result of any size as tables of a few thousand rows; nothing else may be asked until it is read."""
        for batch in self.db.sql(sql, params=list(parameters)).to_arrow_reader(STREAMED_ROWS):
            yield pa.Table.from_batches([batch]).select(schema.names).cast(schema)


def _plain_columns(name: str, version: int) -> list[str]:
    schema = schema_at(name, max(1, version))
    return [field.name for field in schema if name in _WHOLE or not _holds_struct(field.type)]


def _holds_struct(kind: pa.DataType) -> bool:
    return _holds_struct(kind.value_type) if pa.types.is_list(kind) else pa.types.is_struct(kind)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
