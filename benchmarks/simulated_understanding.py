"""A replica actor whose device is simulated as an H200: stage, replica and tasks are real, the device's time is slept.

Apart from the benchmark that uses it and without torch, so that several fit a small machine. How long a step takes was
measured on one H200 (docs/kimi-vl.md), up to 256 sequences at once; between the measured numbers it is interpolated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np

from folioscope.model.dialects.kimi_vl import KimiVlDialect
from folioscope.model.engine.fake_engine import FakeEngine, FakeLimits, Timing
from folioscope.model.engine.interface import Completion, Picture, Request
from folioscope.model.kimi import prompts
from folioscope.model.kimi.conversation import Item, Prompt, Shared
from folioscope.model.kimi.replica import KimiReplica
from folioscope.model.kimi.variants import INSTRUCT
from folioscope.pipeline.stages import replica as stage
from folioscope.pipeline.stages.replica import ReplicaActor, ReplicaJob

DECODE_MS: Final = {1: 6.6, 16: 12.8, 64: 15.6, 128: 16.7, 256: 19.3}  # a step, by the sequences that write
PREFILL_TOKENS_A_SECOND: Final = 61_100
VISION_MS_A_PATCH: Final = 14.3 / 4212
LAUNCHES_MS: Final = 22.0  # of a step that reads prompts, which is no CUDA graph
CONTEXT_TOKENS: Final = 131_072
QUOTE: Final = "The outer harbour"
MEDIA_ID, SUMMARIZE_ID, ANSWER_ID = 1, 2, 3
SUMMARY_BEGINS, ANSWER_BEGINS = 10_000, 20_000  # the ids that a summary and an answer begin with
SUMMARY: Final = json.dumps(
    {"summary": "A survey.", "key_points": [{"text": "A point.", "page": page, "quote": QUOTE} for page in (1, 2, 3)]}
)
ANSWER: Final = json.dumps({"answerable": True, "answer": "The harbour.", "page": 1, "quote": QUOTE})


@dataclass(frozen=True, slots=True)
class H200(Timing):
    """Seconds as measured, so many times as long."""

    stretch: float = 1.0

    def of_step(self, patches: int, prompt_tokens: int, sequences: int, context: int) -> float:
        milliseconds = patches * VISION_MS_A_PATCH + 1000 * prompt_tokens / PREFILL_TOKENS_A_SECOND
        milliseconds += LAUNCHES_MS if prompt_tokens else 0.0
        if sequences:
            milliseconds += float(np.interp(sequences, list(DECODE_MS), list(DECODE_MS.values())))
        return self.stretch * milliseconds / 1000


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of what is asked and written, and how long a page takes the host to cut into patches."""

    rows: int
    columns: int
    prompt_tokens: int
    summary: tuple[int, int]
    answer: tuple[int, int]
    prepare_seconds: float

    @property
    def picture(self) -> Picture:
        """Patches that take no memory: there is no device to read them."""
        nothing = np.broadcast_to(np.float32(0), (self.rows * self.columns, 3, 14, 14))
        return Picture(nothing, self.rows, self.columns)

    def script(self, request: Request) -> range:
        """As many tokens as the summary or answer happens to hold; the request's number decides."""
        number = int(request.key.rpartition("-")[2])
        is_summary = request.ids[-1] == SUMMARIZE_ID
        fewest, most = self.summary if is_summary else self.answer
        begin = SUMMARY_BEGINS if is_summary else ANSWER_BEGINS
        return range(begin, begin + int(np.random.default_rng(number).integers(fewest, most + 1)))


@dataclass(frozen=True, slots=True)
class Simulation:
    """One replica. ``stretch`` slows its device and its preparing alike; each writes a log into ``log_folder``."""

    job: ReplicaJob
    lengths: Lengths
    limits: FakeLimits
    stretch: float
    log_folder: str


class UnderstandingActor(ReplicaActor):
    """The replica actor as it is, given a replica of a simulated device to load."""

    def __init__(self, simulation: Simulation) -> None:
        vars(stage)["load_replica"] = lambda choice: replica_of(simulation)
        super().__init__(simulation.job)


def replica_of(simulation: Simulation) -> KimiReplica:
    conversation = SimulatedConversation(simulation.lengths, simulation.stretch)
    return KimiReplica(_LoggedEngine(simulation), conversation, KimiVlDialect(), INSTRUCT, CONTEXT_TOKENS)


class SimulatedConversation:
    """Prompts of the right size, made in the right time; answers of the right form."""

    stop_ids: frozenset[int] = frozenset({0})
    decode = None

    def __init__(self, lengths: Lengths, stretch: float) -> None:
        self._lengths = lengths
        self._seconds = stretch * lengths.prepare_seconds

    def share(self, items: Sequence[Item]) -> Shared:
        pictures = sum(not isinstance(item, str) for item in items)
        time.sleep(pictures * self._seconds)
        return Shared(tuple(item if isinstance(item, str) else self._lengths.picture for item in items))

    def image_tokens(self, width: int, height: int) -> int:
        return self._lengths.picture.tokens

    def text_tokens(self, text: str) -> int:
        return len(text) // 4

    def prompt(self, shared: Shared, text: str, *exchanges: str) -> Prompt:
        tokens = sum(picture.tokens for picture in shared.pictures)
        task = SUMMARIZE_ID if text.startswith(prompts.SUMMARIZE) else ANSWER_ID
        ids = (MEDIA_ID,) * tokens + (task,) * self._lengths.prompt_tokens
        return Prompt(ids, shared.pictures, tokens)

    def answer(self, completion: Completion) -> tuple[str, str | None]:
        return SUMMARY if completion.ids[0] == SUMMARY_BEGINS else ANSWER, None


class _LoggedEngine(FakeEngine):
    """Writes a line a step: when it began and ended, its busy seconds so far, and how many requests are still here."""

    def __init__(self, simulation: Simulation) -> None:
        super().__init__(simulation.lengths.script, H200(stretch=simulation.stretch), simulation.limits)
        self._log = (Path(simulation.log_folder) / f"{uuid4().hex}.log").open("a", buffering=1)

    def step(self) -> list[Completion]:
        begun = time.time()
        completions = super().step()
        counters = self.counters
        self._log.write(f"{begun} {time.time()} {counters.busy_seconds} {counters.steps} {self.unfinished}\n")
        return completions
