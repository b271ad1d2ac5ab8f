"""What every command has in common: options in groups, and one way to end when something is wrong.

A command raises :class:`FolioscopeError` for whatever a user can cause; here it becomes a line on stderr and an exit
code. A traceback is a defect of ours. Imports click and nothing heavy, so that ``--help`` is quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from folioscope.pipeline.logs import LogFormat, configure_logs, log_error
from folioscope.schemas.errors import ExitCode, FolioscopeError

WIDTH = 100

EXIT_CODES = (
    "Exit codes: 0 the accounting balances and failures are within --max-failures; 1 the run broke off (Ray, the "
    "output, or another run at work on it; the same command carries on); 2 bad arguments; 3 more failures than "
    "--max-failures; 4 the accounting does not balance; 5 stopped by --max-replica-hours, --max-cost or --deadline "
    "with work left (the next run goes on); 6 more suspect pages than --max-suspect; 7 more known files are gone than "
    "--max-deleted allows (nothing was written); 8 the model could not read pages of known text (what was read before "
    "is published)."
)


class GroupedOption(click.Option):
    """An option that stands under a heading of ``--help``."""

    def __init__(self, names: Sequence[str], *, group: str, **settings: Any) -> None:
        super().__init__(names, **settings)
        self.group = str(group)


class Command(click.Command):
    """A command whose options are grouped in ``--help`` and whose errors end it with a line and a code."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.context_settings = {"max_content_width": WIDTH, **self.context_settings}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(parameter, "group", "Options"), []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def invoke(self, ctx: click.Context) -> object:
        configure_logs(LogFormat.text)
        try:
            return super().invoke(ctx)
        except FolioscopeError as error:
            log_error(str(error), "error", error=type(error).__name__, exit_code=int(error.exit_code))
            if error.hint:
                log_error(error.hint, "hint")
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            log_error("Stopped.", "stopped")
            ctx.exit(ExitCode.INTERRUPTED)


def end(code: ExitCode) -> None:
    """End the command with a code."""
    click.get_current_context().exit(code)


def renamed(earlier: str, now: str) -> str:
    """The hint that an earlier name earns: it works for one version."""
    return f"{earlier} is now {now}; the earlier name goes with the next version"
