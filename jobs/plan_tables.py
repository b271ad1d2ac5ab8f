"""The plan and the usage report as a person reads them: tables on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table

from folioscope.pipeline.config import SETTINGS, RunConfig
from folioscope.pipeline.interval import Interval
from folioscope.pipeline.logs import counted, for_machines, log_info
from folioscope.pipeline.options import Group
from folioscope.pipeline.planning.estimate import Estimate
from folioscope.pipeline.usage import UsageReport

FATES = (
    ("new", "never seen"),
    ("changed", "other bytes than before"),
    ("retried", "failed before, tried again"),
    ("unfinished", "known, with pages, summaries or answers left to do"),
    ("reused", "nothing to do"),
    ("failed", "failed before, not tried again"),
    ("skipped", "another kind, or beyond --limit"),
    ("deleted", "gone since the last run: a tombstone each"),
    ("unlisted", "inputs that could not be listed"),
)


def print_plan(estimate: Estimate) -> None:
    """What a run would do, on stdout."""
    files = [(name, f"{getattr(estimate.files, name):,}", meaning) for name, meaning in FATES]
    _print("Files", ("", "files", "meaning"), files)
    if estimate.empty:
        click.echo("nothing to be done")
        return
    hours = estimate.replica_seconds * (1 / 3600) if estimate.replica_seconds else None
    known = f"{estimate.known_pages:,} of them counted"
    work = [
        ("pages and shots", *_cells(estimate.pages), known),
        *_routes(estimate),
        ("summaries", *_cells(Interval.exactly(estimate.summaries)), ""),
        ("answers", *_cells(Interval.exactly(estimate.answers)), ""),
        ("input tokens", *_cells(estimate.input_tokens), ""),
        ("output tokens", *_cells(estimate.output_tokens), ""),
        ("replica hours", *_cells(hours), "busy and idle, all replicas"),
        ("cost", *_cells(estimate.cost), "" if estimate.cost else "needs a price and a rate"),
    ]
    _print("Work to be done", ("", "expected", "four cases in five", ""), work)
    for note in estimate.notes:
        click.echo(f"note: {note}")


def _routes(estimate: Estimate) -> list[tuple[str, str, str, str]]:
    """By whom the pages are read, where that is told."""
    if estimate.pages_by_layer is None:
        return []
    return [
        ("  read from their layer", *_cells(estimate.pages_by_layer), "without the model"),
        ("  read by the model", *_cells(estimate.pages_by_model), "--route says which"),
    ]


def print_usage(usage: UsageReport) -> None:
    """What a run used, beside its estimate, on stdout."""
    rows = []
    for line in usage.lines():
        if line.estimated is None and not line.actual:
            continue  # neither known before nor used: tokens of a model that counts none
        expected, between = _cells(line.estimated)
        error = "" if line.error is None else f"{line.error:+.0%}"
        outside = "outside its range" if line.within is False else ""
        rows.append((line.name, _figure(line.actual), expected, between, error, outside))
    title = (
        "The usage report"
        if usage.stopped is None
        else f"The usage report (stopped: {usage.stopped}; all the work was estimated)"
    )
    _print(title, ("", "used", "estimated", "four cases in five", "error", ""), rows)


def tell_settings(config: RunConfig) -> None:
    """What the run goes by, in a few lines on stderr: all that differs from the defaults, by group."""
    if for_machines():
        return  # the line that the run has started has all of them
    public = config.public()
    groups: dict[Group, list[str]] = {}
    for field, setting in SETTINGS.items():
        if getattr(config, field) != setting.default:
            group = setting.option.group
            name = "" if setting.key == group.value.lower() else f"{setting.key} "
            groups.setdefault(group, []).append(_counted(field, public[field]) or name + _shown(public[field]))
    for group, parts in groups.items():
        log_info(f"  {group.value.lower()}: {'; '.join(parts)}", "settings")
    log_info("  all else is as by default: folioscope read --help lists it", "settings")


def _counted(field: str, value: object) -> str | None:
    """Settings that are counted, not listed."""
    if field == "questions" and isinstance(value, list):
        return counted(len(value), "question")
    if field == "passwords" and isinstance(value, int):
        return counted(value, "password")
    return None


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _cells(span: Interval | None) -> tuple[str, str]:
    if span is None:
        return "unknown", ""
    return _figure(span.expected), "" if span.exact else f"{_figure(span.low)} to {_figure(span.high)}"


def _figure(value: float) -> str:
    """Three digits of what is small, all of what is large."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _print(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    if not sys.stdout.isatty():
        click.echo(f"{title}:")
        for row in rows:
            cells = (f"{name} {cell}" if name else cell for name, cell in zip(header, row, strict=True) if cell)
            click.echo("  " + "; ".join(cells))
        return
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number in (0, len(header) - 1) else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
