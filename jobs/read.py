"""The commands that read: ``folioscope read`` and ``plan``, and the two jobs that ``ray job submit`` starts.

Ray, DuckDB and pyarrow are imported where a run needs them: one file as Markdown needs none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from subprocess import Popen

import click

from folioscope.jobs.command import EXIT_CODES, Command, GroupedOption, end
from folioscope.jobs.options import PLAN, PLAN_JSON, config_from, run_command
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.errors import ConfigError, ExitCode
from folioscope.pipeline.kinds import Media
from folioscope.pipeline.logs import log_error
from folioscope.pipeline.options import Group
from folioscope.pipeline.settings.files import NO_OUTPUT
from folioscope.pipeline.storage.sources import FailedInput, SourceFile, kind_of_name, list_sources
from folioscope.pipeline.storage.uris import normalise

JSON = GroupedOption(
    ["--json", "as_json"], group=Group.OUTPUT, is_flag=True, help="Without --output: print one JSON object a file."
)
PLAN_AS_JSON = GroupedOption(
    ["--json", "as_json"], group=Group.OUTPUT, is_flag=True, help="Print the plan as one line of JSON."
)


def job_command(name: str, media: Media, help: str) -> Command:
    """The command of a job over documents or over videos."""

    def job(plan: bool, plan_json: bool, **typed: object) -> None:
        end(_launch(config_from(typed, kinds=media), plan=plan, plan_json=plan_json))

    return run_command(name, job, help=help, epilog=EXIT_CODES, media=media, extra=(PLAN, PLAN_JSON))


def _read(plan: bool, plan_json: bool, as_json: bool, **typed: object) -> None:
    config = config_from(typed, positional=True)
    if config.output == NO_OUTPUT:
        if plan or plan_json:
            raise ConfigError("--output: is required for a plan: what is there already is not read again")
        end(_print_files(config, as_json=as_json))
    elif as_json:
        raise ConfigError("--json: prints what is read instead of writing tables; leave out --output")
    else:
        end(_launch(config, plan=plan, plan_json=plan_json))


def _plan(as_json: bool, **typed: object) -> None:
    config = config_from(typed, positional=True)
    if config.output == NO_OUTPUT:
        raise ConfigError("--output: is required for a plan: what is there already is not read again")
    end(_launch(config, plan=not as_json, plan_json=as_json))


def _launch(config: RunConfig, *, plan: bool, plan_json: bool) -> ExitCode:
    from folioscope.jobs.launch import launch

    return launch(config, plan=plan, plan_json=plan_json)


def _print_files(config: RunConfig, *, as_json: bool) -> ExitCode:
    """Read files in this process and print each as soon as it is read."""
    from folioscope.pipeline.one_file import FileNotReadError, FileReader

    failures = read = 0
    spare = click.get_current_context().obj
    with FileReader(config, spare if isinstance(spare, Popen) else None) as reader:
        sources = list(_wanted(config))
        for source in sources:
            try:
                if isinstance(source, FailedInput):
                    raise FileNotReadError(source.failure)
                document = reader.read_source(source)
            except FileNotReadError as error:
                log_error(str(error), "failure", reason=error.reason)
                failures += 1
                continue
            read += 1
            for failure in document.failures:
                log_error(failure.message, "failure", reason=failure.reason)
            failures += len(document.failures)
            if as_json:
                click.echo(json.dumps(asdict(document), ensure_ascii=False))
                continue
            if len(sources) > 1:
                click.echo(f"<!-- {document.uri} -->\n")
            click.echo(document.markdown + "\n")
    if not sources:
        log_error("no file of a kind that is read lies under the inputs; the kinds are " + ", ".join(config.kinds))
        return ExitCode.BAD_ARGUMENTS
    return ExitCode.TOO_MANY_FAILURES if failures > config.max_failures else ExitCode.OK


def _wanted(config: RunConfig) -> Iterator[SourceFile | FailedInput]:
    """Listed files of the kinds wanted; a file that is named itself is tried whatever its name says."""
    named = set(map(normalise, config.inputs))
    taken = 0
    for found in list_sources(config.inputs):
        if not isinstance(found, FailedInput):
            kind = kind_of_name(found.uri)
            printed = kind in config.kinds and kind not in ("audio", "subtitles")
            if not printed and found.uri not in named:
                continue
            taken += 1
            if config.limit is not None and taken > config.limit:
                return
        yield found


read = run_command(
    "read",
    _read,
    help="Read INPUTs (files, folders, globs, URIs) into the tables of --output; run it again to carry on or to take "
    "in what is new. Without --output, print what was read as Markdown, without starting Ray.",
    epilog=EXIT_CODES,
    positional=True,
    extra=(PLAN, PLAN_JSON, JSON),
)
plan = run_command(
    "plan",
    _plan,
    help="Print what `folioscope read` with the same arguments would do and what it would cost. Writes nothing, opens "
    "no more than a sample of the files, and starts no Ray.",
    epilog="Exit codes: 0 planned; 1 the output cannot be used; 2 bad arguments; 3 an input could not be listed.",
    positional=True,
    extra=(PLAN_AS_JSON,),
)
