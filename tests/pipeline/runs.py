"""Running the pipeline in a test, and asking its output."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from model.load import describe_replica
from model.protocol import ReplicaDescription
from pipeline.config import RunConfig
from pipeline.run import Outcome, Run


def prepare(inputs: Path, output: Path, *, revision: str | None = None, **options: Any) -> Run:
    """A run of the fake replica, at another revision if wanted."""
    settings: dict[str, Any] = {"model": "fake", "layout": "fast", "pages_per_unit": 2, "replicas": 1} | options
    config = RunConfig(inputs=(str(inputs),), output=str(output), **settings)
    replica: ReplicaDescription = describe_replica(config.choice)
    return Run(config, replace(replica, revision=revision) if revision else replica)


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
