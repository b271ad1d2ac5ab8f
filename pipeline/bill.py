"""The bill of a run: what it used, beside what had been estimated before it started."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.budget import StopReason
from pipeline.estimate import Estimate
from pipeline.spans import Span


@dataclass(frozen=True, slots=True)
class BillLine:
    """One figure. ``estimated`` is None where nothing published could tell it before."""

    name: str
    estimated: Span | None
    actual: float

    @property
    def error(self) -> float | None:
        """By what share of the actual figure the estimate was too high (positive) or too low."""
        if self.estimated is None or not self.actual:
            return None
        return self.estimated.expected / self.actual - 1

    @property
    def within(self) -> bool | None:
        """True where the actual figure lies in the range told."""
        if self.estimated is None:
            return None
        return self.estimated.low <= self.actual <= self.estimated.high


@dataclass(frozen=True, slots=True)
class Bill:
    """Pages and tasks count what this run settled, failures included; hours are busy and idle ones of all replicas.

    ``stopped`` tells why the run ended before its work was done: the estimate was of all of it.
    """

    pages: int
    tasks: int
    input_tokens: int
    output_tokens: int
    replica_seconds: float
    cost: float | None
    estimate: Estimate
    stopped: StopReason | None

    def lines(self) -> Iterator[BillLine]:
        planned = self.estimate
        yield BillLine("pages and shots", planned.pages, self.pages)
        yield BillLine("summaries and answers", Span.exactly(planned.summaries + planned.answers), self.tasks)
        yield BillLine("input tokens", planned.input_tokens, self.input_tokens)
        yield BillLine("output tokens", planned.output_tokens, self.output_tokens)
        hours = planned.replica_seconds * (1 / 3600) if planned.replica_seconds else None
        yield BillLine("replica hours", hours, self.replica_seconds / 3600)
        if self.cost is not None:
            yield BillLine("cost", planned.cost, self.cost)
