#!/usr/bin/env python3
"""Compare what two runs read, folder by folder, and say what moved by more than chance.

python jobs/compare_runs.py TABLES
python jobs/compare_runs.py TABLES 20260301T010000-1a2b3c 20260302T010000-4d5e6f --depth 2
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from pipeline.compare import FEWEST, Change, CompareError, compare_runs
from pipeline.manifest import ManifestError, load_manifest
from pipeline.published import open_views
from pipeline.store import OutputError, OutputStore

EPILOG = "Exit codes: 0 compared, whatever moved; 1 the tables or the runs cannot be read."
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EPILOG)
def compare(
    output: Annotated[str, typer.Argument(help="Folder or URI of the tables.")],
    before: Annotated[str | None, typer.Argument(help="The earlier run; default: the last but one.")] = None,
    after: Annotated[str | None, typer.Argument(help="The later run; default: the last that read pages.")] = None,
    depth: Annotated[int, typer.Option(min=0, help="Levels of folders to tell apart.")] = 1,
    every: Annotated[bool, typer.Option("--all", help="Show what did not move, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Likeness to text layers, tokens, loops, empty pages, languages and failures of two runs, by source folder."""
    store = OutputStore(output)
    try:
        if not load_manifest(store).run_id:
            raise CompareError(f"{output}: nothing has been published there; check the path")
        with open_views(store) as database:
            changes = compare_runs(database, before, after, depth)
    except (CompareError, ManifestError, OutputError) as error:
        typer.echo(f"folioscope: {error}", err=True)
        raise typer.Exit(1) from error
    shown = [change for change in changes if every or change.moved]
    if as_json:
        for change in shown:
            typer.echo(json.dumps(asdict(change), ensure_ascii=False))
        return
    _print(shown)
    moved = sum(change.moved for change in changes)
    typer.echo(f"{moved} of {len(changes)} measures moved by more than chance (folders of {FEWEST} pages and more)")


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
    app()
