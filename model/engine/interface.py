"""What an engine is: requests go in, completions come out as they finish, in any order.

Plain dataclasses without a trace of a model library, so that every engine takes the same requests. A request holds its
prompt as token ids (engines of this process) or as turns of a chat (servers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

EngineName = Literal["auto", "torch", "vllm", "openai"]
FinishReason = Literal["stop", "length", "loop", "failed"]
Role = Literal["user", "assistant"]
Decode = Callable[[Sequence[int]], str]
Patches = NDArray[np.float32]


class RequestError(ValueError):
    """A request that this engine could never serve. The message says which limit it passes and what to change."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a prompt: patches (rows * columns, 3, 14, 14) as the image processor makes them, and their grid.

    ``image`` (height, width, 3) is what they were cut from, for engines that cut patches themselves.
    """

    patches: Patches
    rows: int
    columns: int
    image: NDArray[np.uint8] | None = None

    @property
    def tokens(self) -> int:
        """Places in the prompt that the image takes."""
        return self.rows * self.columns // 4

    def seen(self) -> Picture:
        """The same without its pixels, once they are no longer needed: they take some 16 MB a page."""
        return replace(self, patches=self.patches[:0].copy(), image=None)


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """A picture as a ``data:`` URL, which servers take."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a chat: texts and pictures, in order."""

    role: Role
    items: tuple[str | EncodedImage, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """Temperature 0 is greedy. With a temperature, ``seed`` alone decides the draws, whatever else is running."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt to complete.

    ``ids`` holds each image's token as often as the image has tokens. Requests that give the same ``prefix_key`` begin
    with the same ``prefix_tokens`` tokens and images: an engine that can computes those once. ``stop_on_loop`` ends a
    completion that repeats itself; ``decode`` lets the engine tell repeated words from empty rows of a table.
    ``schema`` is the JSON schema of the answer, which engines that can enforce it do. Servers are sent ``turns``, and
    leave special tokens out of their answers unless told to keep them.
    """

    key: str
    ids: tuple[int, ...]
    sampling: Sampling
    stop_ids: frozenset[int]
    pictures: tuple[Picture, ...] = ()
    prefix_key: str | None = None
    prefix_tokens: int = 0
    stop_on_loop: bool = True
    turns: tuple[Turn, ...] = ()
    schema: str | None = None
    keep_special_tokens: bool = False
    decode: Decode | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """``ids`` without the id that ended it; after a loop, without the repetitions.

    ``computed_tokens`` of the prompt were computed for this request alone, the others came with a shared prefix.
    ``mean_logprob`` is over the ids the model chose, ``min_logprob`` that of the least sure one, None where a server
    does not tell it. ``saved_tokens`` were still allowed when a loop was cut. Servers give ``text``, and ``thoughts``
    apart where they do so, instead of ids; ``tokens`` is then their count of what was written. ``error`` is why a
    request failed by itself.
    """

    key: str
    ids: tuple[int, ...]
    finish_reason: FinishReason
    computed_tokens: int
    mean_logprob: float | None
    saved_tokens: int = 0
    text: str | None = None
    thoughts: str | None = None
    tokens: int | None = None
    error: Exception | None = None
    min_logprob: float | None = None

    @property
    def output_tokens(self) -> int:
        return len(self.ids) if self.tokens is None else self.tokens


@dataclass(slots=True)
class Counters:
    """What an engine has done since it was made. Seconds are those in which it had work."""

    requests: int = 0
    images_encoded: int = 0
    patches_encoded: int = 0
    prompt_tokens_computed: int = 0
    prompt_tokens_shared: int = 0
    output_tokens: int = 0
    loops_cut: int = 0
    tokens_saved: int = 0
    steps: int = 0
    busy_seconds: float = 0.0
    most_sequences: int = 0
    preemptions: int = 0


class Engine(Protocol):
    counters: Counters

    @property
    def most_sequences(self) -> int:
        """Requests that it serves at once; with more than these queued it never waits for one."""

    def submit(self, request: Request) -> None:
        """Queue a request. Raises :class:`RequestError` for one that could never fit."""

    def step(self) -> list[Completion]:
        """Do some work and return what it finished; [] where nothing is queued."""

    @property
    def unfinished(self) -> int:
        """Requests queued or running."""

    def clear(self) -> None:
        """Drop every request, as after an error or a deadline in the middle of a step."""

    def forget(self, prefix_key: str) -> None:
        """No further request will share this prefix: what is held for it can go once its last user is done."""


def run_all(engine: Engine, requests: Sequence[Request]) -> Iterator[Completion]:
    """Submit the requests and give their completions as they finish. Where that ends early, the engine is cleared."""
    with clearing(engine):
        for request in requests:
            engine.submit(request)
        while engine.unfinished:
            yield from engine.step()


@contextmanager
def clearing(engine: Engine) -> Iterator[None]:
    """Leaves no request behind in the engine, however the block ends: the next caller must not get its answers."""
    try:
        yield
    finally:
        if engine.unfinished:
            engine.clear()


def complete_in_order(engine: Engine, requests: Sequence[Request]) -> list[Completion]:
    """The completions in the order of their requests, whose keys must differ."""
    found = {completion.key: completion for completion in run_all(engine, requests)}
    return [found[request.key] for request in requests]
