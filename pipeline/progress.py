"""One live line for whoever watches: a bar on a terminal, a plain line every ten seconds in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pipeline.stages.results import UnitResult

LOG_SECONDS = 10.0


def say(words: str) -> None:
    """Tell whoever watches something that is neither progress nor result."""
    sys.stderr.write(f"folioscope: {words}\n")
    sys.stderr.flush()


class StageProgress:
    """Progress of one stage over a known number of things (``files``, ``pages``, ``documents``)."""

    def __init__(self, stage: str, total: int, noun: str, stream: TextIO | None = None) -> None:
        self._stage = stage
        self._total = total
        self._noun = noun
        self._stream = stream or sys.stderr
        self._begun = time.monotonic()
        self._logged = self._begun
        self.total = UnitResult()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if self._stream.isatty():
            self._bar = Progress(
                TextColumn(f"{stage:<10}"),
                BarColumn(),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[noun]}"),
                TextColumn("{task.fields[rate]}"),
                TextColumn("{task.fields[failures]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(file=self._stream),
            )
            self._task = self._bar.add_task(stage, total=total, noun=noun, rate="", failures="")

    def __enter__(self) -> StageProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._total:
            self._log(time.monotonic())

    def add(self, result: UnitResult) -> None:
        """Take in one unit's result."""
        total = self.total
        total.add(result)
        present = time.monotonic()
        if self._bar is not None and self._task is not None:
            failures = f"{total.failed} failed" if total.failed else ""
            self._bar.update(
                self._task, completed=total.done + total.failed, rate=self._rate(present), failures=failures
            )
        elif present - self._logged >= LOG_SECONDS:
            self._logged = present
            self._log(present)

    def _rate(self, present: float) -> str:
        settled = self.total.done + self.total.failed
        return f"{settled / max(present - self._begun, 1e-9):.1f} {self._noun}/s"

    def _log(self, present: float) -> None:
        settled = self.total.done + self.total.failed
        elapsed = present - self._begun
        left = f", {elapsed / settled * (self._total - settled):.0f} s left" if 0 < settled < self._total else ""
        counted = f"{settled:,}/{self._total:,} {self._noun}, {self._rate(present)}, {self.total.failed} failed"
        self._stream.write(f"{self._stage}: {counted}, {elapsed:.0f} s{left}\n")
        self._stream.flush()
