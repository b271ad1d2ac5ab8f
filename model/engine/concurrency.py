"""How many requests a server is given at once: as many as still make it faster, found by trying.

The limit grows step by step, each a window of completed requests. A step that brings a fifth of what it would bring on
an idle server is kept and the next one tried; one that does not has only made requests wait for each other, and is
taken back; smaller steps follow, then a while of rest before the next try. A refusal (429, or overloaded) says at once
how many the server takes: those that it has. Plain arithmetic, no clock of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

FIRST, MOST = 8, 1024
STEPS: Final = (2.0, 1.5, 1.25)  # how far the limit is raised; the next smaller one after a try that failed
GAIN: Final = 0.2  # of the gain that an idle server would give, at least
REST: Final = 12  # windows between two tries, once the last step has failed
LEAST_DONE, LEAST_SECONDS = 8, 0.25  # of a window
SATURATED: Final = 0.8  # share of a window's requests that must have ended with the limit reached


@dataclass(slots=True)
class _Window:
    begun: float
    done: int = 0
    work: float = 0.0
    saturated: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """A limit and the work a second that it brought."""

    limit: int
    rate: float


@dataclass(slots=True)
class ConcurrencyLimit:
    """``limit`` is how many requests may be in flight; ``in_flight`` how many are."""

    limit: int = FIRST
    most: int = MOST
    in_flight: int = 0
    _window: _Window | None = None
    _best: _Known | None = None
    _step: int = 0
    _rest: int = 0
    _refused: int | None = field(default=None)

    @property
    def has_room(self) -> bool:
        return self.in_flight < self.limit

    def begin(self, now: float) -> None:
        self.in_flight += 1
        if self._window is None:
            self._window = _Window(now)

    def end(self, now: float, work: float = 0.0) -> None:
        """A request has ended; ``work`` is what it brought, such as its tokens: 0 where it failed."""
        window = self._window
        saturated = self.in_flight >= self.limit
        self.in_flight -= 1
        if window is None or work <= 0:
            return
        window.done += 1
        window.work += work
        window.saturated += saturated
        if window.done >= max(LEAST_DONE, 2 * self.limit) and now - window.begun >= LEAST_SECONDS:
            self._window = _Window(now)
            if window.saturated >= SATURATED * window.done:
                self._judge(_Known(self.limit, window.work / (now - window.begun)))

    def refuse(self) -> None:
        """The server did not take a request, which has ended: it takes those that are in flight, and no more."""
        self.limit = max(1, min(self.limit, self.in_flight))
        self._refused = self.limit + 1
        self._best, self._window, self._step, self._rest = None, None, len(STEPS) - 1, REST

    def _judge(self, seen: _Known) -> None:
        best = self._best
        if best is None or seen.limit <= best.limit:
            self._best = seen if best is None else _Known(seen.limit, (best.rate + seen.rate) / 2)
            if self._rest > 0:
                self._rest -= 1
            else:
                self._raise()
        elif seen.rate / best.rate >= 1 + GAIN * (seen.limit / best.limit - 1):
            self._best = seen
            self._raise()
        else:
            self.limit = best.limit
            if self._step + 1 < len(STEPS):
                self._step += 1
                self._raise()
            else:
                self._rest = REST

    def _raise(self) -> None:
        if self._refused is not None:  # near where the server said no: one more, and see
            self.limit = min(self.most, self.limit + 1)
            self._rest = REST
        else:
            self.limit = min(self.most, max(self.limit + 1, round(self.limit * STEPS[self._step])))
