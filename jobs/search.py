#!/usr/bin/env python3
"""Find pages and shots in an archive that was read: where the words of a query stand, best first.

folioscope search TABLES "fish counter salmon 2024"
folioscope search s3://tables --kind shot --json '"Millbridge flood" -map'
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Literal

import click

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.jobs.command import Command, GroupedOption, end, renamed
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.logs import log_error, log_info
from folioscope.pipeline.readers.search import ArchiveSearch, Hit, Ranking
from folioscope.pipeline.search.query import Filters
from folioscope.pipeline.storage.store import OutputStore
from folioscope.schemas.errors import ExitCode

NOTHING_FOUND = ExitCode.BROKEN  # as grep has it
FILTERS = "Filters"
DAY = click.DateTime(["%Y-%m-%d"])
EPILOG = (
    'Words are found in any inflection, case and accent; "in quotes" they must stand side by side; -word leaves out '
    "what holds it. Exit codes: 0 found; 1 nothing found; 2 bad arguments, or tables that cannot be searched."
)


@click.command(cls=Command, epilog=EPILOG, context_settings={"ignore_unknown_options": True})
@click.argument("output", required=False)
@click.argument("words", nargs=-1, metavar="WORDS...")
@click.option("--index", "-i", hidden=True)
@click.option("--limit", type=click.IntRange(min=1, max=1000), default=10, show_default=True, help="Show the best N.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--by",
    "ranking",
    type=click.Choice(["words", "meaning", "both"]),
    help="What ranks. [default: both where the index has vectors, else words]",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Folder for an index where none lies beside the tables. [default: ~/.cache/folioscope/search]",
)
@click.option("--kind", cls=GroupedOption, group=FILTERS, type=click.Choice(["page", "shot"]), help="Pages or shots.")
@click.option("--path", cls=GroupedOption, group=FILTERS, metavar="GLOB", help="Files whose path, or its end, matches.")
@click.option("--since", cls=GroupedOption, group=FILTERS, type=DAY, help="Files changed on this day or later.")
@click.option("--until", cls=GroupedOption, group=FILTERS, type=DAY, help="Files changed on this day or earlier.")
@click.option("--language", cls=GroupedOption, group=FILTERS, metavar="TAG", help="Pages in a language: de, pt-BR.")
@click.option(
    "--verified/--unverified",
    cls=GroupedOption,
    group=FILTERS,
    default=None,
    help="Pages whose text a model did not write or a second reader confirmed; or the others.",
)
@click.option("--flag", cls=GroupedOption, group=FILTERS, help="Pages with a flag: low_confidence, blank …")
def command(
    output: str | None,
    words: tuple[str, ...],
    index: str | None,
    limit: int,
    as_json: bool,
    ranking: Ranking | None,
    cache: Path | None,
    kind: Literal["page", "shot"] | None,
    path: str | None,
    since: datetime | None,
    until: datetime | None,
    language: str | None,
    verified: bool | None,
    flag: str | None,
) -> None:
    """Find pages and shots of OUTPUT by their words, over documents and videos alike."""
    if index is not None:
        log_info(renamed("--index", "the first argument: search OUTPUT WORDS"))
        output, words = index, (*((output,) if output else ()), *words)
    if not output or not words:
        raise ConfigError("give the output to search, and the words to look for: search OUTPUT WORDS")
    query = " ".join(words)
    filters = Filters(kind, path, since and since.date(), until and until.date(), language, verified, flag)
    found = ArchiveSearch(OutputStore(output), cache, log_info).search(query, limit, filters, ranking)
    for hit in found.hits:
        click.echo(json.dumps(asdict(hit), ensure_ascii=False) if as_json else _shown(hit))
    if not found.hits:
        where = "pages or shots" if kind is None else f"{kind}s"
        log_error(f'nothing found: no {where} of {output} hold the words of "{query}"', "nothing_found")
    if found.suggestion:
        log_info(f"did you mean: {found.suggestion}", "suggestion", query=found.suggestion)
    if not found.hits:
        end(NOTHING_FOUND)


def _shown(hit: Hit) -> str:
    """Two lines; what was asked for is bold on a terminal, and plain in a pipe: click takes the marks out there."""
    caption = "" if hit.source == "text" else f" ({hit.source})"
    quote = "".join(click.style(piece, bold=True, fg="yellow") if asked else piece for piece, asked in hit.marked)
    return f"{hit.uri}  {hit.place}{caption}\n    {quote}"


if __name__ == "__main__":
    command()
