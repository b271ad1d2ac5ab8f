"""What a page and a shot have in common while they are being read: tries, and how the model is asked about them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from folioscope.model.engine.interface import Completion, Sampling
from folioscope.model.kimi.conversation import Conversation, Item
from folioscope.model.kimi.description import HOTTER
from folioscope.model.protocol import Reading


@dataclass(frozen=True, eq=False, slots=True)
class Ask:
    """One question about a page or shot.

    ``items`` gives what is shown, text and pictures, when a thread has time to make them; nothing where there is
    nothing to be seen. ``region`` is the number of the part of the page that it is about.
    """

    items: Callable[[], Sequence[Item]]
    text: str
    sampling: Sampling
    exchanges: tuple[str, ...] = ()
    region: int | None = None


class Attempt(ABC):
    """How one page or shot stands. ``in_flight`` times as many of its kind as the engine serves may be with it."""

    in_flight: ClassVar[float]

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self.loops = 0
        self.error: Exception | None = None
        self.input_tokens = 0
        self.output_tokens = 0
        self.outstanding = 0
        self.done = False

    @abstractmethod
    def first(self) -> Ask:
        """What to ask first."""

    @abstractmethod
    def take(self, ask: Ask, completion: Completion, conversation: Conversation) -> Sequence[Ask]:
        """Take a completion; what to ask next, if anything."""

    @abstractmethod
    def reading(self, conversation: Conversation, seconds: float) -> Reading | Exception:
        """What came of it, once nothing more is to be asked and there was no error."""

    def end(self) -> None:
        """Nothing more is to be asked. Pixels are let go: what is done may have to wait long for what came before."""
        self.done = True

    def count(self, completion: Completion) -> None:
        self.input_tokens += completion.computed_tokens
        self.output_tokens += completion.output_tokens

    def hotter(self) -> bool:
        """After a loop: True where another, hotter try is left; the sampling is then that one's."""
        if self.loops >= len(HOTTER):
            return False
        self.sampling = replace(self.sampling, temperature=HOTTER[self.loops], seed=self.loops + 1)
        self.loops += 1
        return True
