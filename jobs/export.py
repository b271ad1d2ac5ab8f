#!/usr/bin/env python3
"""Write what was read as files that other tools read.

folioscope export TABLES --to md FOLDER
folioscope export s3://tables --to chunks --glob 'reports/*' s3://index/chunks
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import click

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.jobs.command import Command, end
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.logs import counted, log_error
from folioscope.pipeline.readers.export.selection import Selection, Status
from folioscope.pipeline.readers.export.write import ExportFormat, Per, export
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest
from folioscope.schemas.errors import ExitCode

EPILOG = "Exit codes: 0 written; 1 nothing matches, or the target cannot be written; 2 bad arguments."


@click.command(cls=Command, epilog=EPILOG)
@click.argument("output")
@click.argument("target")
@click.option(
    "--to",
    "form",
    type=click.Choice([form.value for form in ExportFormat]),
    required=True,
    help="md, html, docling, alto, hocr: a file for each path. jsonl, csv, chunks: lines in part files.",
)
@click.option("--glob", help="Export the files whose path, or its end, matches this pattern.")
@click.option("--status", type=click.Choice(["done", "partial"]), multiple=True, help="Repeatable. [default: both]")
@click.option(
    "--per", type=click.Choice(["page", "document"]), default="page", show_default=True, help="The record of jsonl."
)
def command(output: str, target: str, form: str, glob: str | None, status: tuple[str, ...], per: str) -> None:
    """Write what is current in the tables of OUTPUT under TARGET, a folder or a bucket."""
    store = OutputStore(output)
    if not load_manifest(store).run_id:
        raise ConfigError(f"{output}: nothing has been published there; check the path")
    selection = Selection(glob, cast(tuple[Status, ...], status or ("done", "partial")))
    written = export(store, OutputStore(target), ExportFormat(form), selection, cast(Per, per))
    if not written.assets:
        log_error(f"nothing exported: no file of {output} matches {glob or 'the statuses'}", "nothing_exported")
        end(ExitCode.BROKEN)
    click.echo(f"exported: {counted(written.assets, 'file')} of the archive to {target} ({written.files:,} written)")


if __name__ == "__main__":
    command()
