"""``folioscope ask``: a question answered from what was read, with where it stands."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.jobs.command import Command, end, renamed
from folioscope.model.load import ModelChoice, describe_replica, load_replica
from folioscope.model.protocol import Evidence
from folioscope.pipeline.config import SETTINGS
from folioscope.pipeline.logs import counted, log_error, log_info
from folioscope.pipeline.readers.ask import Found, ask_archive, keep_answers
from folioscope.pipeline.readers.search import clock
from folioscope.pipeline.search.query import Filters
from folioscope.pipeline.storage.store import OutputStore
from folioscope.schemas.errors import ExitCode

NOT_FOUND = ExitCode.BROKEN  # as grep has it
EPILOG = "Exit codes: 0 answered; 1 not found; 2 bad arguments, or tables of which nothing can be asked."


@click.command(cls=Command, epilog=EPILOG)
@click.argument("output")
@click.argument("question")
@click.option(
    "--documents", type=click.IntRange(min=1), default=5, show_default=True, help="Ask the best N files by search."
)
@click.option("--path", metavar="GLOB", help="Ask the files whose path, or its end, matches.")
@click.option("--model", default="embedded", help=SETTINGS["model"].help)
@click.option("--keep", is_flag=True, help="Store the answers in the tables, under a recipe of question and model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an answer.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder for an index where none lies beside the tables.")
def command(
    output: str,
    question: str,
    documents: int,
    path: str | None,
    model: str,
    keep: bool,
    as_json: bool,
    cache: Path | None,
) -> None:
    """Answer a QUESTION from the documents and videos of OUTPUT. Each answer says in which file, page or second it
    stands, and whether its quote was found there."""
    choice = ModelChoice(model)
    store = OutputStore(output)
    replica = load_replica(choice)
    asked = ask_archive(
        store, question, replica, documents=documents, cache=cache, filters=Filters(path=path), notify=log_info
    )
    if asked.unfounded:
        log_info(
            f"left out: {counted(asked.unfounded, 'answer')} whose quotes do not stand where they say", "unfounded"
        )
    if not asked.answers:
        looked = f"none of the files looked at ({asked.looked_at} of {output}) answers"
        log_error(f'not found: {looked} "{question}"', "not_found")
        end(NOT_FOUND)
    for item in asked.answers:
        click.echo(json.dumps(asdict(item), ensure_ascii=False) if as_json else _shown(item))
    if keep:
        kept = keep_answers(store, asked, describe_replica(choice), log_info)
        log_info(f"kept: {counted(kept, 'answer')}, in {store.name}", "kept", answers=kept)


def _shown(found: Found) -> str:
    lines = [found.answer.text or ""]
    lines += [f"    {found.uri}  {_place(item)}: {item.quote}" for item in found.answer.evidence]
    return "\n".join(lines)


def _place(evidence: Evidence) -> str:
    place = f"page {evidence.page_number}" if evidence.start_s is None else clock(evidence.start_s)
    if evidence.verified:
        return f"{place}, found there"
    return f"{place}, found in a model's text alone" if evidence.verified_by else f"{place}, not found there"


if __name__ == "__main__":  # this file searched in the version before: it still does, for one version
    from folioscope.jobs import search

    click.echo(f"folioscope: {renamed('python jobs/ask.py', 'folioscope search OUTPUT WORDS')}", err=True)
    search.command()
