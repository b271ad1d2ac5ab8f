"""``folioscope evaluate OUTPUT --trial TABLES``: what each model would give an archive, and at what price."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.table import Table

from folioscope.model.choice import ModelChoice
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.evaluation.trial.page import amount, percent, write_trial_page
from folioscope.pipeline.evaluation.trial.run import UPGRADE_LIST, Trial, TrialConfig, run_trial
from folioscope.pipeline.prices import Prices
from folioscope.pipeline.storage.store import OutputStore

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """What the command line says of a trial; prices in the order of the models, or one for all."""

    pages: int
    seed: int
    labels: Path | None
    upgrade: str | None
    per_replica_hour: Sequence[float]
    per_million_tokens: Sequence[str]


def hold_trial(
    output: str,
    archive: str,
    models: tuple[ModelChoice, ...],
    options: TrialOptions,
    *,
    replicas: int,
    address: str | None,
    as_json: bool,
) -> None:
    """Run the trial and print what came of it. Raises ConfigError."""
    config = TrialConfig(
        output,
        archive,
        models,
        _prices(options, len(models)),
        options.pages,
        options.seed,
        labels=options.labels,
        upgrade=None if options.upgrade is None else _share(options.upgrade),
        replicas=replicas,
        address=address,
    )
    trial = run_trial(config)
    where = write_trial_page(OutputStore(output), trial)
    if as_json:
        click.echo(json.dumps(_as_json(trial)))
        return
    _print(trial)
    if trial.upgrade is not None:
        click.echo(
            f"Read {trial.upgrade.pages:,} pages again ({output}/{UPGRADE_LIST}): of the other {trial.upgrade.rest:,} "
            f"at most {100 * trial.upgrade.rest_changes:.1f} % would change (95 % confidence)."
        )
    click.echo(f"Pages side by side, to be judged: {where}")


def _print(trial: Trial) -> None:
    table = Table("replica", "quality (95 %)", "price of 1,000 pages", "seconds a page", "hours for all", "failed")
    for one in sorted(trial.replicas, key=lambda one: -one.quality.value):
        figures = (amount(one.cost_per_1000_pages), amount(one.seconds_per_page), amount(one.hours))
        table.add_row(one.name, percent(one.quality), *figures, f"{one.failed:,}")
    Console().print(table)
    click.echo(
        f"{len(trial.items):,} pages of {len(trial.sample.archive):,}, {trial.by_layer:,} of them scored by their text "
        "layers, the others by agreement."
    )
    for route in trial.routes:
        click.echo(f"{route.verdict}: {route.replica} reads {route.pages:,} pages, loss {percent(route.loss)}")
    for told in trial.preferences:
        click.echo(
            f"People judged {told.pages:,} pages: {told.first} better on {told.first_better:,}, {told.second} on "
            f"{told.second_better:,}, both wrong on {told.both_wrong:,}"
        )


def _as_json(trial: Trial) -> dict[str, object]:
    return {
        "pages": len(trial.items),
        "archive_pages": len(trial.sample.archive),
        "scored_by_layer": trial.by_layer,
        "replicas": [
            {
                "model": one.name,
                "quality": [one.quality.value, one.quality.low, one.quality.high],
                "cost_per_1000_pages": one.cost_per_1000_pages and one.cost_per_1000_pages.value,
                "seconds_per_page": one.seconds_per_page.value,
                "hours": one.hours.value,
                "failed": one.failed,
            }
            for one in trial.replicas
        ],
        "routes": [{"verdict": one.verdict, "model": one.replica, "pages": one.pages} for one in trial.routes],
        "upgrade": trial.upgrade
        and {"pages": trial.upgrade.pages, "rest": trial.upgrade.rest, "rest_changes": trial.upgrade.rest_changes},
    }


def _prices(options: TrialOptions, models: int) -> tuple[Prices, ...]:
    hours = _one_each("--price-per-replica-hour", options.per_replica_hour, models)
    tokens = _one_each("--price-per-million-tokens", [_pair(text) for text in options.per_million_tokens], models)
    return tuple(Prices(hour, pair) for hour, pair in zip(hours, tokens, strict=True))


def _one_each(option: str, given: Sequence[Value], models: int) -> list[Value | None]:
    if len(given) in (0, 1):
        return [*(given or (None,))] * models
    if len(given) != models:
        raise ConfigError(f"{option}: give one for all models, or one for each of the {models} in their order")
    return [*given]


def _pair(text: str) -> tuple[float, float]:
    try:
        read, written = map(float, text.split(","))
    except ValueError as error:
        raise ConfigError(f"--price-per-million-tokens {text}: give IN,OUT, such as 0.60,2.50") from error
    return read, written


def _share(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise ConfigError(f"--upgrade {text}: give a share, such as 5%") from error
    if not 0 < share < 1:
        raise ConfigError(f"--upgrade {text}: give a share between 0 and 100 %")
    return share
