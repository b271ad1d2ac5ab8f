"""How a stage gets on: a live view on a terminal, a line every ten seconds in a log.

The view shows how far the stage is, how fast it goes, what failed, how busy the replicas are, what they have cost and
how long it will take. Costs a few microseconds a unit; the terminal is drawn ten times a second at most.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from folioscope.pipeline.logs import for_machines, log_info
from folioscope.pipeline.stages.results import UnitResult

LOG_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class StageStatus:
    """Where a stage stands. ``busy_share`` is of the replicas' time so far; ``cost`` None where no price was given."""

    stage: str
    noun: str
    settled: int
    total: int
    failed: int
    seconds: float
    per_second: float
    seconds_left: float | None
    replicas: int
    busy_share: float | None
    input_tokens: int
    output_tokens: int
    cost: float | None

    def details(self) -> str:
        """All but the bar, in words."""
        busy = None if self.busy_share is None else f"replicas {self.busy_share:.0%} busy of {self.replicas}"
        parts = (
            f"{self.per_second:.1f} {self.noun}/s",
            f"{self.failed:,} failed",
            busy,
            f"{self.output_tokens / max(self.seconds, 1e-9):,.0f} tokens/s" if self.output_tokens else None,
            None if self.cost is None else f"cost {self.cost:,.2f}",
            _clock(self.seconds),
            None if self.seconds_left is None else f"{_clock(self.seconds_left)} left",
        )
        return ", ".join(part for part in parts if part)


class StageProgress:
    """Progress of one stage over a known number of things (``files``, ``pages``, ``tasks``)."""

    def __init__(
        self,
        stage: str,
        total: int,
        noun: str,
        *,
        replicas: int = 1,
        price_per_hour: float | None = None,
        console: Console | None = None,
    ) -> None:
        self._stage = stage
        self._total = total
        self._noun = noun
        self._replicas = replicas
        self._price = price_per_hour
        self._begun = time.monotonic()
        self._logged = self._begun
        self._told: int | None = None
        self.total = UnitResult()
        console = console or Console(stderr=True)
        self._console = console if console.is_terminal and not for_machines() else None
        self._view: _View | None = None

    def __enter__(self) -> StageProgress:
        """Show it from now on, in the place of another that is shown."""
        self._begun = time.monotonic()
        if self._console is not None:
            _close_shown()
            self._view = _View(self._console, self._stage, self._total)
            self._view.live.start()
            _SHOWN.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the last view standing; in a log, tell how it ended."""
        if self._view is not None:
            self._view.show(self.standing())
            self._view.live.stop()
            self._view = None
            _SHOWN.remove(self)
        elif self._console is None and self._total and self._told != self.total.done + self.total.failed:
            self._log()

    def add(self, result: UnitResult) -> None:
        """Take in one unit's result."""
        self.total.add(result)
        if self._view is not None:
            self._view.show(self.standing())
        elif self._console is None and time.monotonic() - self._logged >= LOG_SECONDS:
            self._log()

    def standing(self) -> StageStatus:
        total = self.total
        seconds = time.monotonic() - self._begun
        settled = total.done + total.failed
        held = total.busy_seconds + total.idle_seconds
        return StageStatus(
            stage=self._stage,
            noun=self._noun,
            settled=settled,
            total=self._total,
            failed=total.failed,
            seconds=round(seconds, 3),
            per_second=round(settled / max(seconds, 1e-9), 3),
            seconds_left=round(seconds / settled * (self._total - settled), 1) if 0 < settled < self._total else None,
            replicas=self._replicas,
            busy_share=round(total.busy_seconds / held, 3) if held > 0 else None,
            input_tokens=total.input_tokens,
            output_tokens=total.output_tokens,
            cost=None if self._price is None else round(held / 3600 * self._price, 4),
        )

    def _log(self) -> None:
        self._logged = time.monotonic()
        standing = self.standing()
        self._told = standing.settled
        counted = f"{standing.settled:,}/{standing.total:,} {standing.noun}"
        log_info(f"{standing.stage}: {counted}, {standing.details()}", "progress", **asdict(standing))


_SHOWN: list[StageProgress] = []  # on the terminal now: one at the most


def _close_shown() -> None:
    for progress in _SHOWN:
        progress.close()


class _View:
    """A bar with its details below."""

    def __init__(self, console: Console, stage: str, total: int) -> None:
        self._bar = Progress(
            TextColumn(f"{stage:<10}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            console=console,
            expand=True,
        )
        self._task: TaskID = self._bar.add_task(stage, total=total)
        self._details = Text(style="dim", overflow="ellipsis", no_wrap=True)
        self.live = Live(Group(self._bar, self._details), console=console, refresh_per_second=10)

    def show(self, standing: StageStatus) -> None:
        self._bar.update(self._task, completed=standing.settled)
        self._details.plain = f"{'':<11}{standing.details()}"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole / 3600:.1f} h"
