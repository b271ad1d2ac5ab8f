#!/usr/bin/env python3
"""Drop rows of recipes that no file names any more, old runs and tombstones. What is current is never touched.

folioscope expire TABLES --keep-runs 30
folioscope expire TABLES --older-than 90d --dry-run
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.jobs.command import Command
from folioscope.pipeline.durations import parse_duration
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.logs import counted, log_info
from folioscope.pipeline.search.maintain import maintain
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.retention import Expired, Keep, expire

EPILOG = "Exit codes: 0 done, or nothing to do; 1 the output cannot be used, or a run is writing it; 2 bad arguments."


@click.command(cls=Command, epilog=EPILOG)
@click.argument("output")
@click.option("--keep-runs", type=click.IntRange(min=1), help="Keep what the last N runs made, current or not.")
@click.option("--older-than", metavar="AGE", help="Keep what is younger than this (90d, 12h), current or not.")
@click.option("--dry-run", is_flag=True, help="Print what would be dropped; write nothing.")
def command(output: str, keep_runs: int | None, older_than: str | None, dry_run: bool) -> None:
    """Delete rows of OUTPUT that no current file refers to: results of earlier models, prompts and file versions."""
    if (keep_runs is None) == (older_than is None):
        raise ConfigError("give one of --keep-runs and --older-than")
    try:
        since = datetime.now(UTC) - parse_duration(older_than) if older_than else None
    except (ConfigError, OverflowError) as error:
        raise ConfigError(f"--older-than {error}") from error
    store = OutputStore(output)
    expired = expire(store, Keep(since, keep_runs), dry_run=dry_run, notify=log_info)
    if not dry_run:
        maintain(store, log_info, erase=True)
    _print(expired, dry_run)


def _print(expired: Expired, dry_run: bool) -> None:
    if expired.nothing:
        click.echo("nothing to expire")
        return
    click.echo("would go:" if dry_run else "gone:")
    for name, rows in expired.rows.items():
        if rows:
            click.echo(f"  {name}: {counted(rows, 'row')}")
    if not dry_run:
        click.echo(f"tables: {expired.bytes_before / 2**20:,.1f} MB before, {expired.bytes_after / 2**20:,.1f} MB now")
        click.echo("the files replaced stay for readers until the next run, or until this is called again")


if __name__ == "__main__":
    command()
