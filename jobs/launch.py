"""What the jobs do with their options: check them all before Ray starts, then tell what a run would do, or run it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from jobs.plan_tables import print_bill, print_plan
from model.load import UnknownModelError, describe_replica
from model.protocol import ReplicaDescription
from pipeline.books import Books
from pipeline.config import ConfigError, RunConfig, load_passwords, load_questions, parse_config, parse_deadline
from pipeline.logs import LogFormat, complain, configure_logs, for_machines, say
from pipeline.sources import redact


class Exit(IntEnum):
    """Exit codes, as ``--help`` tells them."""

    OK = 0
    BROKEN = 1
    BAD_ARGUMENTS = 2
    TOO_MANY_FAILURES = 3
    BOOKS_DO_NOT_BALANCE = 4
    BUDGET_SPENT = 5


EPILOG = (
    "Exit codes: 0 the books balance and failures are within --max-failures; 1 the run broke off (Ray, the output, or "
    "another run at work on it; the same command carries on); 2 bad arguments; 3 more failures than --max-failures; "
    "4 the books do not balance; 5 stopped by --max-replica-hours, --max-cost or --deadline with work left (the "
    "next run goes on)."
)


def launch(
    *,
    tasks: str,
    questions: Path | None,
    deadline: str | None,
    retry_failed: str | None,
    plan: bool,
    plan_json: bool,
    log_format: LogFormat,
    password_file: Path | None = None,
    **values: Any,
) -> Exit:
    """Run a job, or preview it. ``values`` are fields of RunConfig; the others are made into some here."""
    configure_logs(log_format)
    try:
        config = parse_config(
            **values,
            tasks=_words(tasks),
            questions=load_questions(questions) if questions else (),
            passwords=load_passwords(password_file) if password_file else (),
            deadline=parse_deadline(deadline, datetime.now(UTC)) if deadline else None,
            retry_failed=_words(retry_failed or ""),
        )
        replica = describe_replica(config.choice)
    except (ConfigError, UnknownModelError) as error:
        complain(str(error))
        return Exit.BAD_ARGUMENTS
    return _preview(config, replica, plan_json) if plan or plan_json else _run(config, replica)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _preview(config: RunConfig, replica: ReplicaDescription, as_json: bool) -> Exit:
    from pipeline.manifest import ManifestError
    from pipeline.run import Run
    from pipeline.store import OutputError

    try:
        estimate = Run(config, replica).preview()
    except (ManifestError, OutputError) as error:
        complain(str(error))
        return Exit.BROKEN
    if as_json:
        typer.echo(json.dumps(estimate.to_json()))
    else:
        print_plan(estimate)
    return Exit.OK


def _run(config: RunConfig, replica: ReplicaDescription) -> Exit:
    from pipeline.lease import LeaseLostError, OutputBusyError
    from pipeline.manifest import ManifestError
    from pipeline.run import Run
    from pipeline.session import SessionError
    from pipeline.store import OutputError, OutputStore
    from pipeline.webvtt import export_timelines

    run = Run(config, replica)
    run_id = run.setup.run_id
    arguments = config.public()
    told = "" if for_machines() else f" {json.dumps(arguments, ensure_ascii=False)}"
    say(f"run {run_id}{told}", "started", run_id=run_id, arguments=arguments)
    try:
        outcome = run.execute()
        timelines = export_timelines(OutputStore(config.output)) if config.webvtt else 0
    except (ManifestError, SessionError, OutputError, OutputBusyError, LeaseLostError) as error:
        complain(str(error))
        return Exit.BROKEN
    say(f"run {run_id} is published", "published", run_id=run_id, books=outcome.books.rows())
    _print_books(outcome.books, "pages" if config.media == "documents" else "shots")
    print_bill(outcome.bill)
    if outcome.retried_requests:
        say(f"storage: {outcome.retried_requests:,} requests were tried again")
    if timelines:
        say(f"time lines of {timelines:,} films are written as WebVTT under {redact(config.output)}/timelines")
    typer.echo(f"tables: {redact(config.output)} (manifest.json lists the files; views.sql opens them in DuckDB)")
    if not outcome.books.balanced:
        complain("the books do not balance; run the same command again, and report it if it stays")
        return Exit.BOOKS_DO_NOT_BALANCE
    if outcome.books.failed > config.max_failures:
        complain(
            f"{outcome.books.failed} failures, --max-failures is {config.max_failures}; "
            "see the failures table for what failed and why"
        )
        return Exit.TOO_MANY_FAILURES
    if outcome.bill.stopped:
        say(
            f"stopped with work left ({outcome.bill.stopped}); what is left is pending, and the same command goes on "
            "with it",
            "stopped",
        )
        return Exit.BUDGET_SPENT
    return Exit.OK


def _print_books(books: Books, segments: str) -> None:
    table = Table(title="Books: seen = done + reused + failed + skipped", title_justify="left")
    table.add_column("")
    for name in ("seen", "done", "reused", "failed", "skipped"):
        table.add_column(name, justify="right")
    table.add_column("balance")
    for label, counts in (
        ("files", books.assets),
        (segments, books.segments),
        ("summaries", books.summaries),
        ("answers", books.answers),
    ):
        balance = "ok" if counts.missing == 0 else f"{counts.missing:+d} missing"
        figures = (counts.seen, counts.done, counts.reused, counts.failed, counts.skipped)
        table.add_row(label, *(f"{figure:,}" for figure in figures), balance)
    Console(width=None if sys.stdout.isatty() else 88).print(table)
