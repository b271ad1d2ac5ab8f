"""Scores equal to those of the official code, over predictions of many shapes.

``cases/*.json`` hold predictions and the scores that the code named in ``source`` gives them; it was run once, where it
was published, and is not part of this project.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from folioscope.pipeline.evaluation.catalogue import BENCHMARKS
from folioscope.pipeline.evaluation.items import Item, Text

CASES = Path(__file__).parent / "cases"


def _cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.json")):
        for name in json.loads(path.read_text())["benchmarks"]:
            yield pytest.param(path, name, id=name)


@pytest.mark.parametrize(("path", "name"), list(_cases()))
def test_scores_are_those_of_the_official_code(path: Path, name: str) -> None:
    benchmark = BENCHMARKS[name]
    told = json.loads(path.read_text())["cases"]
    assert len(told) >= 20
    wrong = []
    for case in told:
        item = Item(
            "item",
            (Text("?"),),
            tuple(case["golds"]),
            options=tuple(case.get("options", ())),
            kind=case.get("kind", ""),
            mode=case.get("mode", "ask"),
        )
        marks = benchmark.mark(item, case["prediction"], case.get("reply"))
        if "marks" in case:
            found = {metric: sum(m.score for m in marks if m.metric == metric) for metric in case["marks"]}
            if found != pytest.approx(case["marks"], abs=1e-6):
                wrong.append((case["prediction"][:80], found, case["marks"]))
        elif marks[0].score != pytest.approx(case["score"], abs=1e-9):
            wrong.append((case["prediction"][:80], case["golds"], marks[0].score, case["score"]))
    assert not wrong


def test_every_benchmark_has_cases() -> None:
    named = {name for path in CASES.glob("*.json") for name in json.loads(path.read_text())["benchmarks"]}
    assert named >= set(BENCHMARKS)
