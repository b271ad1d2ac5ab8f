"""Means as benchmarks take them, and intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest

from folioscope.pipeline.evaluation.benchmarks.documents import KITAB
from folioscope.pipeline.evaluation.benchmarks.mmlongbench_doc import MMLONGBENCH_DOC
from folioscope.pipeline.evaluation.catalogue import BENCHMARKS, NOT_RUN
from folioscope.pipeline.evaluation.items import Item, Mark, Text
from folioscope.pipeline.evaluation.published import PUBLISHED
from folioscope.pipeline.evaluation.scoring import Interval, Scored, paired_difference, score_items, verdict


def scored(number: int, score: float, *, group: str = "", cluster: str = "", metric: str = "accuracy") -> Scored:
    item = Item(str(number), (Text("?"),), ("x",), group=group, cluster=cluster)
    return Scored(item, "p", (Mark(metric, score),))


def test_accuracy_is_the_mean_over_items() -> None:
    result = score_items(BENCHMARKS["mmstar"], [scored(n, float(n % 4 == 0)) for n in range(100)])
    assert result.score.value == pytest.approx(25.0)
    assert result.score.low < 25 < result.score.high


def test_ocrbench_is_told_of_a_thousand() -> None:
    result = score_items(BENCHMARKS["ocrbench"], [scored(n, float(n < 867)) for n in range(1000)], draws=10)
    assert result.score.value == pytest.approx(867)


def test_mlvu_is_the_mean_of_its_tasks_not_of_its_questions() -> None:
    items = [scored(n, 1.0, group="plotQA") for n in range(90)] + [
        scored(n + 90, 0.0, group="count") for n in range(10)
    ]
    assert score_items(BENCHMARKS["mlvu-mcq"], items, draws=10).score.value == pytest.approx(50.0)


def test_directions_of_vsi_bench_are_one_task() -> None:
    items = [
        scored(1, 1.0, group="object_rel_direction/easy"),
        scored(2, 0.0, group="object_rel_direction/medium"),
        scored(3, 0.0, group="object_rel_direction/hard"),
        scored(4, 0.5, group="object_counting"),
        scored(5, 0.7, group="object_counting"),
    ]
    assert score_items(BENCHMARKS["vsi-bench"], items, draws=10).score.value == pytest.approx(100 * (1 / 3 + 0.6) / 2)


def test_a_rotated_question_is_right_where_every_rotation_is() -> None:
    items = [
        *(scored(n, 1.0, cluster="a") for n in range(4)),
        *(scored(4 + n, float(n > 0), cluster="b") for n in range(2)),
    ]
    assert score_items(BENCHMARKS["mmbench-en-v1.1"], items, draws=10).score.value == pytest.approx(50.0)


def test_f1_of_documents_comes_from_its_two_measures() -> None:
    told = [
        ("Blue", "blue"),
        ("Blue", "Not answerable"),
        ("Not answerable", "Red"),
        ("Not answerable", "Not answerable"),
    ]
    items = []
    for number, (gold, prediction) in enumerate(told):
        item = Item(str(number), (Text("?"),), (gold,), kind="Str" if gold == "Blue" else "None")
        items.append(Scored(item, prediction, tuple(MMLONGBENCH_DOC.mark(item, prediction, None))))
    result = score_items(MMLONGBENCH_DOC, items, draws=10)
    assert result.score.value == pytest.approx(50.0)
    assert result.measures["recall"] == pytest.approx(0.5)
    assert result.measures["precision"] == pytest.approx(0.5)


def test_chrf_is_that_of_the_corpus_and_not_the_mean_of_documents() -> None:
    from test_official_scores import CASES, json

    told = json.loads((CASES / "kitab.json").read_text())
    items = []
    for number, case in enumerate(told["cases"]):
        item = Item(str(number), (Text("?"),), tuple(case["golds"]))
        items.append(Scored(item, case["prediction"], tuple(KITAB.mark(item, case["prediction"], None))))
        alone = score_items(KITAB, [items[-1]], draws=1)
        text = 2 * alone.score.value - 100 * alone.measures["teds"] if "teds" in alone.measures else alone.score.value
        assert text == pytest.approx(case["chrf"], abs=0.01)
    result = score_items(KITAB, items, draws=1)
    assert 2 * result.score.value - 100 * result.measures["teds"] == pytest.approx(told["corpus_chrf"], abs=0.01)


def test_intervals_hold_as_often_as_they_say() -> None:
    """Clusters of five questions that share a difficulty: drawing questions alone would promise too much."""
    truth, held, rounds = 0.6, 0, 100
    for seed in range(rounds):
        generator = np.random.default_rng(seed)
        items = []
        for cluster in range(60):
            hard = generator.beta(6, 4)
            items += [scored(5 * cluster + n, float(generator.random() < hard), cluster=str(cluster)) for n in range(5)]
        interval = score_items(BENCHMARKS["mmstar"], items, draws=300).score
        held += interval.low <= 100 * truth <= interval.high
    assert held >= 88


def test_a_verdict_compares_the_published_figure_with_the_interval() -> None:
    assert verdict(Interval(60, 55, 65), 61.3) == "reproduced"
    assert verdict(Interval(50, 45, 55), 61.3) == "below"
    assert verdict(Interval(70, 65, 75), 61.3) == "above"


def test_replicas_are_compared_item_by_item() -> None:
    first = [scored(n, float(n % 2)) for n in range(200)]
    second = [scored(n, max(float(n % 2), float(n % 10 == 0))) for n in range(200)]
    gain = paired_difference(first, second)
    assert gain.value == pytest.approx(0.1)
    assert 0 < gain.low < gain.high < 0.2


def test_published_figures_are_of_benchmarks_that_are_known() -> None:
    for figures in PUBLISHED.values():
        assert set(figures) <= set(BENCHMARKS) | set(NOT_RUN)
    assert len(PUBLISHED["Instruct"]) == 25
