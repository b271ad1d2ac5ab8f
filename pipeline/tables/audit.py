"""The audit: whether the state says what the rows say, and whether the rows hold together; and the state made anew.

The rows are the truth, the state a summary of them that spares a night their scan. Reads the key columns of every
table once; memory is bounded, the rest spills to this machine's disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from folioscope.pipeline.storage.lease import Lease
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import load_manifest
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.rows import new_run_id
from folioscope.pipeline.tables.state import COUNTED, state_rows
from folioscope.pipeline.tables.work import WorkArea


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What does not hold; each figure is 0 in a sound output."""

    wrong_state: int  # assets and tasks of which the state tells another number of rows
    doubled_rows: int  # rows whose key another row has as well
    contradictions: int  # failures of pages, summaries and answers that have a row as well
    shared_keys: int  # assets whose 64-bit key another asset has as well

    @property
    def sound(self) -> bool:
        return not (self.wrong_state or self.doubled_rows or self.contradictions or self.shared_keys)


def audit(store: OutputStore) -> AuditReport:
    """Check what is published. Writes nothing.

    Raises:
        ManifestError, OutputError: with what to do about it.
    """
    manifest = load_manifest(store)
    ledger = Ledger(manifest, WorkArea(store, manifest.generation + 1))
    try:
        return AuditReport(
            wrong_state=_count(
                ledger,
                f"""
                WITH told AS (SELECT asset, task, sum(rows) AS rows FROM state GROUP BY ALL HAVING sum(rows) <> 0),
                counted AS (SELECT asset, task, sum(rows) AS rows FROM ({COUNTED}) GROUP BY ALL)
                SELECT 1 FROM told FULL JOIN counted USING (asset, task) WHERE told.rows IS DISTINCT FROM counted.rows
                """,
            ),
            doubled_rows=sum(
                _count(ledger, f"SELECT 1 FROM published_{table} GROUP BY {keys} HAVING count(*) > 1")
                for table, keys in _KEYS.items()
            ),
            contradictions=sum(_count(ledger, sql) for sql in _CONTRADICTIONS),
            shared_keys=_count(
                ledger,
                "SELECT 1 FROM published_assets WHERE asset_id IS NOT NULL GROUP BY key64(asset_id) "
                "HAVING count(DISTINCT asset_id) > 1",
            ),
        )
    finally:
        ledger.close()


_KEYS = {
    "assets": "uri",
    "segments": "asset_id, segment, recipe_id",
    "thumbnails": "asset_id, segment, recipe_id",
    "summaries": "asset_id, recipe_id",
    "asked": "asset_id, question_id, recipe_id",
    "runs": "run_id",
}
_CONTRADICTIONS = (
    """
    SELECT 1 FROM recorded_failures AS f SEMI JOIN published_segments AS s
    ON s.asset_id = f.asset_id AND s.recipe_id = f.recipe_id AND s.segment = f.segment
    WHERE f.stage IN ('decode', 'read')
    """,
    """
    SELECT 1 FROM recorded_failures AS f SEMI JOIN published_summaries AS s
    ON s.asset_id = f.asset_id AND s.recipe_id = f.recipe_id WHERE f.stage = 'summarize'
    """,
    """
    SELECT 1 FROM recorded_failures AS f SEMI JOIN published_asked AS a
    ON a.asset_id = f.asset_id AND a.recipe_id = f.recipe_id AND a.question_id = f.question_id
    WHERE f.stage = 'answer'
    """,
)


def rebuild_state(store: OutputStore, notify: Callable[[str], None]) -> None:
    """Write the state anew from the rows.

    Raises:
        ManifestError, OutputError, OutputBusyError, LeaseLostError: with what to do about it.
    """
    run_id = f"{new_run_id()}-rebuild"
    with Lease(store, run_id, notify) as lease:
        manifest = load_manifest(store)
        # Under the generation that is published: what a run has committed since stays its own.
        work = WorkArea(store, manifest.generation)
        ledger = Ledger(manifest, work)
        try:
            publication = Publication(work, manifest, run_id)
            publication.grow_state(state_rows(ledger, COUNTED), replacing=manifest.state or ())
            publication.publish(partial(lease.check, thoroughly=True))
        finally:
            ledger.close()


def _count(ledger: Ledger, sql: str) -> int:
    return int(ledger.query(f"SELECT count(*) AS n FROM ({sql})")["n"][0].as_py())
