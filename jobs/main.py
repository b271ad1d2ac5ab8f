"""The command ``folioscope``: its subcommands, each imported when it is called, so that ``--help`` is quick.

To add one: a module with a ``click.Command`` under a name, and a line in ``COMMANDS``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import click

from folioscope import __version__
from folioscope.jobs.command import WIDTH


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a subcommand stands, and what ``folioscope --help`` says of it."""

    module: str
    help: str
    name: str = "command"


COMMANDS: dict[str, dict[str, Entry]] = {
    "Read": {
        "read": Entry(
            "folioscope.jobs.read", "Read documents and videos into tables; one file alone as Markdown.", "read"
        ),
        "plan": Entry("folioscope.jobs.read", "Print what a run would do and what it would cost.", "plan"),
    },
    "Use": {
        "search": Entry("folioscope.jobs.search", "Find pages and shots by their words."),
        "ask": Entry("folioscope.jobs.ask", "Answer a question from what was read, with evidence."),
        "mcp": Entry("folioscope.jobs.serve_mcp", "Serve what was read to agents: find, read, cite, verify, query."),
        "show": Entry("folioscope.jobs.show", "Show what was read of one file."),
        "export": Entry("folioscope.jobs.export", "Write what was read as Markdown, JSON lines, Docling, ALTO …"),
        "report": Entry("folioscope.jobs.report", "Write the tables as a site that opens in a browser."),
    },
    "Keep": {
        "index": Entry("folioscope.jobs.index", "Bring the search index up to the tables, or make it anew."),
        "evaluate": Entry("folioscope.jobs.evaluate", "Score models on public benchmarks, beside published figures."),
        "compare": Entry("folioscope.jobs.compare_runs", "Report significant changes between two runs."),
        "expire": Entry("folioscope.jobs.expire", "Delete rows that no current file refers to."),
        "audit": Entry("folioscope.jobs.audit", "Check that the published tables are what they say."),
    },
    "Shell": {
        "completion": Entry("folioscope.jobs.completion", "Print the script that completes commands in a shell."),
    },
}


NOT_PRINTING = ("-o", "--output", "--config", "--plan", "-h", "--help")  # with these, no file is printed


class Commands(click.Group):
    """Subcommands that are imported when they are called."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Where files are to be printed, start the decode child before the command's own modules are imported."""
        if args[:1] == ["read"] and len(args) > 1 and not any(arg.startswith(NOT_PRINTING) for arg in args):
            from folioscope.pipeline.decode.child import spawn

            ctx.obj = spawn()
            ctx.call_on_close(ctx.obj.kill)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for group in COMMANDS.values() for name in group]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        entry = next((group[name] for group in COMMANDS.values() if name in group), None)
        if entry is None:
            return None
        found = getattr(importlib.import_module(entry.module), entry.name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, group in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in group.items()])


@click.command(
    cls=Commands,
    context_settings={"max_content_width": WIDTH, "help_option_names": ["-h", "--help"]},
    epilog="folioscope COMMAND --help tells more.",
)
@click.version_option(__version__, message="folioscope %(version)s")
def main() -> None:
    """Read archives of documents and videos into Parquet that any engine can query."""
