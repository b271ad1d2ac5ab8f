#!/usr/bin/env python3
"""Drop rows of recipes that no file names any more, old runs and tombstones. What is current is never touched.

python jobs/expire.py TABLES --keep-runs 30
python jobs/expire.py TABLES --older-than 90d --dry-run
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.config import ConfigError, parse_duration
from pipeline.lease import LeaseLostError, OutputBusyError
from pipeline.manifest import ManifestError
from pipeline.retention import Expired, Keep, expire
from pipeline.store import OutputError, OutputStore

EPILOG = "Exit codes: 0 done, or nothing to do; 1 the output cannot be used, or a run is writing it; 2 bad arguments."
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EPILOG)
def expire_rows(
    output: Annotated[str, typer.Argument(help="Folder or URI of the tables.")],
    keep_runs: Annotated[
        int | None, typer.Option(min=1, help="What the last N runs made stays, current or not.")
    ] = None,
    older_than: Annotated[str | None, typer.Option(help="What is younger stays, current or not: 90d, 12h.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would go; write nothing.")] = False,
) -> None:
    """Rows that were made before the cutoff and are not current leave the tables."""
    if (keep_runs is None) == (older_than is None):
        _end("give one of --keep-runs and --older-than", 2)
    try:
        since = datetime.now(UTC) - parse_duration("--older-than", older_than) if older_than else None
    except ConfigError as error:
        _end(str(error), 2)
    try:
        expired = expire(OutputStore(output), Keep(since, keep_runs), dry_run=dry_run, say=_say)
    except (ManifestError, OutputError, OutputBusyError, LeaseLostError) as error:
        _end(str(error), 1)
    _print(expired, dry_run)


def _print(expired: Expired, dry_run: bool) -> None:
    if expired.nothing:
        typer.echo("nothing to expire")
        return
    typer.echo("would go:" if dry_run else "gone:")
    for name, rows in expired.rows.items():
        if rows:
            typer.echo(f"  {name}: {rows:,} rows")
    if not dry_run:
        typer.echo(f"tables: {expired.bytes_before / 2**20:,.1f} MB before, {expired.bytes_after / 2**20:,.1f} MB now")
        typer.echo("the files replaced stay for readers until the next run, or until this is called again")


def _say(words: str) -> None:
    typer.echo(f"folioscope: {words}", err=True)


def _end(words: str, code: int) -> None:
    _say(words)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
