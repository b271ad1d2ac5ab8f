"""The options that the jobs share, each declared once: its type, its names on the command line and its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.logs import LogFormat

Inputs = Annotated[
    list[str],
    typer.Option(
        "--input",
        "-i",
        help="Folder, glob, file, or .txt list of URIs; local or s3:// gs:// az:// http(s)://. Repeatable.",
    ),
]
Output = Annotated[str, typer.Option("--output", "-o", help="Folder or URI for the tables.")]
Tasks = Annotated[str, typer.Option(help="Any of read,summarize,answer, comma-separated.")]
Questions = Annotated[Path | None, typer.Option(help="YAML, JSON or CSV of id, question, optional assets glob.")]
Model = Annotated[
    str,
    typer.Option(
        help="embedded (CPU, nothing to download), nano (a tiny Kimi-VL, to try the real path), fake (for tests), "
        "or a Kimi-VL checkpoint: ./directory, s3://bucket/checkpoint, owner/name@revision on the hub."
    ),
]
Engine = Annotated[str, typer.Option(help="What runs a Kimi-VL checkpoint: torch (ours) or vllm (extra).")]
GpusPerReplica = Annotated[
    float | None, typer.Option(help="GPUs an actor asks Ray for; default: 1 for a large checkpoint, else 0.")
]
Replicas = Annotated[int, typer.Option(help="Models loaded side by side, one an actor.")]
Thumbnails = Annotated[int, typer.Option(help="Longest side of the small picture in each row; 0: none.")]
Limit = Annotated[int | None, typer.Option(help="Take the first N files only; the rest count as skipped.")]
MaxFailures = Annotated[int, typer.Option(help="Failures (files, pages or shots, answers) that still end in exit 0.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join; default: RAY_ADDRESS, else a local Ray.")]
SecondsPerPage = Annotated[float, typer.Option(help="Deadline for decoding one page, or one frame of a film.")]
MemoryMb = Annotated[int, typer.Option(help="Memory limit of a decode child.")]
MaxFileMb = Annotated[int, typer.Option(help="Larger files are refused, as failures.")]
LogFormatOption = Annotated[
    LogFormat, typer.Option("--log-format", help="Of progress and messages on stderr: lines, or JSON objects.")
]
PricePerReplicaHour = Annotated[float | None, typer.Option(help="Puts a cost into the runs table.")]
SecondsPerFile = Annotated[
    float, typer.Option(help="What an actor may spend on decoding one file; the rest of it then fails.")
]
Plan = Annotated[bool, typer.Option("--plan", help="Print what would be done, with its cost, and do nothing.")]
PlanJson = Annotated[bool, typer.Option("--plan-json", help="The same as one line of JSON.")]
MaxReplicaHours = Annotated[
    float | None,
    typer.Option(
        "--max-replica-hours",
        "--max-gpu-hours",
        help="Stop once replicas have been busy and idle for so long, summed over them: GPU hours where each holds "
        "one GPU. Newest files come first.",
    ),
]
MaxCost = Annotated[float | None, typer.Option(help="The same, by --price-per-replica-hour.")]
Deadline = Annotated[str | None, typer.Option(help="Stop at a time (2026-03-01T06:00) or after a while (6h, 1d12h).")]
RetryFailed = Annotated[
    str | None,
    typer.Option(help="Take failures up again: all, or reason codes of docs/failures.md, comma-separated."),
]
