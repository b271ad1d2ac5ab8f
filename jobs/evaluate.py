#!/usr/bin/env python3
"""Score replicas on public benchmarks beside the published figures, or on a sample of one's own archive.

folioscope evaluate scores/ --benchmark mmlongbench-doc=/data/MMLongBench-Doc --model embedded
folioscope evaluate s3://scores --benchmark mmmu-val=/data/MMMU --model moonshotai/Kimi-VL-A3B-Instruct@REVISION
folioscope evaluate trial/ --trial TABLES --model embedded --model s3://models/Kimi-VL-A3B-Instruct
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import cast, get_args

import click

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from folioscope.jobs.command import Command
from folioscope.model.choice import ModelChoice
from folioscope.model.engine.interface import EngineName
from folioscope.pipeline.config import SETTINGS
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.evaluation.published import SOURCE, Variant
from folioscope.schemas.extras import require

EPILOG = (
    "Exit codes: 0 scored, whatever the scores; 1 the run broke off (the same command carries on); 2 bad arguments, or "
    "data that are not in their published layout."
)


@click.command(cls=Command, epilog=EPILOG)
@click.argument("output", required=False)
@click.option("--list", "listed", is_flag=True, help="List the benchmarks and what each needs, and stop.")
@click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    metavar="NAME=FOLDER",
    help="A benchmark and the folder with its data. Repeatable.",
)
@click.option("--model", "models", multiple=True, default=("embedded",), show_default=True, help=SETTINGS["model"].help)
@click.option("--engine", type=click.Choice(get_args(EngineName)), default="auto", show_default=True)
@click.option("--gpus-per-replica", type=click.FloatRange(min=0), help="GPUs that a replica holds.")
@click.option(
    "--judge", metavar="URL#MODEL", help="Judge model where a benchmark needs one: an OpenAI-compatible server."
)
@click.option("--replicas", type=click.IntRange(min=1), default=1, show_default=True, help="Replicas of each model.")
@click.option("--limit", type=click.IntRange(min=1), help="Ask about so many items of each benchmark only.")
@click.option(
    "--published", type=click.Choice(get_args(Variant)), default="Instruct", show_default=True, help="Figures to show."
)
@click.option("--trial", metavar="TABLES", help="Compare the models on a sample of pages of a run's tables instead.")
@click.option("--pages", type=click.IntRange(min=1), default=200, show_default=True, help="Pages of a trial's sample.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which pages a trial draws.")
@click.option("--labels", type=click.Path(path_type=Path), help="What people said on an earlier trial's page.")
@click.option(
    "--upgrade",
    metavar="SHARE",
    help="List the files that the first model is to read again, so that of the others at most this share of pages (5%) "
    "would change.",
)
@click.option(
    "--price-per-replica-hour",
    "hour_prices",
    type=click.FloatRange(min=0),
    multiple=True,
    help="For a trial: price of a replica's hour, one for all models or one each.",
)
@click.option(
    "--price-per-million-tokens",
    "token_prices",
    multiple=True,
    metavar="IN,OUT",
    help="For a trial: prices of tokens, one pair for all models or one each.",
)
@click.option("--address", help="Ray cluster to join.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an evaluation.")
def command(
    output: str | None,
    listed: bool,
    benchmarks: tuple[str, ...],
    models: tuple[str, ...],
    engine: str,
    gpus_per_replica: float | None,
    judge: str | None,
    replicas: int,
    limit: int | None,
    published: str,
    trial: str | None,
    pages: int,
    seed: int,
    labels: Path | None,
    upgrade: str | None,
    hour_prices: tuple[float, ...],
    token_prices: tuple[str, ...],
    address: str | None,
    as_json: bool,
) -> None:
    """Score models on benchmarks, or try them on an archive of yours, into OUTPUT; a run that was killed goes on."""
    require("evaluation", "evaluate")
    choices = tuple(ModelChoice(name, engine=cast(EngineName, engine), gpus=gpus_per_replica) for name in models)
    if trial is not None:
        from folioscope.jobs.trial import TrialOptions, hold_trial

        if output is None or benchmarks:
            raise ConfigError("evaluate --trial TABLES: give OUTPUT, and no --benchmark")
        options = TrialOptions(pages, seed, labels, upgrade, hour_prices, token_prices)
        hold_trial(output, trial, choices, options, replicas=replicas, address=address, as_json=as_json)
        return
    from folioscope.pipeline.evaluation.catalogue import BENCHMARKS, NOT_RUN

    if listed:
        _print_list()
        return
    if output is None or not benchmarks:
        raise ConfigError("evaluate: give OUTPUT and at least one --benchmark NAME=FOLDER; --list tells the names")
    folders: dict[str, Path] = {}
    for told in benchmarks:
        name, _, folder = told.partition("=")
        if name in NOT_RUN:
            raise ConfigError(f"--benchmark {name}: {NOT_RUN[name]}")
        if name not in BENCHMARKS or not folder:
            raise ConfigError(f"--benchmark {told}: give NAME=FOLDER, NAME one of {', '.join(sorted(BENCHMARKS))}")
        folders[name] = Path(folder)
    from folioscope.pipeline.evaluation.evaluate import EvaluationConfig, evaluate
    from folioscope.pipeline.evaluation.page import write_page
    from folioscope.pipeline.storage.store import OutputStore

    config = EvaluationConfig(
        output,
        folders,
        choices,
        judge=ModelChoice(judge) if judge else None,
        replicas=replicas,
        limit=limit,
        published=cast(Variant, published),
        address=address,
    )
    evaluations = evaluate(config)
    where = write_page(OutputStore(output), evaluations)
    if as_json:
        for one in evaluations:
            click.echo(
                json.dumps(
                    {
                        "benchmark": one.benchmark.name,
                        "model": one.model,
                        "score": one.result.score.value,
                        "low": one.result.score.low,
                        "high": one.result.score.high,
                        "published": one.published,
                        "verdict": one.verdict,
                        "items": len(one.scored),
                        "failed": one.failed,
                        "measures": dict(one.result.measures),
                    }
                )
            )
        return
    from folioscope.pipeline.evaluation.publishing import shown

    table = Table("benchmark", "replica", "score (95 %)", f"published ({published})", "verdict", "items", "scored by")
    for one in evaluations:
        figure = "" if one.published is None else f"{one.published:g}"
        items = (
            f"{len(one.scored):,}" if len(one.scored) == one.items_of else f"{len(one.scored):,} of {one.items_of:,}"
        )
        items += f", {one.failed:,} failed" if one.failed else ""
        by = one.scored_by if one.rule is None else "rule (no judge)"
        table.add_row(
            one.benchmark.title,
            one.model,
            shown(one.result.score, one.benchmark.unit),
            figure,
            one.verdict or "",
            items,
            by,
        )
    Console().print(table)
    click.echo(f"Published figures: {SOURCE}. Worst items: {where}")


def _print_list() -> None:
    from folioscope.pipeline.evaluation.catalogue import BENCHMARKS, NOT_RUN

    for benchmark in BENCHMARKS.values():
        click.echo(f"{benchmark.name}: {benchmark.title}\n    {benchmark.layout}")
        if benchmark.judging is not None:
            click.echo(f"    judge model; without one: {benchmark.rule_without_judge}")
        if benchmark.note:
            click.echo(f"    {benchmark.note}")
    for name, why in NOT_RUN.items():
        click.echo(f"{name}: not run. {why}")


if __name__ == "__main__":
    command()
