"""What each replica does, as Ray metrics: work, tokens, and seconds busy and idle, for whoever watches the cluster.

Ray exports them on every node for Prometheus, with ``ray_`` before the name and ``_total`` after it (docs/metrics.md).
The ``runs`` table holds the sums of a whole run; these are for looking on while it goes. Added up once a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from folioscope.pipeline.stages.results import UnitResult

TAGS: Final = ("stage", "model", "run_id", "replica")


@dataclass(frozen=True, slots=True)
class Measure:
    """A counter: the field of a unit's result that it adds up, and what it means."""

    field: str
    name: str
    description: str


MEASURES: Final = (
    Measure("done", "folioscope_done", "Pages or shots read; summaries and answers made"),
    Measure("failed", "folioscope_failed", "Pages, shots, summaries and answers that failed"),
    Measure("input_tokens", "folioscope_input_tokens", "Tokens given to the model"),
    Measure("output_tokens", "folioscope_output_tokens", "Tokens written by the model"),
    Measure("busy_seconds", "folioscope_busy_seconds", "Seconds in which the replica had work"),
    Measure(
        "idle_seconds", "folioscope_idle_seconds", "Seconds in which the replica waited for files, decoding or work"
    ),
)


class ReplicaMetrics:
    """The counters of one replica in one stage of a run."""

    def __init__(self, stage: str, model: str, run_id: str) -> None:
        import ray
        from ray.util.metrics import Counter

        replica = ray.get_runtime_context().get_actor_id() if ray.is_initialized() else None
        tags = {"stage": stage, "model": model, "run_id": run_id, "replica": replica or "local"}
        self._counters = {
            measure.field: Counter(measure.name, measure.description, TAGS).set_default_tags(tags)
            for measure in MEASURES
        }

    def add(self, result: UnitResult) -> None:
        for field, counter in self._counters.items():
            value = getattr(result, field)
            if value > 0:  # Ray's counters refuse to stand still
                counter.inc(value)
