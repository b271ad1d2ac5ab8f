"""Tries the loaded model on pages of known text, before an actor takes work and every few minutes while it does.

A model that writes rubbish raises no error, and its rubbish looks like pages. So each actor reads two packaged pages
(``model/canary.py``) as it reads real ones. Where one comes back wrong, and again on a second try, the actor's process
ends; what it had not committed is not kept, and Ray starts another that loads the model anew. The third that is
stopped so stops the run: everyone hands back what is left, and what is committed is published. While pages are being
read the canary's go among them, so that the model never waits for it. Costs two small pages every few minutes.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime

from folioscope.model.canary import CanaryPage, canary_pages, character_error
from folioscope.model.protocol import Reading, Replica, UnavailableError
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.watchdog import deadline
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.rows import now
from folioscope.pipeline.tables.work import WORK
from folioscope.schemas.errors import FolioscopeError

EXIT_CODE = 71
MOST_STOPS = 3
TRIES = 2
RETRY_SECONDS = 30.0  # after a server could not be reached: that says nothing of its model
SHOWN = 80  # characters of what was read


@dataclass(frozen=True, slots=True)
class StoppedActor:
    """One actor that the canary stopped. ``committed_since``: of what it committed from then on nothing is known."""

    page: str
    error: float
    read: str
    committed_since: str | None
    stopped_at: str

    def told(self) -> str:
        since = f"; what it committed since {self.committed_since} is doubtful" if self.committed_since else ""
        return f"of page {self.page} it had {self.error:.0%} of the letters wrong ({self.read!r}){since}"


@dataclass(frozen=True, slots=True)
class StopRecords:
    """The actors of one run that were stopped, as they record it themselves in the work area."""

    store: OutputStore
    run_id: str

    @property
    def _folder(self) -> str:
        return f"{WORK}/canary/{self.run_id}"

    def add(self, stopped: StoppedActor) -> int:
        """Record one more and return how many there are now. Raises OSError."""
        number = len(self.names()) + 1
        while not self.store.create(f"{self._folder}/{number:06d}", json.dumps(asdict(stopped)).encode(), sync=False):
            number += 1
        return number

    def names(self) -> list[str]:
        return self.store.names(self._folder)

    def all(self) -> list[StoppedActor]:
        return [StoppedActor(**json.loads(self.store.read(name))) for name in self.names()]

    def clear(self) -> None:
        self.store.delete(self.names())


@dataclass(frozen=True, slots=True)
class CanaryJob:
    """How a run's models are tried: every so many ``minutes``, with at most ``limit`` of a page's letters wrong."""

    minutes: float
    limit: float
    seconds_per_read: float
    records: StopRecords
    stop: StopSignal


class DoubtfulReadingError(FolioscopeError):
    """A canary page among others came back wrong: it is tried again before anything else."""


class Canary:
    """Tries one actor's replica. ``job`` is None where it is not tried: then nothing is ever due."""

    def __init__(
        self, job: CanaryJob | None, replica: Replica | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._job = job
        self._replica = replica
        self._clock = clock
        self._due_at = math.inf if job is None else -math.inf
        self._passed_at: datetime | None = None
        self.reads = 0

    @classmethod
    def off(cls) -> Canary:
        """One that tries nobody."""
        return cls(None, None)

    @property
    def due(self) -> bool:
        return self._clock() >= self._due_at

    def check(self) -> None:
        """Where it is due, try the replica, which must be empty-handed; does not return where it fails."""
        if self._job is None or self._replica is None or not self.due or _is_stopping(self._job):
            return
        worst: tuple[float, CanaryPage, Reading | Exception] | None = None
        for _ in range(TRIES):
            with deadline(self._job.seconds_per_read * len(canary_pages()), "reading canary pages"):
                found = self._read(self._replica)
            if any(isinstance(reading, UnavailableError) for reading in found):
                self._due_at = self._clock() + RETRY_SECONDS
                return
            errors = [character_error(page, reading) for page, reading in zip(canary_pages(), found, strict=True)]
            place = max(range(len(errors)), key=errors.__getitem__)
            worst = errors[place], canary_pages()[place], found[place]
            if worst[0] <= self._job.limit:
                self._pass()
                return
        assert worst is not None
        self._stop(self._job, *worst)

    def hasten(self) -> None:
        """The replica stumbled with canary pages in its hands: it is to be tried before anything else."""
        self._due_at = -math.inf

    def pages(self) -> Sequence[CanaryPage]:
        """Where it is due, the pages to hand to the replica among others; ``take`` gets what it reads on them."""
        if self._job is None or not self.due:
            return ()
        self._due_at = self._clock() + 60 * self._job.minutes
        return canary_pages()

    def take(self, page: CanaryPage, found: Reading | Exception) -> None:
        """Raises :class:`DoubtfulReadingError`; ``check`` is due then."""
        if self._job is None:
            return
        self.reads += 1
        if isinstance(found, UnavailableError):
            self._due_at = self._clock() + RETRY_SECONDS
        elif character_error(page, found) > self._job.limit:
            self.hasten()
            raise DoubtfulReadingError(page.name)
        elif page is canary_pages()[-1]:
            self._passed_at = now()

    def _read(self, replica: Replica) -> list[Reading | Exception]:
        pages = canary_pages()
        self.reads += len(pages)
        try:
            return list(replica.read([page.page for page in pages]))
        except Exception as error:  # noqa: BLE001  a model that raises over plain print reads nothing else either
            return [error] * len(pages)

    def _pass(self) -> None:
        assert self._job is not None
        self._due_at = self._clock() + 60 * self._job.minutes
        self._passed_at = now()

    def _stop(self, job: CanaryJob, error: float, page: CanaryPage, found: Reading | Exception) -> None:
        """Record it, stop the run where it is the third, and end this process."""
        read = f"{type(found).__name__}: {found}" if isinstance(found, Exception) else " ".join(found.text.split())
        since = self._passed_at.isoformat() if self._passed_at else None
        stopped = StoppedActor(page.name, error, read[:SHOWN], since, now().isoformat())
        with suppress(OSError):  # the output does not answer: whoever commits tells of it; this actor ends all the same
            if job.records.add(stopped) >= MOST_STOPS:
                job.stop.set()
        end_process(f"folioscope: the canary stops this actor: {stopped.told()}; another takes its place\n")


def _is_stopping(job: CanaryJob) -> bool:
    try:
        return job.stop.is_set()
    except OSError:  # whoever needs the output tells of it
        return False


def end_process(last_words: str) -> None:
    """End this process at once, as a hang of the model would: Ray starts another."""
    sys.stderr.write(last_words)
    sys.stderr.flush()
    os._exit(EXIT_CODE)


def told(stopped: Sequence[StoppedActor]) -> str:
    """What to say at the end of a run that stopped actors."""
    if not stopped:
        return "three actors could not read a page of known text, and could not record it."
    last = stopped[-1]
    actors = "1 actor" if len(stopped) == 1 else f"{len(stopped)} actors"
    doubtful = [actor.committed_since for actor in stopped if actor.committed_since]
    since = f" Pages read from {min(doubtful)} on may be wrong: look at some of them." if doubtful else ""
    return f"{actors} could not read a page of known text: {last.told()}.{since}"
