#!/usr/bin/env python3
"""Index an archive of films into Parquet: shots with their on-screen text, summaries, chapters, answers with times.

python jobs/index_videos.py --input ARCHIVE --output TABLES
ray job submit --working-dir . -- python jobs/index_videos.py --input s3://archive --output s3://tables

The sister of extract_docs.py: the same tables, and one output may hold what both read. Each skips the other's files.
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


class Decoder(StrEnum):
    pyav = "pyav"
    decord = "decord"


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
    decoder: Annotated[
        Decoder, typer.Option(help="What picks frames. decord is not sure to give the frame asked for on a busy node.")
    ] = Decoder.pyav,
    thumbnails: options.Thumbnails = 640,
    webvtt: Annotated[
        bool, typer.Option("--webvtt/--no-webvtt", help="Write time lines as WebVTT beside the tables.")
    ] = True,
    limit: options.Limit = None,
    max_failures: options.MaxFailures = 0,
    address: options.Address = None,
    seconds_per_page: options.SecondsPerPage = 60.0,
    seconds_per_file: options.SecondsPerFile = 6 * 3600.0,
    memory_mb: options.MemoryMb = 2048,
    max_file_mb: options.MaxFileMb = 16384,
    price_per_replica_hour: options.PricePerReplicaHour = None,
    plan: options.Plan = False,
    plan_json: options.PlanJson = False,
    max_replica_hours: options.MaxReplicaHours = None,
    max_cost: options.MaxCost = None,
    deadline: options.Deadline = None,
    retry_failed: options.RetryFailed = None,
    log_format: options.LogFormatOption = LogFormat.text,
) -> None:
    """Index films into Parquet tables; run it again to carry on or to take in what is new."""
    ended = launch(
        media="films",
        inputs=tuple(inputs),
        output=output,
        tasks=tasks,
        questions=questions,
        model=model,
        engine=engine,
        gpus_per_replica=gpus_per_replica,
        replicas=replicas,
        seconds_per_unit=seconds_per_unit,
        max_frames_per_shot=max_frames_per_shot,
        film_decoder=decoder.value,
        thumbnails=thumbnails,
        webvtt=webvtt,
        limit=limit,
        max_failures=max_failures,
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
