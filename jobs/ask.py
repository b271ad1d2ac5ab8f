#!/usr/bin/env python3
"""Find pages and shots in an archive that was read: where the words of a query stand, best first.

python jobs/ask.py --index TABLES "fish counter salmon 2024"
python jobs/ask.py --index s3://tables --kind shot --json "Millbridge flood"
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated

import typer

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.manifest import ManifestError
from pipeline.search import ArchiveSearch, Hit, NothingPublishedError
from pipeline.store import OutputStore


class Exit(IntEnum):
    """Exit codes, as ``--help`` tells them."""

    FOUND = 0
    NOTHING_FOUND = 1
    BAD_ARGUMENTS = 2


class Kind(StrEnum):
    page = "page"
    shot = "shot"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog="Exit codes: 0 found; 1 nothing found; 2 bad arguments, or an index that cannot be read.")
def ask(
    query: Annotated[str, typer.Argument(help="Words to look for, or a question.")],
    index: Annotated[str, typer.Option("--index", "-i", help="Output of extract_docs.py or index_videos.py.")],
    limit: Annotated[int, typer.Option(min=1, help="Show the best N.")] = 10,
    kind: Annotated[Kind | None, typer.Option(help="Pages or shots alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for the index; default: ~/.cache/folioscope/search.")
    ] = None,
) -> None:
    """Find pages and shots by their words, over documents and films alike."""
    try:
        search = ArchiveSearch(OutputStore(index), cache)
        hits = search.find(query, limit, None if kind is None else kind.value)
        search.close()
    except (NothingPublishedError, ManifestError, OSError) as error:
        typer.echo(f"folioscope: {error}", err=True)
        raise typer.Exit(Exit.BAD_ARGUMENTS) from error
    if not hits:
        where = "pages or shots" if kind is None else f"{kind.value}s"
        typer.echo(f'folioscope: nothing found: no {where} of {index} hold the words of "{query}"', err=True)
        raise typer.Exit(Exit.NOTHING_FOUND)
    for hit in hits:
        typer.echo(json.dumps(asdict(hit), ensure_ascii=False) if as_json else _shown(hit))


def _shown(hit: Hit) -> str:
    caption = " (caption)" if hit.source == "caption" else ""
    return f"{hit.uri}  {hit.place}{caption}\n    {hit.quote}"


if __name__ == "__main__":
    app()
