#!/usr/bin/env python3
"""Write a published output as a static site that opens from a disk or a bucket, with no server.

python jobs/report.py OUTPUT
python jobs/report.py s3://bucket/tables --to s3://bucket/site
python jobs/report.py s3://bucket/tables --compare RUN RUN      # as jobs/compare_runs.py, which has more options
"""

from __future__ import annotations

import sys
from enum import IntEnum
from pathlib import Path
from typing import Annotated

import typer

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from jobs.compare_runs import compare as compare_runs
from pipeline.manifest import ManifestError
from pipeline.report.archive import ReportError
from pipeline.report.site import write_report
from pipeline.store import OutputError, OutputStore


class Exit(IntEnum):
    """Exit codes, as ``--help`` tells them."""

    OK = 0
    BROKEN = 1


EPILOG = "Exit codes: 0 written, or compared; 1 the tables or runs cannot be read, or the site's place not be written."

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EPILOG)
def report(
    output: Annotated[str, typer.Argument(help="Folder or URI of the published tables.")],
    to: Annotated[str | None, typer.Option(help="Folder or URI for the site; default: OUTPUT/report.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show the first N files by path.")] = 10_000,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="RUN RUN", help="Write nothing, but print what moved between two runs."),
    ] = None,
) -> None:
    """Write what a run published as a site: the archive, its documents and films, failures, answers and runs."""
    if compare:
        compare_runs(output, *compare)
        return
    tables = OutputStore(output)
    site = OutputStore(to or f"{tables.uri}/report")
    try:
        written = write_report(tables, site, limit)
    except (ManifestError, ReportError, OutputError) as error:
        typer.echo(f"folioscope: {error}", err=True)
        raise typer.Exit(Exit.BROKEN) from error
    if written.shown < written.files:
        typer.echo(f"The report shows {written.shown:,} of {written.files:,} files; --limit takes more.", err=True)
    index = Path(written.index).resolve().as_uri() if site.is_local else written.index
    typer.echo(f"report: {written.shown:,} files, {written.segments:,} pages and shots. Open this file in a browser:")
    typer.echo(index)


if __name__ == "__main__":
    app()
