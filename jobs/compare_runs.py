#!/usr/bin/env python3
"""Compare what two runs read, folder by folder, and say what moved by more than chance.

folioscope compare TABLES
folioscope compare TABLES 20260301T010000-1a2b3c 20260302T010000-4d5e6f --depth 2
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from folioscope.jobs.command import Command
from folioscope.pipeline.readers.compare import FEWEST, Change, CompareError, compare_runs
from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest

EPILOG = "Exit codes: 0 compared, whatever moved; 1 the tables or the runs cannot be read; 2 bad arguments."


@click.command(cls=Command, epilog=EPILOG)
@click.argument("output")
@click.argument("before", required=False)
@click.argument("after", required=False)
@click.option(
    "--depth", type=click.IntRange(min=0), default=1, show_default=True, help="Levels of folders to tell apart."
)
@click.option("--all", "every", is_flag=True, help="Show what did not move, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def command(output: str, before: str | None, after: str | None, depth: int, every: bool, as_json: bool) -> None:
    """Report significant changes between two runs of OUTPUT, by source folder: by default the last two that read pages.

    BEFORE and AFTER are run ids. Compared are agreement with text layers, tokens, loops, empty pages, languages and
    failures.
    """
    compare(output, before, after, depth=depth, every=every, as_json=as_json)


def compare(
    output: str,
    before: str | None = None,
    after: str | None = None,
    *,
    depth: int = 1,
    every: bool = False,
    as_json: bool = False,
) -> None:
    """Print what moved between two runs.

    Raises:
        CompareError, ManifestError, OutputError: the tables or the runs cannot be read.
    """
    store = OutputStore(output)
    if not load_manifest(store).run_id:
        raise CompareError(f"{output}: nothing has been published there; check the path")
    with open_views(store) as database:
        changes = compare_runs(database, before, after, depth)
    shown = [change for change in changes if every or change.moved]
    if as_json:
        for change in shown:
            click.echo(json.dumps(asdict(change), ensure_ascii=False))
        return
    _print(shown)
    moved = sum(change.moved for change in changes)
    click.echo(f"{moved} of {len(changes)} measures moved by more than chance (folders of {FEWEST} pages and more)")


def _print(changes: list[Change]) -> None:
    if not changes:
        return
    table = Table(title="Between the two runs", title_justify="left")
    for name in ("folder", "measure", "before", "after", "pages", "p", ""):
        table.add_column(name, justify="left" if name in ("folder", "measure", "") else "right")
    for change in changes:
        pages = f"{change.pages_before:,} / {change.pages_after:,}"
        figures = (f"{change.before:.3g}", f"{change.after:.3g}", pages, f"{change.p:.1e}")
        table.add_row(change.folder, change.measure, *figures, "moved" if change.moved else "")
    Console(width=None if sys.stdout.isatty() else 110).print(table)


if __name__ == "__main__":
    command()
