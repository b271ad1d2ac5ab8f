"""Running the pipeline in a test, and asking its output."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from folioscope.model.load import describe_replica
from folioscope.model.protocol import ReplicaDescription
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.run import Outcome, Run


def prepare(
    inputs: Path, output: Path, *, revision: str | None = None, by_picture: bool = False, **options: Any
) -> Run:
    """A run of the fake replica, at another revision if wanted; ``by_picture`` has it pass for one that looks at pages.

    It reads no page of known text then, unless ``canary_minutes`` are given.
    """
    settings: dict[str, Any] = {"model": "fake", "layout": "fast", "pages_per_unit": 2, "replicas": 1} | options
    if by_picture:
        settings = {"canary_minutes": 0} | settings
    config = RunConfig(inputs=(str(inputs),), output=str(output), **settings)
    replica: ReplicaDescription = describe_replica(config.choice)
    replica = replace(replica, revision=revision or replica.revision, reads_layer=not by_picture)
    return Run(config, replica)


def run(inputs: Path, output: Path, **options: Any) -> Outcome:
    return prepare(inputs, output, **options).execute()


def ask(output: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        database.execute("SET VARIABLE output = $1", [str(output)])
        database.execute((output / "views.sql").read_text())
        return database.sql(sql).fetchall()


def touch(path: Path, day: int) -> None:
    """Set a file's modification time to a day of January 2026."""
    moment = datetime(2026, 1, day, tzinfo=UTC).timestamp()
    os.utime(path, (moment, moment))
