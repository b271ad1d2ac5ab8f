"""The usage report of a run: what it used, beside what had been estimated before it started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from folioscope.pipeline.decode.pages import PageReader
from folioscope.pipeline.interval import Interval
from folioscope.pipeline.planning.estimate import Estimate
from folioscope.pipeline.stages.budget import StopReason


@dataclass(frozen=True, slots=True)
class UsageLine:
    """One figure. ``estimated`` is None where nothing published could tell it before."""

    name: str
    estimated: Interval | None
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
class UsageReport:
    """Pages and tasks count what this run settled, failures included; hours are busy and idle ones of all replicas.

    ``readers`` counts the pages that were read by who read them: layer, ocr, model.

    ``reference_seconds`` are those of CPU cores that the reference reader took.

    ``stopped`` tells why the run ended before its work was done: the estimate was of all of it.
    """

    pages: int
    tasks: int
    readers: Mapping[PageReader, int]
    reference_seconds: float
    input_tokens: int
    output_tokens: int
    replica_seconds: float
    cost: float | None
    estimate: Estimate
    stopped: StopReason | None

    def lines(self) -> Iterator[UsageLine]:
        planned = self.estimate
        yield UsageLine("pages and shots", planned.pages, self.pages)
        yield UsageLine("pages read from their layer", planned.pages_by_layer, self.readers["layer"])
        yield UsageLine("pages read by OCR", None, self.readers["ocr"])
        yield UsageLine("pages read by the model", None, self.readers["model"])
        yield UsageLine("summaries and answers", Interval.exactly(planned.summaries + planned.answers), self.tasks)
        yield UsageLine("input tokens", planned.input_tokens, self.input_tokens)
        yield UsageLine("output tokens", planned.output_tokens, self.output_tokens)
        hours = planned.replica_seconds * (1 / 3600) if planned.replica_seconds else None
        yield UsageLine("replica hours", hours, self.replica_seconds / 3600)
        if self.reference_seconds:
            yield UsageLine("reference reader, CPU hours", None, self.reference_seconds / 3600)
        if self.cost is not None:
            yield UsageLine("cost", planned.cost, self.cost)
