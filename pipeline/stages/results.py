"""What an actor tells the driver of one unit: counts and seconds, never the result itself, which is committed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from folioscope.pipeline.grounding.tallies import FOLDER_TALLY, merged
from folioscope.pipeline.stages.suspicion import first_named
from folioscope.pipeline.storage.retries import RETRIES

RESULTS = pa.schema(
    [
        ("done", pa.int64()),
        ("failed", pa.int64()),
        ("deferred", pa.int64()),
        ("deferred_summaries", pa.int64()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("busy_seconds", pa.float64()),
        ("idle_seconds", pa.float64()),
        ("output_error", pa.string()),
        ("retried_requests", pa.int64()),
        ("suspect", pa.int64()),
        ("wordless", pa.int64()),
        ("first_suspects", pa.list_(pa.string())),
        ("reference_seconds", pa.float64()),
        ("tallies", pa.list_(FOLDER_TALLY)),
        ("pages_by_layer", pa.int64()),
        ("pages_by_ocr", pa.int64()),
        ("pages_by_model", pa.int64()),
    ]
)


@dataclass(slots=True)
class UnitResult:
    """Counts of one unit. ``output_error`` is set where the output could not be written: nothing of it is committed.

    ``deferred`` counts what was not taken up, since the run's budget is spent; ``deferred_summaries`` of it are
    summaries. ``suspect`` segments are those that ``suspicion.py`` finds odd, ``wordless`` pages hold no word.
    ``pages_by_…`` count by whom the pages done were read, ``tallies`` what
    their checks show (``grounding/tallies.py``).
    """

    done: int = 0
    failed: int = 0
    deferred: int = 0
    deferred_summaries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    busy_seconds: float = 0.0
    idle_seconds: float = 0.0
    output_error: str | None = None
    retried_requests: int = 0
    suspect: int = 0
    wordless: int = 0
    first_suspects: list[str] = field(default_factory=list)
    reference_seconds: float = 0.0
    tallies: list[dict[str, Any]] = field(default_factory=list)
    pages_by_layer: int = 0
    pages_by_ocr: int = 0
    pages_by_model: int = 0

    def add(self, other: UnitResult) -> None:
        """Take another unit's counts in; of several errors the first is kept."""
        self.done += other.done
        self.failed += other.failed
        self.deferred += other.deferred
        self.deferred_summaries += other.deferred_summaries
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.busy_seconds += other.busy_seconds
        self.idle_seconds += other.idle_seconds
        self.output_error = self.output_error or other.output_error
        self.retried_requests += other.retried_requests
        self.suspect += other.suspect
        self.wordless += other.wordless
        self.first_suspects = first_named(self.first_suspects, other.first_suspects)
        self.reference_seconds += other.reference_seconds
        if other.tallies:
            self.tallies = merged([*self.tallies, *other.tallies])
        self.pages_by_layer += other.pages_by_layer
        self.pages_by_ocr += other.pages_by_ocr
        self.pages_by_model += other.pages_by_model


def block_result(kind: str, generation: int, result: UnitResult) -> pa.Table:
    """What became of one block of a replica, and which block it was of."""
    table = results_table([result])
    return (
        table.replace_schema_metadata({})
        .append_column("kind", pa.array([kind]))
        .append_column("generation", pa.array([generation]))
    )


def of_block(table: pa.Table) -> tuple[str, int, UnitResult]:
    """(kind, generation, result) from ``block_result``."""
    [row] = table.to_pylist()
    return row.pop("kind"), row.pop("generation"), UnitResult(**row)


def results_table(results: list[UnitResult]) -> pa.Table:
    """One block's results; with them goes what its process had to ask of a store again since the last block."""
    results[0].retried_requests += RETRIES.take()
    return pa.Table.from_pylist([asdict(result) for result in results], schema=RESULTS)
