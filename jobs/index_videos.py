#!/usr/bin/env python3
"""Index an archive of films into Parquet: shots with their on-screen text, summaries, chapters, answers with times.

python jobs/index_videos.py --input ARCHIVE --output TABLES
ray job submit --working-dir . -- python jobs/index_videos.py --input s3://archive --output s3://tables

The sister of extract_docs.py: the same tables, and one output may hold what both read. Each skips the other's files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jobs import options
from jobs.extract_docs import EPILOG, Exit, run_job
from model.load import UnknownModelError, describe_replica
from pipeline.config import ConfigError, load_questions, parse_config
from pipeline.logs import LogFormat, complain, configure_logs

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EPILOG)
def index_videos(
    inputs: options.Inputs,
    output: options.Output,
    tasks: options.Tasks = "read,summarize,answer",
    questions: options.Questions = None,
    model: options.Model = "embedded",
    engine: options.Engine = "torch",
    gpus_per_replica: options.GpusPerReplica = None,
    replicas: options.Replicas = 2,
    seconds_per_unit: Annotated[float, typer.Option(help="Seconds of film that are looked over together.")] = 60.0,
    max_frames_per_shot: Annotated[int, typer.Option(help="Frames read of each shot, at most.")] = 4,
    thumbnails: options.Thumbnails = 640,
    limit: options.Limit = None,
    max_failures: options.MaxFailures = 0,
    address: options.Address = None,
    seconds_per_page: options.SecondsPerPage = 60.0,
    memory_mb: options.MemoryMb = 2048,
    max_file_mb: options.MaxFileMb = 16384,
    price_per_replica_hour: options.PricePerReplicaHour = None,
    log_format: options.LogFormatOption = LogFormat.text,
) -> None:
    """Index films into Parquet tables; run it again to carry on or to take in what is new."""
    configure_logs(log_format)
    try:
        config = parse_config(
            inputs=tuple(inputs),
            output=output,
            media="films",
            tasks=tuple(task.strip() for task in tasks.split(",") if task.strip()),
            questions=load_questions(questions) if questions else (),
            model=model,
            engine=engine,
            gpus_per_replica=gpus_per_replica,
            replicas=replicas,
            seconds_per_unit=seconds_per_unit,
            max_frames_per_shot=max_frames_per_shot,
            thumbnails=thumbnails,
            limit=limit,
            max_failures=max_failures,
            address=address,
            seconds_per_page=seconds_per_page,
            memory_mb=memory_mb,
            max_file_mb=max_file_mb,
            price_per_replica_hour=price_per_replica_hour,
        )
        replica = describe_replica(config.choice)
    except (ConfigError, UnknownModelError) as error:
        complain(str(error))
        raise typer.Exit(Exit.BAD_ARGUMENTS) from error
    raise typer.Exit(run_job(config, replica))


if __name__ == "__main__":
    app()
