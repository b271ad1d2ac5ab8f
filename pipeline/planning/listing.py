"""What lies under the inputs: listed once to this machine's disk, and put before a ledger in whole or in part.

The listing stays on disk; what is in memory of it is the paths of subtitles and of what they may lie beside.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.storage.listing import LISTED, ListedFiles, list_to_disk
from folioscope.pipeline.tables.commits import commit_failures
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.rows import failure_row
from folioscope.pipeline.tables.work import WorkArea
from folioscope.pipeline.video.sidecars import Sidecar, match_sidecars


class Listing:
    """The files under the inputs, on this machine's disk until it is closed, and what could not be listed."""

    def __init__(
        self,
        listed: ListedFiles,
        folder: tempfile.TemporaryDirectory[str] | None = None,
        stray: pa.Array | None = None,
    ) -> None:
        """``stray`` are listed files that are of no known kind after all."""
        self._listed = listed
        self._folder = folder
        self._stray = stray if stray is not None else pa.array([], pa.string())
        self.failed_inputs = listed.failed
        self.coverage = listed.coverage
        self.facts = listed.facts

    def register(self, database: duckdb.DuckDBPyConnection) -> None:
        """Make ``listed`` (LISTED) and ``unlisted`` (uri) known to a database."""
        path = str(self._listed.path).replace("'", "''")
        database.register("stray", pa.table({"uri": self._stray}))
        database.execute(
            f"""
            CREATE OR REPLACE VIEW listed AS
            SELECT uri, etag, size, modified_at, CASE WHEN odd THEN NULL ELSE named_kind END AS named_kind,
                   skipped OR odd AS skipped
            FROM (SELECT *, uri IN (SELECT uri FROM stray) AS odd FROM read_parquet('{path}'))
            """
        )
        failed = pa.array([item.uri for item in self.failed_inputs], pa.string())
        database.register("unlisted", pa.table({"uri": failed}))

    def table(self) -> pa.Table:
        """All of it in memory, for few files."""
        return pq.read_table(self._listed.path, columns=LISTED.names).cast(LISTED)

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> Listing:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def list_files(config: RunConfig) -> Listing:
    """List every input. Files of other kinds, and files beyond ``limit``, are marked as skipped."""
    folder = tempfile.TemporaryDirectory(prefix="folioscope-listing-", ignore_cleanup_errors=True)
    listed = list_to_disk(config.inputs, config.output, Path(folder.name), config.kinds, config.limit)
    return Listing(listed, folder, _stray_subtitles(listed))


def _stray_subtitles(listed: ListedFiles) -> pa.Array:
    """Paths of subtitles that lie beside no video to be read: they are files of no known kind."""
    named = ds.dataset(listed.path).to_table(
        ["uri", "named_kind", "skipped"], filter=pc.field("named_kind").isin(["video", "audio", "subtitles"])
    )
    subtitles = named.filter(pc.and_(pc.equal(named["named_kind"], "subtitles"), pc.invert(named["skipped"])))["uri"]
    beside = pa.array([sidecar.uri for sidecar in sidecars_among(named)], pa.string())
    stray = subtitles.filter(pc.invert(pc.is_in(subtitles, beside)))
    return pa.array(stray.to_pylist(), pa.string())


def sidecars_among(files: pa.Table) -> list[Sidecar]:
    """The sidecars among listed files that are to be read, each with its video."""
    read = files.filter(pc.invert(files["skipped"]))
    names: dict[str, list[str]] = {
        kind: read.filter(pc.equal(read["named_kind"], kind))["uri"].to_pylist()
        for kind in ("video", "audio", "subtitles")
    }
    heard = names["video"] + names["audio"]
    return list(match_sidecars(heard, names["subtitles"])) if names["subtitles"] else []


def register_listing(ledger: Ledger, listing: Listing) -> None:
    """Register ``listing``, all files, ``listed``, those that are planned over, and ``unlisted``: (uri) of inputs."""
    listing.register(ledger.db)
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE listing AS SELECT * FROM listed;
        CREATE OR REPLACE VIEW listed AS SELECT * FROM listing;
        """
    )


def register_files(ledger: Ledger, files: pa.Table) -> None:
    """Register some files (LISTED) of a listing as all that is planned over; no input failed of them."""
    ledger.db.register("files_chosen", files.cast(LISTED))
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE listing AS SELECT * FROM files_chosen;
        CREATE OR REPLACE VIEW listed AS SELECT * FROM listing;
        CREATE OR REPLACE TEMP VIEW unlisted AS SELECT uri FROM listing LIMIT 0;
        """
    )


def take_out(ledger: Ledger, busy: pa.Table) -> pa.Table:
    """Take files of some contents, or that hold such, out of ``listed``; returns them."""
    ledger.db.register("busy", busy)
    around = "SELECT outer_uri AS uri FROM files SEMI JOIN busy USING (asset_id)"
    left = ledger.query(f"SELECT listed.* FROM listed SEMI JOIN ({around}) USING (uri)")
    if left.num_rows:
        rest = ledger.query(f"SELECT listed.* FROM listed ANTI JOIN ({around}) USING (uri)")
        register_files(ledger, rest)
    return left.cast(LISTED)


def listed_again(ledger: Ledger, listing: Listing, inputs: Sequence[str]) -> tuple[str, ...]:
    """The inputs, and the folders that an earlier run could not list and this one did: their failures are outdated."""
    failed = ledger.query(
        """
        SELECT DISTINCT uri FROM recorded_failures
        WHERE stage = 'plan' AND uri NOT IN (SELECT uri FROM published_assets)
        """
    )["uri"].to_pylist()
    return (*inputs, *(uri for uri in failed if listing.coverage.looked_into(uri)))


def commit_failed_inputs(work: WorkArea, listing: Listing, run_id: str) -> None:
    """Record inputs that could not be listed as failures of stage ``plan``."""
    rows = [
        failure_row(uri=item.uri, asset_id=None, stage="plan", failure=item.failure, run_id=run_id)
        for item in listing.failed_inputs
    ]
    if rows:
        commit_failures(work, f"unlisted-{run_id}", run_id, rows)
