"""The plan and the bill as a person reads them: tables on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import typer
from rich.console import Console
from rich.table import Table

from pipeline.bill import Bill
from pipeline.estimate import Estimate
from pipeline.spans import Span

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
        typer.echo("nothing to be done")
        return
    hours = estimate.replica_seconds * (1 / 3600) if estimate.replica_seconds else None
    known = f"{estimate.known_pages:,} of them counted"
    work = [
        ("pages and shots", *_cells(estimate.pages), known),
        ("summaries", *_cells(Span.exactly(estimate.summaries)), ""),
        ("answers", *_cells(Span.exactly(estimate.answers)), ""),
        ("input tokens", *_cells(estimate.input_tokens), ""),
        ("output tokens", *_cells(estimate.output_tokens), ""),
        ("replica hours", *_cells(hours), "busy and idle, all replicas"),
        ("cost", *_cells(estimate.cost), "" if estimate.cost else "needs --price-per-replica-hour and a rate"),
    ]
    _print("Work to be done", ("", "expected", "four cases in five", ""), work)
    for note in estimate.notes:
        typer.echo(f"note: {note}")


def print_bill(bill: Bill) -> None:
    """What a run used, beside its estimate, on stdout."""
    rows = []
    for line in bill.lines():
        expected, between = _cells(line.estimated)
        error = "" if line.error is None else f"{line.error:+.0%}"
        outside = "outside its range" if line.within is False else ""
        rows.append((line.name, _figure(line.actual), expected, between, error, outside))
    title = (
        "The bill" if bill.stopped is None else f"The bill (stopped: {bill.stopped}; the estimate is of all the work)"
    )
    _print(title, ("", "used", "estimated", "four cases in five", "error", ""), rows)


def _cells(span: Span | None) -> tuple[str, str]:
    if span is None:
        return "unknown", ""
    return _figure(span.expected), "" if span.exact else f"{_figure(span.low)} to {_figure(span.high)}"


def _figure(value: float) -> str:
    """Three digits of what is small, all of what is large."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _print(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    if not sys.stdout.isatty():
        typer.echo(f"{title}:")
        for row in rows:
            cells = (f"{name} {cell}" if name else cell for name, cell in zip(header, row, strict=True) if cell)
            typer.echo("  " + "; ".join(cells))
        return
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number in (0, len(header) - 1) else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
