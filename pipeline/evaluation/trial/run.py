"""A trial from start to end: pages drawn, read by each replica, scored without labels, and what follows for all pages.

A page with a usable text layer is scored by the layer's words; of others nobody knows the words, so that a replica is
scored by its agreement with the other replicas, with what the tables hold, where another model read that, and with OCR:
where no replica of the trial is a reader by OCR itself, the embedded one reads these pages as well. Readings are
committed and resumed as an evaluation's are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from folioscope.model.choice import ModelChoice
from folioscope.model.load import describe_replica
from folioscope.pipeline.evaluation.items import Item, Pages
from folioscope.pipeline.evaluation.predicting import Predictor, name_of
from folioscope.pipeline.evaluation.predictions import Prediction
from folioscope.pipeline.evaluation.scoring import Interval
from folioscope.pipeline.evaluation.trial.estimates import (
    Floats,
    Route,
    Strata,
    Upgrade,
    cheapest_routes,
    mean,
    plan_upgrade,
)
from folioscope.pipeline.evaluation.trial.labels import Preference, load_labels, preferences
from folioscope.pipeline.evaluation.trial.sample import Sample, SampledPage, draw_sample
from folioscope.pipeline.evaluation.trial.words import agreement
from folioscope.pipeline.prices import Prices
from folioscope.pipeline.storage.attachments import listed_uri
from folioscope.pipeline.storage.store import OutputStore

SAME = 0.98  # agreement from which two readings count as one
UPGRADE_LIST = "upgrade.txt"
REFERENCE = ModelChoice("embedded")  # copies and recognises, and cannot invent


@dataclass(frozen=True, slots=True)
class TrialConfig:
    """``archive``: the tables of a run, of which pages are drawn. ``prices`` are those of ``models``, one each.

    ``margin``: how much of quality may be lost and still count as equal. ``upgrade``: the share of pages that may
    differ where the first model does not read again what the tables hold; None where this is not asked.
    """

    output: str
    archive: str
    models: tuple[ModelChoice, ...]
    prices: tuple[Prices, ...]
    pages: int = 200
    seed: int = 0
    margin: float = 0.01
    labels: Path | None = None
    upgrade: float | None = None
    replicas: int = 1
    address: str | None = None


@dataclass(frozen=True, slots=True)
class ReplicaTrial:
    """One replica: ``quality`` is the archive's mean agreement, 0..1; the rest is what all its pages would take."""

    name: str
    quality: Interval
    seconds_per_page: Interval
    hours: Interval
    cost_per_1000_pages: Interval | None
    failed: int
    by_page: Floats


@dataclass(frozen=True, slots=True)
class Trial:
    """``by_layer``: how many pages were scored by a text layer; the others by agreement."""

    sample: Sample
    items: tuple[Item, ...]
    texts: Mapping[str, Mapping[str, str]]  # by replica and item id
    replicas: tuple[ReplicaTrial, ...]
    by_layer: int
    routes: tuple[Route, ...]
    preferences: tuple[Preference, ...]
    upgrade: Upgrade | None


def run_trial(config: TrialConfig) -> Trial:
    """Draw, read, score.

    Raises:
        ConfigError: nothing to draw from, or bad labels. UnknownModelError, SessionError, OutputError: as a run's.
    """
    labels = load_labels(config.labels) if config.labels else []
    described = {choice: describe_replica(choice) for choice in config.models}
    sample = draw_sample(OutputStore(config.archive), config.pages, config.seed)
    items = tuple(_item(one) for one in sample.pages)
    store = OutputStore(config.output)
    readings: dict[str, dict[str, Prediction]] = {}
    with Predictor(store, config.replicas, config.address) as predictor:
        for choice, replica in described.items():
            _, found = predictor.predict("trial", "trial", items, choice, replica)
            readings[name_of(replica)] = {item.item_id: found[item.key] for item in items if item.key in found}
        unknown = tuple(item for one, item in zip(sample.pages, items, strict=True) if not one.is_known)
        checks: dict[str, str] = {}
        if unknown and not any(replica.reads_layer for replica in described.values()):
            reader = describe_replica(REFERENCE)
            _, found = predictor.predict("trial-reference", "the reference reader", unknown, REFERENCE, reader)
            checks = {item.item_id: found[item.key].prediction or "" for item in unknown if item.key in found}
    texts = {name: {key: one.prediction or "" for key, one in found.items()} for name, found in readings.items()}
    scores = page_scores(sample.pages, [item.item_id for item in items], texts, checks)
    strata = Strata.of([one.page.stratum for one in sample.pages], sample.sizes)
    replicas = tuple(
        _of_replica(name, readings[name], items, scores[name], strata, prices, len(sample.archive), config.replicas)
        for name, prices in zip(readings, config.prices, strict=True)
    )
    upgrade = None
    if config.upgrade is not None:
        upgrade = _upgrade(sample, items, texts[replicas[0].name], config.upgrade)
        _write_upgrade(store, sample, upgrade)
    return Trial(
        sample,
        items,
        texts,
        replicas,
        sum(one.is_known for one in sample.pages),
        tuple(_routes(sample, replicas, strata, config.margin)),
        tuple(preferences(labels, list(readings), [item.item_id for item in items])),
        upgrade,
    )


