"""Where summaries and answers stand on their way through the engine: assets, steps, and what steps look at together.

Plain state, changed by ``understanding.py`` alone. Costs nothing but the pictures that its parts hold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from folioscope.model.kimi.asking import Asked, Inquiry, Steps
from folioscope.model.kimi.conversation import Prompt, Shared
from folioscope.model.protocol import Answer, AssetTasks, Summary, Understanding

Result = Summary | Answer


@dataclass(slots=True)
class Part:
    """Segments that steps look at together; ``shared`` is made by a thread."""

    places: tuple[int, ...]
    key: str | None
    pictures: int
    shared: Future[Shared]
    users: int = 0


@dataclass(slots=True)
class Step:
    """One summary or answer. ``part`` is what it looks at now."""

    steps: Steps[Result]
    part: Part | None = None
    result: Result | Exception | None = None


@dataclass(slots=True)
class InFlightAsset:
    """An asset that is being worked on. ``steps`` are its summary, if one is wanted, and its answers, in order."""

    asked: AssetTasks
    inquiry: Inquiry
    prepared: Future[None]
    steps: list[Step] | None = None
    parts: dict[tuple[int, ...], Part] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.steps is not None and all(step.result is not None for step in self.steps)

    def understanding(self, seconds: float) -> Understanding:
        """What came of it. The replica's ``seconds`` since the last asset was done are shared out among its tasks."""
        results = [step.result for step in self.steps or ()]
        each = seconds / max(1, len(results))
        timed = [
            replace(result, usage=replace(result.usage, seconds=each))
            if isinstance(result, Summary | Answer)
            else result
            for result in results
        ]
        summary = timed.pop(0) if self.asked.summarize else None
        assert summary is None or isinstance(summary, Summary | Exception)
        answers = tuple(result for result in timed if isinstance(result, Answer | Exception))
        return Understanding(self.asked.asset.asset_id, summary, answers)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a step asks next."""

    asset: InFlightAsset
    step: Step
    asked: Asked[object]


@dataclass(slots=True)
class Flow:
    """One call: assets still to come, those being worked on, and where their requests are on the way to the engine."""

    coming: Iterator[AssetTasks | None]
    ended: bool = False
    open: list[InFlightAsset] = field(default_factory=list)
    wanted: deque[Wanted] = field(default_factory=deque)
    preparing: dict[Future[Prompt], Wanted] = field(default_factory=dict)
    asked: dict[str, Wanted] = field(default_factory=dict)

    @property
    def on_their_way(self) -> int:
        planned = sum(1 + len(asset.asked.questions) for asset in self.open if asset.steps is None)
        return planned + len(self.wanted) + len(self.preparing) + len(self.asked)

    @property
    def being_made(self) -> list[Future[Any]]:
        return [*(asset.prepared for asset in self.open if asset.steps is None), *self.preparing]

    @property
    def pictures(self) -> int:
        return sum(part.pictures for asset in self.open for part in asset.parts.values())
