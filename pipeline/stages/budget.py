"""Budgets: replica hours, cost and a deadline, past which a run takes up nothing more and publishes what it has.

The driver adds up what replicas report and watches the clock. When a limit is reached it sets a stop signal in the work
area; actors look for it before each unit, finish and commit what they hold, and hand the rest back as deferred. So a
run oversteps its budget by the units in hand: those of one small block a replica, or of a few where its model works on
many pages at once. Costs one look-up a unit, and none where no limit is given. An actor whose model cannot read
(``canary.py``) may set the same signal.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from folioscope.pipeline.prices import Allowance
from folioscope.pipeline.stages.results import UnitResult
from folioscope.pipeline.storage.store import OutputError, OutputStore
from folioscope.pipeline.tables.work import WORK

RETRY_SECONDS = 5.0


class StopReason(StrEnum):
    """Why a run stopped before its work was done; the ``reason`` of files that are left pending."""

    BUDGET_SPENT = "budget_spent"
    DEADLINE_PASSED = "deadline_passed"
    CANARY_FAILED = "canary_failed"


@dataclass(frozen=True, slots=True)
class StopSignal:
    """Tells the actors of one run to take up nothing more. Pickles: it goes to every actor."""

    store: OutputStore
    run_id: str

    @property
    def _path(self) -> str:
        return f"{WORK}/stop/{self.run_id}"

    def set(self) -> None:
        """Raises OSError where the output cannot be written."""
        self.store.write(self._path, b"1", sync=False)

    def is_set(self) -> bool:
        """Raises OSError where the output does not answer."""
        return self.store.exists(self._path)

    def clear(self) -> None:
        self.store.delete([self._path])


class Budget:
    """What one run may use. As a context manager it watches the deadline; ``spend`` takes in what has been used."""

    def __init__(self, store: OutputStore, run_id: str, allowance: Allowance, *, by_actors: bool = False) -> None:
        """``by_actors``: an actor may set the signal itself."""
        self._allowance = allowance
        self._spent = UnitResult()
        self._timer: threading.Timer | None = None
        self.signal = StopSignal(store, run_id) if allowance.is_limited or by_actors else None
        self.stopped: StopReason | None = None

    def __enter__(self) -> Budget:
        if self._allowance.deadline is not None:
            left = (self._allowance.deadline - datetime.now(UTC)).total_seconds()
            if left <= 0:
                self.stopped = StopReason.DEADLINE_PASSED
            else:
                self._arm(left)
        return self

    def __exit__(self, *error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.stopped is not None and self.signal is not None:
            with suppress(OutputError):  # a signal of a run that is over stops nobody
                self.signal.clear()

    def spend(self, result: UnitResult) -> None:
        """Take in a unit's result.

        Raises:
            OSError: the limit is reached and the output cannot be written.
        """
        spent = self._spent
        spent.add(result)
        if result.deferred and self.stopped is None:
            self.stopped = StopReason.CANARY_FAILED  # nobody else sets the signal without our knowing
        seconds = spent.busy_seconds + spent.idle_seconds
        if self.stopped is None and self._allowance.is_spent(seconds, spent.input_tokens, spent.output_tokens):
            self.stopped = StopReason.BUDGET_SPENT
            self._signal_stop()

    def _arm(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._pass_deadline)
        self._timer.daemon = True
        self._timer.start()

    def _pass_deadline(self) -> None:
        self.stopped = self.stopped or StopReason.DEADLINE_PASSED
        try:
            self._signal_stop()
        except OSError:  # the output does not answer: the actors are told as soon as it does
            self._arm(RETRY_SECONDS)

    def _signal_stop(self) -> None:
        if self.signal is not None:
            self.signal.set()
