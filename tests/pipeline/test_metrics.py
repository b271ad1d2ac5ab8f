"""Ray metrics: each replica adds up what its units' results say, under its own tags; the document lists them all."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
import ray.util.metrics

from folioscope.pipeline.stages.metrics import MEASURES, TAGS, ReplicaMetrics
from folioscope.pipeline.stages.results import UnitResult

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
Registry = dict[str, dict[tuple[tuple[str, str], ...], float]]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """What Prometheus would see: values by name and tags."""
    seen: Registry = defaultdict(dict)

    class Counter(ray.util.metrics.Counter):
        def inc(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
            super().inc(value, tags)  # so that what Ray refuses fails here
            key = tuple(sorted(self._default_tags.items()))
            seen[self._name][key] = seen[self._name].get(key, 0.0) + value

    monkeypatch.setattr(ray.util.metrics, "Counter", Counter)
    return seen


def test_results_add_up_by_replica_and_stage(registry: Registry) -> None:
    reader, other = ReplicaMetrics("read", "m@1", "run"), ReplicaMetrics("understand", "m@1", "run")
    reader.add(UnitResult(done=8, input_tokens=100, output_tokens=40, busy_seconds=1.5))
    reader.add(UnitResult(done=7, failed=1, output_tokens=2, busy_seconds=0.5, idle_seconds=0.25))
    other.add(UnitResult(done=1, output_tokens=5))
    totals = {(name, dict(tags)["stage"]): value for name, values in registry.items() for tags, value in values.items()}
    assert totals == {
        ("folioscope_done", "read"): 15,
        ("folioscope_failed", "read"): 1,
        ("folioscope_input_tokens", "read"): 100,
        ("folioscope_output_tokens", "read"): 42,
        ("folioscope_busy_seconds", "read"): 2.0,
        ("folioscope_idle_seconds", "read"): 0.25,
        ("folioscope_done", "understand"): 1,
        ("folioscope_output_tokens", "understand"): 5,
    }
    [tags] = registry["folioscope_failed"]
    assert dict(tags) == {"stage": "read", "model": "m@1", "run_id": "run", "replica": "local"}


def test_the_document_lists_every_metric_and_tag() -> None:
    text = DOCUMENT.read_text("utf-8")
    for measure in MEASURES:
        assert f"| `ray_{measure.name}_total` | {measure.description} |" in text
    assert all(f"| `{tag}` |" in text for tag in TAGS)
