"""Asking a model for a form: a prompt over what is shared, its completion, and one repair where the form is not met.

Also the order in which the parts of something too long for one request are asked: the nearest to the question first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from model.engine.interface import Completion, Engine, Request, Sampling, complete_in_order
from model.kimi.conversation import Conversation, Prompt, Shared
from model.kimi.prompts import REPAIR
from model.kimi.structured import FormError
from model.protocol import Usage
from model.words import tokens as words_of

FRAME_TOKENS = 512  # chat layout, task and question beside what is shared
Form = TypeVar("Form")


class FormNeverMetError(RuntimeError):
    """The model did not give the form asked for, not even when told what was wrong."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``context_tokens`` is what one request may hold, prompt and answer."""

    context_tokens: int
    summary: Sampling
    answer: Sampling


@dataclass(slots=True)
class Spent:
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, completion: Completion) -> None:
        self.input_tokens += completion.computed_tokens
        self.output_tokens += len(completion.ids)

    def usage(self, seconds: float) -> Usage:
        return Usage(self.input_tokens, self.output_tokens, seconds)


@dataclass(frozen=True, slots=True)
class Asked(Generic[Form]):
    """What is asked, and how the answer is read. Requests of one ``key`` share what they begin with."""

    shared: Shared
    text: str
    sampling: Sampling
    key: str | None
    parse: Callable[[str], Form]


class Asker:
    def __init__(self, engine: Engine, conversation: Conversation) -> None:
        self._engine = engine
        self._conversation = conversation
        self._number = 0

    def complete(self, asked: Sequence[Asked[Form]]) -> list[Completion]:
        """One completion each, in order; they run beside one another."""
        requests = [self._request(self._conversation.prompt(one.shared, one.text), one) for one in asked]
        return complete_in_order(self._engine, requests)

    def form(self, asked: Asked[Form], spent: Spent) -> Form:
        """Raises :class:`FormNeverMetError`, ``TruncatedThoughtError``, ``RequestError``."""
        [completion] = self.complete([asked])
        return self.formed(asked, completion, spent)[0]

    def formed(self, asked: Asked[Form], completion: Completion, spent: Spent) -> tuple[Form, str | None]:
        """(form, thoughts) of a completion; told what is wrong, the model may repair it once. Raises as above."""
        spent.add(completion)
        said, thoughts = self._conversation.answer(completion)
        try:
            return asked.parse(said), thoughts
        except FormError as error:
            problem = str(error)
        prompt = self._conversation.prompt(asked.shared, asked.text, said, REPAIR.format(problem=problem))
        [repaired] = complete_in_order(self._engine, [self._request(prompt, asked)])
        spent.add(repaired)
        said, _ = self._conversation.answer(repaired)
        try:
            return asked.parse(said), thoughts
        except FormError as error:
            raise FormNeverMetError(f"the model's answer is not of the form asked for, twice: {error}") from error

    def _request(self, prompt: Prompt, asked: Asked[Form]) -> Request:
        self._number += 1
        return Request(
            f"understand-{self._number}",
            prompt.ids,
            asked.sampling,
            self._conversation.stop_ids,
            prompt.pictures,
            prefix_key=asked.key,
            prefix_tokens=prompt.shared if asked.key is not None else 0,
        )


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
