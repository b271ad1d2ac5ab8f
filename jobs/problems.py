"""How failures and skipped files are told: on stderr, a few lines for people or one JSON object a group."""

from __future__ import annotations

from dataclasses import asdict

from folioscope.pipeline.logs import for_machines, log_error, log_info
from folioscope.pipeline.tables.problems import FailedItem, FailureGroup, Problems, skipped_words


def tell_problems(problems: Problems) -> None:
    """Tell what failed and what was skipped, and why."""
    for group in problems.failures:
        log_error(_failures(group), "failures", **asdict(group))
    if problems.skipped:
        log_info(f"skipped: {skipped_words(problems.skipped)}", "skipped", groups=list(map(asdict, problems.skipped)))


def _failures(group: FailureGroup) -> str:
    head = f"{group.count:,} failed: {group.reason}. {group.meaning}"
    if for_machines():
        return head
    more = group.count - len(group.examples)
    lines = [head, *(f"    {_place(item)}" for item in group.examples)]
    return "\n".join([*lines, f"    and {more:,} more in the failures table"] if more > 0 else lines)


def _place(item: FailedItem) -> str:
    """The message, which mostly names its file already."""
    return item.message if item.uri in item.message else f"{item.uri}: {item.message}"
