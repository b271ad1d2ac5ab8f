"""Asking a model for a form: what is asked, which parts of a long document it is asked about, and one repair.

A task is a generator: it yields what is to be asked, is sent the completion, and returns its result. So the requests
of many tasks and assets can be with the engine at the same time, and each task still reads from top to bottom.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from folioscope.model.engine.interface import Completion, Sampling
from folioscope.model.kimi.conversation import Conversation, Item
from folioscope.model.kimi.prompts import REPAIR, SHORTER
from folioscope.model.kimi.structured import FormError
from folioscope.model.protocol import Answer, Summary, Usage
from folioscope.model.words import tokens as words_of

FRAME_TOKENS = 512  # chat layout, task and question beside what is shared
SEGMENTS_SHOWN = 16  # of a document beyond the context, to a question
Form = TypeVar("Form")
Result = TypeVar("Result")


class FormNeverMetError(RuntimeError):
    """The model did not give the form asked for, not even when told what was wrong."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``context_tokens`` is what one request may hold, prompt and answer."""

    context_tokens: int
    summary: Sampling
    answer: Sampling

    def room(self, sampling: Sampling) -> int:
        """Tokens for what is shared, beside the question and its answer."""
        return self.context_tokens - FRAME_TOKENS - sampling.max_new_tokens


@dataclass(frozen=True, slots=True)
class Asked(Generic[Form]):
    """What is asked about the segments at some places of an asset, or about a text of its own where there are none.

    ``parse`` makes the form of the answer or raises ``FormError``; ``schema`` is its JSON schema.
    """

    places: tuple[int, ...]
    text: str
    sampling: Sampling
    parse: Callable[[str], Form]
    schema: str
    exchanges: tuple[str, ...] = ()


Steps = Generator["Asked[Any]", Completion, Result]


class Segments(Protocol):
    """What of an asset can be shown: ``numbers`` name the segments, and ``items`` are what is shown of one."""

    @property
    def asset_id(self) -> str: ...

    @property
    def shows_pictures(self) -> bool: ...

    @property
    def numbers(self) -> tuple[int, ...]: ...

    def items(self, place: int) -> Iterator[Item]:
        """Called by threads. May raise what getting a picture raises."""


class Inquiry(Protocol):
    """All that one asset is asked."""

    @property
    def segments(self) -> Segments: ...

    def prepare(self) -> None:
        """Decide what each task looks at; called once, by a thread. What it raises, each of the tasks fails of."""

    def steps(self) -> Sequence[Steps[Summary | Answer]]:
        """The summary, where one is wanted, and the answers, in order; after ``prepare``."""


@dataclass(slots=True)
class Spent:
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, completion: Completion) -> None:
        self.input_tokens += completion.computed_tokens
        self.output_tokens += completion.output_tokens

    def usage(self) -> Usage:
        """Seconds are those of the replica, which tells them once the asset is done."""
        return Usage(self.input_tokens, self.output_tokens)


@dataclass(frozen=True, slots=True)
class Formed(Generic[Form]):
    form: Form
    thoughts: str | None
    completion: Completion


def formed(conversation: Conversation, spent: Spent, asked: Asked[Form]) -> Steps[Formed[Form]]:
    """Ask for a form. Told what is wrong, the model may repair it once; one that ran out of tokens is made shorter.

    Raises :class:`FormNeverMetError`, ``TruncatedThoughtError``, and what a request failed of.
    """
    completion = yield from _completed(spent, asked)
    said, thoughts = conversation.answer(completion)
    try:
        return Formed(asked.parse(said), thoughts, completion)
    except FormError as error:
        problem = str(error)
    if completion.finish_reason == "length":
        again = replace(asked, text=f"{SHORTER}{asked.text}")
    else:
        again = replace(asked, exchanges=(*asked.exchanges, said, REPAIR.format(problem=problem)))
    repaired = yield from _completed(spent, again)
    said, _ = conversation.answer(repaired)
    try:
        return Formed(asked.parse(said), thoughts, completion)
    except FormError as error:
        raise FormNeverMetError(f"the model's answer is not of the form asked for, twice: {error}") from error


def _completed(spent: Spent, asked: Asked[Form]) -> Steps[Completion]:
    completion = yield asked
    spent.add(completion)
    if completion.error is not None:
        raise completion.error
    return completion


class Nearest:
    """Texts by their nearness to a question."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = len(texts)
        import bm25s  # not before the engine is made: it loads numba, over which vLLM 0.32 stumbles on the CPU

        self._index = bm25s.BM25()
        self._index.index([words_of(text) or ["\0"] for text in texts], show_progress=False)

    def order(self, question: str) -> list[int]:
        """Places of the texts, the nearest first."""
        known = [word for word in words_of(question) if word in self._index.vocab_dict]
        if not known:
            return list(range(self._count))
        return [int(place) for place in np.argsort(-self._index.get_scores(known), kind="stable")]


def fitting(costs: Sequence[int], order: Sequence[int], room: int, *, in_order: bool = False) -> list[int]:
    """The first places of ``order``, as many as fit into ``room`` tokens, sorted; one at least.

    ``in_order`` ends at the first that does not fit; else smaller ones after it may still come in.
    """
    chosen: list[int] = []
    for place in order:
        room -= costs[place]
        if chosen and room < 0:
            if in_order:
                break
            room += costs[place]
            continue
        chosen.append(place)
    return sorted(chosen)


def parts(costs: Sequence[int], room: int) -> list[list[int]]:
    """All places in runs that fit one request each, in order; one run where everything fits."""
    found: list[list[int]] = []
    rest = list(range(len(costs)))
    while rest:
        found.append(fitting(costs, rest, room, in_order=True))
        rest = rest[len(found[-1]) :]
    return found
