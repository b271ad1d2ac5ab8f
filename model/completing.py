"""Plain prompts for replicas that take them: texts and pictures in, text out, with no task, form or dialect of ours.

Benchmarks bring prompts of their own, and judge models are asked so. Replicas that only read and answer (the embedded
one) do not have this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from folioscope.model.protocol import RgbImage, Usage


@dataclass(frozen=True, slots=True)
class ModelPrompt:
    """One user's turn: texts and pictures, in order. ``key`` comes back with the reply."""

    key: str
    items: tuple[str | RgbImage, ...]
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class ModelReply:
    """``text`` without thoughts; None where ``error`` says why there is none."""

    key: str
    text: str | None
    error: Exception | None = None
    thoughts: str | None = None
    usage: Usage = field(default_factory=Usage)


@runtime_checkable
class Completing(Protocol):
    def complete(self, prompts: Iterable[ModelPrompt | None]) -> Iterator[ModelReply]:
        """One reply a prompt, as they are done, in any order.

        Takes prompts as it has room for them. None says that the next is not ready yet, and comes only while replies
        are owed: go on with those.
        """
