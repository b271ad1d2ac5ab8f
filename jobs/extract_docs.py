#!/usr/bin/env python3
"""Read an archive of documents into Parquet: pages as Markdown, summaries, answers with evidence.

python jobs/extract_docs.py --input ARCHIVE --output TABLES
ray job submit --working-dir . -- python jobs/extract_docs.py --input s3://archive --output s3://tables
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated

import typer

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from jobs import options
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


class Layout(StrEnum):
    fast = "fast"
    full = "full"


EPILOG = (
    "Exit codes: 0 the books balance and failures are within --max-failures; 1 the run broke off (Ray or the output; "
    "the same command carries on); 2 bad arguments; 3 more failures than --max-failures; 4 the books do not balance; "
    "5 stopped by --max-replica-hours, --max-cost or --deadline with work left (the next run goes on)."
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EPILOG)
def extract_docs(
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            "-i",
            help="Folder, glob, file, or .txt list of URIs; local or s3:// gs:// az:// http(s)://. Repeatable.",
        ),
    ],
    output: Annotated[str, typer.Option("--output", "-o", help="Folder or URI for the tables.")],
    tasks: Annotated[
        str, typer.Option(help="Any of read,summarize,answer, comma-separated.")
    ] = "read,summarize,answer",
    questions: Annotated[
        Path | None, typer.Option(help="YAML, JSON or CSV of id, question, optional assets glob.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="embedded (CPU, nothing to download), nano (a tiny Kimi-VL, to try the real path), fake (for tests), "
            "or a Kimi-VL checkpoint: ./directory, s3://bucket/checkpoint, owner/name@revision on the hub."
        ),
    ] = "embedded",
    engine: Annotated[
        str, typer.Option(help="What runs a Kimi-VL checkpoint: torch (ours) or vllm (extra).")
    ] = "torch",
    gpus_per_replica: Annotated[
        float | None, typer.Option(help="GPUs an actor asks Ray for; default: 1 for a large checkpoint, else 0.")
    ] = None,
    replicas: Annotated[int, typer.Option(help="Models loaded side by side, one an actor.")] = 2,
    pages_per_unit: Annotated[int, typer.Option(help="Pages that commit together.")] = 8,
    dpi: Annotated[int, typer.Option(help="Resolution of rendered pages.")] = 144,
    layout: Annotated[
        Layout, typer.Option(help="Of text layers. full: layout network and tables; fast: our own rules.")
    ] = Layout.full,
    thumbnails: Annotated[int, typer.Option(help="Longest side of the small picture in each row; 0: none.")] = 640,
    limit: Annotated[
        int | None, typer.Option(help="Take the first N documents only; the rest count as skipped.")
    ] = None,
    max_failures: Annotated[int, typer.Option(help="Failures (files, pages, answers) that still end in exit 0.")] = 0,
    password_file: Annotated[Path | None, typer.Option(help="Passwords to try on encrypted files, one a line.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join; default: RAY_ADDRESS, else a local Ray.")
    ] = None,
    seconds_per_page: Annotated[float, typer.Option(help="Deadline for decoding one page.")] = 60.0,
    seconds_per_file: Annotated[
        float, typer.Option(help="What an actor may spend on decoding one file; the rest of its pages then fail.")
    ] = 6 * 3600.0,
    memory_mb: Annotated[int, typer.Option(help="Memory limit of a decode child.")] = 2048,
    max_file_mb: Annotated[int, typer.Option(help="Larger files are refused, as failures.")] = 4096,
    price_per_replica_hour: Annotated[float | None, typer.Option(help="Puts a cost into the runs table.")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what would be done, with its cost, and do nothing.")
    ] = False,
    plan_json: Annotated[bool, typer.Option("--plan-json", help="The same as one line of JSON.")] = False,
    max_replica_hours: Annotated[
        float | None,
        typer.Option(
            "--max-replica-hours",
            "--max-gpu-hours",
            help="Stop once replicas have been busy and idle for so long, summed over them: GPU hours where each holds "
            "one GPU. Newest files come first.",
        ),
    ] = None,
    max_cost: Annotated[float | None, typer.Option(help="The same, by --price-per-replica-hour.")] = None,
    deadline: Annotated[
        str | None, typer.Option(help="Stop at a time (2026-03-01T06:00) or after a while (6h, 1d12h).")
    ] = None,
    retry_failed: Annotated[
        str | None,
        typer.Option(help="Take failures up again: all, or reason codes of docs/failures.md, comma-separated."),
    ] = None,
    log_format: options.LogFormatOption = LogFormat.text,
) -> None:
    """Read documents into Parquet tables; run it again to carry on or to take in what is new."""
    configure_logs(log_format)
    try:
        config = parse_config(
            inputs=tuple(inputs),
            output=output,
            tasks=_words(tasks),
            questions=load_questions(questions) if questions else (),
            model=model,
            engine=engine,
            gpus_per_replica=gpus_per_replica,
            replicas=replicas,
            pages_per_unit=pages_per_unit,
            dpi=dpi,
            layout=layout.value,
            thumbnails=thumbnails,
            limit=limit,
            max_failures=max_failures,
            passwords=load_passwords(password_file) if password_file else (),
            address=address,
            seconds_per_page=seconds_per_page,
            seconds_per_file=seconds_per_file,
            memory_mb=memory_mb,
            max_file_mb=max_file_mb,
            price_per_replica_hour=price_per_replica_hour,
            max_replica_hours=max_replica_hours,
            max_cost=max_cost,
            deadline=parse_deadline(deadline, datetime.now(UTC)) if deadline else None,
            retry_failed=_words(retry_failed or ""),
        )
        replica = describe_replica(config.choice)
    except (ConfigError, UnknownModelError) as error:
        complain(str(error))
        raise typer.Exit(Exit.BAD_ARGUMENTS) from error
    raise typer.Exit(preview_job(config, replica, plan_json) if plan or plan_json else run_job(config, replica))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def preview_job(config: RunConfig, replica: ReplicaDescription, as_json: bool) -> Exit:
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


def run_job(config: RunConfig, replica: ReplicaDescription) -> Exit:
    from pipeline.lease import LeaseLostError, OutputBusyError
    from pipeline.manifest import ManifestError
    from pipeline.run import Run
    from pipeline.session import SessionError
    from pipeline.store import OutputError

    run = Run(config, replica)
    arguments = config.public()
    told = "" if for_machines() else f" {json.dumps(arguments, ensure_ascii=False)}"
    say(f"run {run.setup.run_id}{told}", "started", run_id=run.setup.run_id, arguments=arguments)
    try:
        outcome = run.execute()
    except (ManifestError, SessionError, OutputError, OutputBusyError, LeaseLostError) as error:
        complain(str(error))
        return Exit.BROKEN
    say(f"run {run.setup.run_id} is published", "published", run_id=run.setup.run_id, books=outcome.books.rows())
    _print_books(outcome.books, "pages" if config.media == "documents" else "shots")
    print_bill(outcome.bill)
    if outcome.retried_requests:
        say(f"storage: {outcome.retried_requests:,} requests were tried again")
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


if __name__ == "__main__":
    app()
