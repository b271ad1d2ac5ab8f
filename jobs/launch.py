"""What a run's command does once its settings are checked: preview the run, or do it and tell how it ended."""

from __future__ import annotations

import json
import os
import sys
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from folioscope.jobs.plan_tables import print_plan, print_usage, tell_settings
from folioscope.jobs.problems import tell_problems
from folioscope.model.load import describe_replica
from folioscope.model.protocol import ReplicaDescription
from folioscope.pipeline.config import RunConfig, check_tasks
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.logs import counted, log_error, log_info, log_warning
from folioscope.pipeline.storage.uris import redact
from folioscope.pipeline.tables.accounting import Accounting
from folioscope.schemas.errors import ExitCode

RAY_JOB: Final = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # what Ray sets for the command of a submitted job


def launch(config: RunConfig, *, plan: bool = False, plan_json: bool = False) -> ExitCode:
    """Run what is configured, or preview it.

    Raises:
        FolioscopeError: with what to do about it.
    """
    return _preview(config, plan_json) if plan or plan_json else _run(config)


def _described(config: RunConfig) -> ReplicaDescription:
    replica = describe_replica(config.choice)
    check_tasks(config, replica)
    return replica


def _preview(config: RunConfig, as_json: bool) -> ExitCode:
    from folioscope.pipeline.run import Run

    estimate = Run(config, _described(config)).preview()
    if as_json:
        click.echo(json.dumps(estimate.to_json()))
    else:
        print_plan(estimate)
        tell_problems(estimate.problems)
    return ExitCode.TOO_MANY_FAILURES if estimate.files.unlisted else ExitCode.OK


def _run(config: RunConfig) -> ExitCode:
    from folioscope.pipeline.readers.timelines import export_timelines
    from folioscope.pipeline.readers.unheard import unheard_words
    from folioscope.pipeline.run import Run, RunStoppedError
    from folioscope.pipeline.stages.budget import StopReason
    from folioscope.pipeline.stages.canary import told
    from folioscope.pipeline.storage.store import OutputStore

    _refuse_lost_output(config)
    run = Run(config, _described(config))
    run_id = run.setup.run_id
    log_info(f"run {run_id}", "started", run_id=run_id, arguments=config.public())
    tell_settings(config)
    try:
        outcome = run.execute()
    except RunStoppedError as stopped:
        log_info(str(stopped), "interrupted")
        sys.stdout.flush()
        os._exit(ExitCode.INTERRUPTED)  # to end Ray's processes in order would take seconds; they end by themselves
    timelines = export_timelines(OutputStore(config.output)) if config.webvtt else 0
    unheard = unheard_words(OutputStore(config.output)) if config.watches else []
    log_info(f"run {run_id} is published", "published", run_id=run_id, accounting=outcome.accounting.rows())
    _print_accounting(outcome.accounting, config.segment_noun)
    print_usage(outcome.usage)
    tell_problems(outcome.problems)
    for found in outcome.error_bounds[:1]:  # the whole; the table has each folder's
        log_info(found.told(), "error_bound", bound=found.row())
    if outcome.stopped_actors and outcome.usage.stopped != StopReason.CANARY_FAILED:
        log_warning(f"{told(outcome.stopped_actors)} Others took their place.")
    if outcome.retried_requests:
        log_info(f"storage: {counted(outcome.retried_requests, 'request')} tried again")
    if timelines:
        log_info(
            f"time lines of {counted(timelines, 'video')} written as WebVTT under {redact(config.output)}/timelines"
        )
    for sentence in unheard:
        log_warning(sentence)
    click.echo(f"tables: {redact(config.output)} (manifest.json lists the files; views.sql opens them in DuckDB)")
    if not outcome.accounting.balanced:
        log_error("the accounting does not balance; run the same command again, and report it if it stays")
        return ExitCode.ACCOUNTING_UNBALANCED
    if outcome.usage.stopped == StopReason.CANARY_FAILED:
        log_error(
            f"the run is stopped: {told(outcome.stopped_actors)} What was read before is published, what is left is "
            "pending. Check the checkpoint, its revision, the engine and the server; then run the same command again.",
            "canary_failed",
        )
        return ExitCode.MODEL_CANNOT_READ
    if outcome.accounting.failed > config.max_failures:
        log_error(
            f"{counted(outcome.accounting.failed, 'failure')}, --max-failures is {config.max_failures:,}; the "
            "table has all of them",
            "too_many_failures",
        )
        return ExitCode.TOO_MANY_FAILURES
    if outcome.suspects.too_many(config.max_suspect):
        log_error(outcome.suspects.told(config.max_suspect), "too_many_suspect")
        return ExitCode.TOO_MANY_SUSPECT
    if outcome.usage.stopped:
        log_info(
            f"stopped with work left ({outcome.usage.stopped}); what is left is pending, and the same command goes on "
            "with it",
            "stopped",
        )
        return ExitCode.BUDGET_SPENT
    return ExitCode.OK


def _refuse_lost_output(config: RunConfig) -> None:
    """A submitted job runs in a copy of the working directory that its cluster deletes: tables in it would be lost."""
    relative = "://" not in config.output and not os.path.isabs(config.output)
    if relative and RAY_JOB in os.environ:
        raise ConfigError(
            f"--output {config.output}: is relative, and a submitted job runs in a folder that is deleted after it; "
            "give an absolute path that all nodes share, or a URI"
        )


def _print_accounting(accounting: Accounting, segments: str) -> None:
    table = Table(title="Accounting: seen = done + reused + failed + skipped", title_justify="left")
    table.add_column("")
    for name in ("seen", "done", "reused", "failed", "skipped"):
        table.add_column(name, justify="right")
    table.add_column("balance")
    for label, counts in (
        ("files", accounting.assets),
        (segments, accounting.segments),
        ("summaries", accounting.summaries),
        ("answers", accounting.answers),
    ):
        balance = "ok" if counts.missing == 0 else f"{counts.missing:+d} missing"
        figures = (counts.seen, counts.done, counts.reused, counts.failed, counts.skipped)
        table.add_row(label, *(f"{figure:,}" for figure in figures), balance)
    Console(width=None if sys.stdout.isatty() else 88).print(table)
