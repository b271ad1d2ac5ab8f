"""``folioscope audit``: whether the published tables are what their manifest, their schemas and their state say."""

from __future__ import annotations

import click

from folioscope.jobs.command import Command, end
from folioscope.pipeline.logs import log_error, log_info
from folioscope.pipeline.readers.audit import file_problems
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.audit import AuditReport, audit, rebuild_state
from folioscope.schemas.errors import ExitCode

EPILOG = "Exit codes: 0 the tables are sound; 1 they are not, or cannot be read; 2 bad arguments."


@click.command(cls=Command, epilog=EPILOG)
@click.argument("output")
@click.option("--rebuild", is_flag=True, help="Write the state anew from the rows before checking it.")
def command(output: str, rebuild: bool) -> None:
    """Check the tables of OUTPUT: files against the manifest and the schemas, that no key has two rows and none both a
    row and a failure, and that the state says what the rows say. Reads the keys of all rows."""
    store = OutputStore(output)
    problems = list(file_problems(store))
    if not problems:  # rows are read from the same files
        if rebuild:
            rebuild_state(store, log_info)
            log_info("the state is written anew")
        problems = _row_problems(audit(store))
    for problem in problems:
        log_error(problem, "problem")
    if problems:
        end(ExitCode.BROKEN)
    click.echo("sound")


def _row_problems(report: AuditReport) -> list[str]:
    told = (
        (report.doubled_rows, "keys have more than one row; report it with the run's log"),
        (report.contradictions, "pages, summaries or answers have both a row and a failure; report it"),
        (report.wrong_state, "assets and tasks have another number of rows than the state says; use --rebuild"),
        (report.shared_keys, "assets share the key of another in the state, and may not have been read"),
    )
    return [f"{count:,} {words}" for count, words in told if count]