def page_scores(
    pages: Sequence[SampledPage],
    ids: Sequence[str],
    texts: Mapping[str, Mapping[str, str]],
    checks: Mapping[str, str] | None = None,
) -> dict[str, Floats]:
    """Each replica's score on each page, 0..1; 0 where it failed. Where nothing tells, 1 for all.

    ``checks``: what the reference reader made of pages whose words nobody knows.
    """
    found: dict[str, Floats] = {}
    for name, own in texts.items():
        scores = []
        for page, item_id in zip(pages, ids, strict=True):
            others = [other[item_id] for replica, other in texts.items() if replica != name and item_id in other]
            others += [page.text] if page.model != name else []
            if checks and item_id in checks:
                others.append(checks[item_id])
            references = [page.text] if page.is_known else others
            agreements = [agreement(own[item_id], text) for text in references] if item_id in own else [0.0]
            scores.append(float(np.mean(agreements)) if agreements else 1.0)
        found[name] = np.array(scores)
    return found


def _item(one: SampledPage) -> Item:
    page = one.page
    part = Pages(page.uri, page.page_number, page.page_number, etag=page.etag, size=page.size, sha256=page.asset_id)
    name = f"{page.asset_id[:16]}-{page.page_number}"
    return Item(name, (part,), (), mode="read", group=page.stratum, cluster=page.asset_id)


def _of_replica(
    name: str,
    readings: Mapping[str, Prediction],
    items: Sequence[Item],
    scores: Floats,
    strata: Strata,
    prices: Prices,
    pages: int,
    replicas: int,
) -> ReplicaTrial:
    made = [readings.get(item.item_id, Prediction(item.key, None)) for item in items]
    seconds = mean(np.array([one.seconds for one in made]), strata, 0.0)
    costs = [prices.cost(one.seconds, float(one.input_tokens), float(one.output_tokens)) for one in made]
    known = [1000 * cost for cost in costs if cost is not None]
    return ReplicaTrial(
        name,
        mean(scores, strata, 0.0, 1.0),
        seconds,
        Interval(*(bound * pages / replicas / 3600 for bound in (seconds.value, seconds.low, seconds.high))),
        mean(np.array(known), strata, 0.0) if known else None,
        sum(one.prediction is None for one in made),
        scores,
    )


def _routes(sample: Sample, replicas: Sequence[ReplicaTrial], strata: Strata, margin: float) -> list[Route]:
    counts: dict[str, int] = {}
    for page in sample.archive:
        counts[page.verdict] = counts.get(page.verdict, 0) + 1
    costs = {one.name: (one.cost_per_1000_pages or one.seconds_per_page).value for one in replicas}
    quality = {one.name: one.by_page for one in replicas}
    return cheapest_routes(quality, costs, [one.page.verdict for one in sample.pages], strata, counts, margin)


def _upgrade(sample: Sample, items: Sequence[Item], texts: Mapping[str, str], allowed: float) -> Upgrade:
    changed: dict[str, list[bool]] = {}
    for one, item in zip(sample.pages, items, strict=True):
        differs = agreement(texts.get(item.item_id, ""), one.text) < SAME
        changed.setdefault(one.page.stratum, []).append(differs)
    return plan_upgrade(changed, sample.sizes, allowed)


def _write_upgrade(store: OutputStore, sample: Sample, upgrade: Upgrade) -> None:
    """The files to read again, as a list that a run takes for its input: those with a page of such a stratum."""
    again = set(upgrade.strata)
    uris = sorted({listed_uri(page.uri) for page in sample.archive if page.stratum in again})
    store.write(UPGRADE_LIST, "".join(f"{uri}\n" for uri in uris).encode())
