"""A read actor whose device is simulated: the read stage and the reader are ours and real, the device's time is slept.

Apart from the benchmark that uses it and without torch, so that 64 fit a small machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import numpy as np

from folioscope.model.dialects.base import Transcript
from folioscope.model.dialects.markdown import MarkdownDialect
from folioscope.model.engine.fake_engine import FakeEngine, FakeLimits, Timing
from folioscope.model.engine.interface import Completion, Picture, Request, Sampling
from folioscope.model.kimi.reading import Reader
from folioscope.model.protocol import PageInput, Reading, SegmentInput
from folioscope.pipeline.stages import replica as stage
from folioscope.pipeline.stages.replica import ReplicaActor, ReplicaJob

MEDIA_ID = 1


@dataclass(frozen=True, slots=True)
class SimulatedPage:
    """What a page is to the replica. ``prepare_seconds`` are its CPU's, for cutting the picture into patches."""

    rows: int
    columns: int
    prompt_tokens: int
    fewest_tokens: int
    most_tokens: int
    prepare_seconds: float
    text: str

    @property
    def picture(self) -> Picture:
        """Patches that take no memory: there is no device to read them."""
        nothing = np.broadcast_to(np.float32(0), (self.rows * self.columns, 3, 14, 14))
        return Picture(nothing, self.rows, self.columns)

    @property
    def ids(self) -> tuple[int, ...]:
        return (MEDIA_ID,) * self.picture.tokens + (2,) * self.prompt_tokens

    def script(self, request: Request) -> range:
        """As many tokens as the page happens to hold; the request's number decides."""
        number = int(request.key.rpartition("-")[2])
        return range(2, 2 + int(np.random.default_rng(number).integers(self.fewest_tokens, self.most_tokens + 1)))


@dataclass(frozen=True, slots=True)
class Simulation:
    """One replica. ``stretch`` slows its device and its preparing alike; each writes a log into ``log_folder``."""

    job: ReplicaJob
    page: SimulatedPage
    timing: Timing
    limits: FakeLimits
    stretch: float
    log_folder: str


class SimulatedActor(ReplicaActor):
    """The replica actor as it is, given a simulated replica to load."""

    def __init__(self, simulation: Simulation) -> None:
        vars(stage)["load_replica"] = lambda choice: SimulatedReplica(simulation)
        super().__init__(simulation.job)


class _InEnglish(MarkdownDialect):
    """Says which language a page is in: the identifier takes 75 MB, which 64 actors on one machine would take each."""

    def parse(self, said: str, width: int, height: int) -> Transcript:
        return replace(super().parse(said, width, height), language="en")


class SimulatedReplica:
    """Reads as the Kimi-VL replica does, by its own reader."""

    def __init__(self, simulation: Simulation) -> None:
        page = simulation.page
        conversation = cast(Any, _Conversation(page, page.prepare_seconds * simulation.stretch))
        self._reader = Reader(_LoggedEngine(simulation), conversation, _InEnglish(), Sampling(4096))

    def read(self, pages: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        return self._reader.read(cast(Iterable[PageInput | None], pages))


@dataclass(frozen=True, slots=True)
class _Prompt:
    ids: tuple[int, ...]
    pictures: tuple[Picture, ...]
    turns: tuple[()] = ()


class _Conversation:
    """Stands for a Kimi-VL ``Conversation``: prompts of the right size, made in the right time."""

    stop_ids = frozenset({0})
    decode = None

    def __init__(self, page: SimulatedPage, seconds: float) -> None:
        self._text = page.text
        self._prompt = _Prompt(page.ids, (page.picture,))
        self._seconds = seconds

    def share(self, items: Sequence[object]) -> None:
        time.sleep(self._seconds)

    def prompt(self, shared: None, text: str) -> _Prompt:
        return self._prompt

    def answer(self, completion: Completion) -> tuple[str, None]:
        return self._text, None


class _LoggedEngine(FakeEngine):
    """Writes a line a step: when it ended, the device's busy seconds and tokens so far, and the requests still here."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation.page.script, simulation.timing.stretched(simulation.stretch), simulation.limits)
        self._log = (Path(simulation.log_folder) / f"{uuid4().hex}.log").open("a", buffering=1)

    def step(self) -> list[Completion]:
        completions = super().step()
        self._log.write(f"{time.time()} {self.counters.busy_seconds} {self.counters.output_tokens} {self.unfinished}\n")
        return completions
