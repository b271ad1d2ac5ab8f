"""Budgets: replica hours, cost and a deadline, past which a run takes up nothing more and publishes what it has.

The driver adds up what replicas report and watches the clock. When a limit is reached it puts up a sign in the work
area; actors look for it before each unit, finish and commit what they hold, and hand the rest back as postponed. So a
run oversteps its budget by the units in hand, at most those of one block a replica. Costs one look-up a unit, and none
where no limit is given.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pipeline.stages.results import UnitResult
from pipeline.work import WorkArea

RETRY_SECONDS = 5.0


class StopReason(StrEnum):
    """Why a run stopped before its work was done; the ``reason`` of files that are left pending."""

    BUDGET_SPENT = "budget_spent"
    DEADLINE_PASSED = "deadline_passed"


@dataclass(frozen=True, slots=True)
class StopSign:
    """Tells the actors of one run to take up nothing more. Pickles: it goes to every actor."""

    work: WorkArea
    run_id: str

    @property
    def _path(self) -> str:
        return f"{self.work.root}/stop/{self.run_id}"

    def put_up(self) -> None:
        """Raises OSError where the output cannot be written."""
        self.work.store.write(self._path, b"", sync=False)

    def is_up(self) -> bool:
        """Raises OSError where the output does not answer."""
        return self.work.store.exists(self._path)


class Budget:
    """What one run may use. As a context manager it watches the deadline; ``spend`` takes in what has been used."""

    def __init__(
        self, work: WorkArea, run_id: str, *, replica_seconds: float | None = None, deadline: datetime | None = None
    ) -> None:
        self._allowed = replica_seconds
        self._deadline = deadline
        self._spent = 0.0
        self._timer: threading.Timer | None = None
        self.sign = StopSign(work, run_id) if replica_seconds is not None or deadline is not None else None
        self.stopped: StopReason | None = None

    def __enter__(self) -> Budget:
        if self._deadline is not None:
            left = (self._deadline - datetime.now(UTC)).total_seconds()
            if left <= 0:
                self.stopped = StopReason.DEADLINE_PASSED
            else:
                self._arm(left)
        return self

    def __exit__(self, *error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def spend(self, result: UnitResult) -> None:
        """Take in a unit's result.

        Raises:
            OSError: the limit is reached and the output cannot be written.
        """
        self._spent += result.busy_seconds + result.idle_seconds
        if self._allowed is not None and self._spent >= self._allowed and self.stopped is None:
            self.stopped = StopReason.BUDGET_SPENT
            self._put_up()

    def _arm(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._pass_deadline)
        self._timer.daemon = True
        self._timer.start()

    def _pass_deadline(self) -> None:
        self.stopped = self.stopped or StopReason.DEADLINE_PASSED
        try:
            self._put_up()
        except OSError:  # the output does not answer: the actors are told as soon as it does
            self._arm(RETRY_SECONDS)

    def _put_up(self) -> None:
        if self.sign is not None:
            self.sign.put_up()
