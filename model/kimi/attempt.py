"""What a page and a shot have in common while they are being read: tries, and how the model is asked about them.

Loads no torch: prompts are made by the conversation that it is given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from model.engine.interface import Completion, Sampling
from model.kimi.description import HOTTER
from model.protocol import Reading

if TYPE_CHECKING:
    from model.kimi.conversation import Conversation, Prompt  # with it comes torch, which a reader does not need


class Attempt(ABC):
    """How one page or shot stands. ``in_flight`` times as many of its kind as the engine serves may be with it."""

    in_flight: ClassVar[float]

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self.loops = 0
        self.error: Exception | None = None
        self.input_tokens = 0
        self.output_tokens = 0
        self.done = False

    @abstractmethod
    def prompt(self, conversation: Conversation) -> Prompt | None:
        """What to ask now; None where there is nothing to be seen. Raises ``ImageInputError``. Called by a thread."""

    @abstractmethod
    def again(self, completion: Completion, conversation: Conversation) -> bool:
        """Take a completion; True where it is to be asked about once more."""

    @abstractmethod
    def reading(self, conversation: Conversation, seconds: float) -> Reading | Exception:
        """What came of it, once nothing more is to be asked and there was no error."""

    def end(self) -> None:
        """Nothing more is to be asked. Pixels are let go: what is done may have to wait long for what came before."""
        self.done = True

    def hotter(self, completion: Completion) -> bool:
        """True where the completion loops and another, hotter try is left; the sampling is then that one's."""
        if completion.finish_reason != "loop" or self.loops >= len(HOTTER):
            return False
        self.sampling = replace(self.sampling, temperature=HOTTER[self.loops], seed=self.loops + 1)
        self.loops += 1
        return True
