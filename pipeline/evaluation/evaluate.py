"""An evaluation from start to end: items, what is not predicted yet, judging, scores, tables.

An evaluation is no run over an archive: items bring pictures and prompts of their own, and nothing of them is kept
as segments. So it has a Ray stage of its own (``stage.py``) over the pool, the replicas, the decode children and the
output store of runs, and commits predictions that it goes on from. Killed at any moment, the same command carries on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from folioscope.model.choice import ModelChoice
from folioscope.model.load import describe_replica
from folioscope.model.protocol import ReplicaDescription
from folioscope.pipeline.evaluation.catalogue import BENCHMARKS
from folioscope.pipeline.evaluation.items import Benchmark, BenchmarkDataError, Item, Text, numbered
from folioscope.pipeline.evaluation.predicting import Predictor, name_of
from folioscope.pipeline.evaluation.predictions import Prediction
from folioscope.pipeline.evaluation.published import PUBLISHED, Variant
from folioscope.pipeline.evaluation.publishing import NOT_NEEDED, Evaluation, publish
from folioscope.pipeline.evaluation.scoring import Scored, score_items
from folioscope.pipeline.storage.store import OutputStore


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """``folders`` are benchmarks by name and where their data lie; ``limit`` takes so many items of each."""

    output: str
    folders: Mapping[str, Path]
    models: tuple[ModelChoice, ...]
    judge: ModelChoice | None = None
    replicas: int = 1
    limit: int | None = None
    published: Variant = "Instruct"
    address: str | None = None


def evaluate(config: EvaluationConfig) -> list[Evaluation]:
    """Every benchmark with every model, in that order; each is published when it is scored.

    Raises:
        BenchmarkDataError: a folder is not in its published layout; nothing has been asked then.
        UnknownModelError, SessionError, OutputError: with what to do about it.
    """
    return Evaluator(config).run()


class Evaluator:
    def __init__(self, config: EvaluationConfig) -> None:
        self._config = config
        self._store = OutputStore(config.output)
        self._described = {choice: describe_replica(choice) for choice in config.models}
        self._judge = describe_replica(config.judge) if config.judge else None
        self._predictor = Predictor(self._store, config.replicas, config.address)

    def run(self) -> list[Evaluation]:
        loaded = {name: load_items(BENCHMARKS[name], folder) for name, folder in self._config.folders.items()}
        found = []
        with self._predictor:
            for name, items in loaded.items():
                chosen = chosen_items(items, self._config.limit)
                for choice, replica in self._described.items():
                    found.append(self._evaluate(BENCHMARKS[name], chosen, len(items), choice, replica))
        return found

    def _evaluate(
        self,
        benchmark: Benchmark,
        items: Sequence[Item],
        items_of: int,
        choice: ModelChoice,
        replica: ReplicaDescription,
    ) -> Evaluation:
        identity, predictions = self._predictor.predict(benchmark.name, benchmark.title, items, choice, replica)
        replies = self._replies(benchmark, items, predictions)
        scored = tuple(scored_item(benchmark, item, predictions.get(item.key), replies) for item in items)
        judged = any(one.judge_reply is not None for one in scored)
        needs_judge = benchmark.judging is not None
        evaluation = Evaluation(
            identity,
            benchmark,
            name_of(replica),
            score_items(benchmark, scored),
            PUBLISHED[self._config.published].get(benchmark.name),
            name_of(self._judge) if judged and self._judge else NOT_NEEDED,
            benchmark.rule_without_judge if needs_judge and not judged else None,
            scored,
            items_of,
        )
        publish(self._store, evaluation, predictions)
        return evaluation

    def _replies(
        self, benchmark: Benchmark, items: Sequence[Item], predictions: Mapping[str, Prediction]
    ) -> dict[str, str]:
        """What the judge says, by the key of the item that is judged."""
        if benchmark.judging is None or self._judge is None or self._config.judge is None:
            return {}
        asked: dict[str, Item] = {}
        for item in items:
            prediction = predictions.get(item.key)
            if prediction is None or prediction.prediction is None:
                continue
            judging = benchmark.judging(item, prediction.prediction)
            if judging is not None:
                parts = (Text(judging.prompt),)
                asked[item.key] = Item(item.item_id, parts, (), max_new_tokens=judging.max_new_tokens)
        title = f"{benchmark.title}, judging"
        _, told = self._predictor.predict("judge", title, list(asked.values()), self._config.judge, self._judge)
        replies = {key: told[item.key].prediction for key, item in asked.items() if item.key in told}
        return {key: reply for key, reply in replies.items() if reply is not None}


def load_items(benchmark: Benchmark, folder: Path) -> list[Item]:
    """Raises :class:`BenchmarkDataError`."""
    items = list(numbered(benchmark.items(folder)))
    if not items:
        raise BenchmarkDataError(f"{benchmark.title}: {folder} holds no items")
    return items


def chosen_items(items: Sequence[Item], limit: int | None) -> list[Item]:
    """The items, or whole clusters of them up to ``limit``, the same ones each time, in the benchmark's order."""
    if limit is None or limit >= len(items):
        return list(items)
    clusters: dict[str, list[Item]] = {}
    for item in items:
        clusters.setdefault(item.cluster or item.item_id, []).append(item)
    chosen: set[str] = set()
    for _, members in sorted(clusters.items(), key=lambda pair: pair[1][0].key):
        if len(chosen) + len(members) <= limit or not chosen:
            chosen.update(member.item_id for member in members)
    return [item for item in items if item.item_id in chosen]


def scored_item(benchmark: Benchmark, item: Item, prediction: Prediction | None, replies: Mapping[str, str]) -> Scored:
    """An item that failed earns nothing, whatever the rule would give an empty answer."""
    if prediction is None or prediction.prediction is None:
        marks = tuple(replace(mark, score=0.0, reason="") for mark in benchmark.mark(item, "", None))
        return Scored(item, None, marks, error=prediction.error if prediction else "was not asked")
    reply = replies.get(item.key)
    return Scored(item, prediction.prediction, tuple(benchmark.mark(item, prediction.prediction, reply)), reply)
