#!/usr/bin/env python3
"""Read an archive of documents into Parquet: pages as Markdown, summaries, answers with evidence.

python jobs/extract_docs.py --input ARCHIVE --output TABLES
ray job submit --working-dir . -- python jobs/extract_docs.py --input s3://archive --output s3://tables
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jobs import options
from jobs.launch import EPILOG, launch
from pipeline.logs import LogFormat


class Layout(StrEnum):
    fast = "fast"
    full = "full"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EPILOG)
def extract_docs(
    inputs: options.Inputs,
    output: options.Output,
    tasks: options.Tasks = "read,summarize,answer",
    questions: options.Questions = None,
    model: options.Model = "embedded",
    engine: options.Engine = "torch",
    gpus_per_replica: options.GpusPerReplica = None,
    replicas: options.Replicas = 2,
    pages_per_unit: Annotated[
        int | None, typer.Option(help="Pages that commit together; default: 8, in fast layout 32.")
    ] = None,
    dpi: Annotated[int, typer.Option(help="Resolution of rendered pages.")] = 144,
    layout: Annotated[
        Layout, typer.Option(help="Of text layers. full: layout network and tables; fast: our own rules.")
    ] = Layout.full,
    thumbnails: options.Thumbnails = 640,
    limit: options.Limit = None,
    max_failures: options.MaxFailures = 0,
    password_file: Annotated[Path | None, typer.Option(help="Passwords to try on encrypted files, one a line.")] = None,
    address: options.Address = None,
    seconds_per_page: options.SecondsPerPage = 60.0,
    seconds_per_file: options.SecondsPerFile = 6 * 3600.0,
    memory_mb: options.MemoryMb = 2048,
    max_file_mb: options.MaxFileMb = 4096,
    price_per_replica_hour: options.PricePerReplicaHour = None,
    plan: options.Plan = False,
    plan_json: options.PlanJson = False,
    max_replica_hours: options.MaxReplicaHours = None,
    max_cost: options.MaxCost = None,
    deadline: options.Deadline = None,
    retry_failed: options.RetryFailed = None,
    log_format: options.LogFormatOption = LogFormat.text,
) -> None:
    """Read documents into Parquet tables; run it again to carry on or to take in what is new."""
    ended = launch(
        media="documents",
        inputs=tuple(inputs),
        output=output,
        tasks=tasks,
        questions=questions,
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
        password_file=password_file,
        address=address,
        seconds_per_page=seconds_per_page,
        seconds_per_file=seconds_per_file,
        memory_mb=memory_mb,
        max_file_mb=max_file_mb,
        price_per_replica_hour=price_per_replica_hour,
        plan=plan,
        plan_json=plan_json,
        max_replica_hours=max_replica_hours,
        max_cost=max_cost,
        deadline=deadline,
        retry_failed=retry_failed,
        log_format=log_format,
    )
    raise typer.Exit(ended)


if __name__ == "__main__":
    app()
