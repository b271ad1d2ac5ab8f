"""What an actor tells the driver of one unit: counts and seconds, never the result itself, which is committed."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pyarrow as pa

from pipeline.remote import RETRIES

RESULTS = pa.schema(
    [
        ("done", pa.int64()),
        ("failed", pa.int64()),
        ("postponed", pa.int64()),
        ("postponed_summaries", pa.int64()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("busy_seconds", pa.float64()),
        ("idle_seconds", pa.float64()),
        ("output_error", pa.string()),
        ("retried_requests", pa.int64()),
    ]
)


@dataclass(slots=True)
class UnitResult:
    """Counts of one unit. ``output_error`` is set where the output could not be written: nothing of it is committed.

    ``postponed`` counts what was not taken up, since the run's budget is spent; ``postponed_summaries`` of it are
    summaries.
    """

    done: int = 0
    failed: int = 0
    postponed: int = 0
    postponed_summaries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    busy_seconds: float = 0.0
    idle_seconds: float = 0.0
    output_error: str | None = None
    retried_requests: int = 0

    def add(self, other: UnitResult) -> None:
        """Take another unit's counts in; of several errors the first is kept."""
        self.done += other.done
        self.failed += other.failed
        self.postponed += other.postponed
        self.postponed_summaries += other.postponed_summaries
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.busy_seconds += other.busy_seconds
        self.idle_seconds += other.idle_seconds
        self.output_error = self.output_error or other.output_error
        self.retried_requests += other.retried_requests


def results_table(results: list[UnitResult]) -> pa.Table:
    """One block's results; with them goes what its process had to ask of a store again since the last block."""
    results[0].retried_requests += RETRIES.take()
    return pa.Table.from_pylist([asdict(result) for result in results], schema=RESULTS)
