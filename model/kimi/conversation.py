"""What lies between a replica and its engine: prompts from texts and pictures, and text from completions.

Two kinds: :mod:`folioscope.model.kimi.token_conversation` makes token ids for engines of this process, and
:mod:`folioscope.model.kimi.chat_conversation` makes messages for servers. Loads no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from folioscope.model.engine.interface import Completion, Decode, EncodedImage, Picture, Request, Sampling, Turn
from folioscope.model.protocol import RgbImage, TokenProbability

Item = str | RgbImage
POOR_LOGPROB = -1.0  # mean over a reading, below which other directions are tried


class TruncatedThoughtError(RuntimeError):
    """A Thinking model was cut off before it came to an answer."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """``shared`` of the ids belong to what several requests have in common. Servers get ``turns``, and no ids."""

    ids: tuple[int, ...] = ()
    pictures: tuple[Picture, ...] = ()
    shared: int = 0
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Shared:
    """The beginning of a user's turn, prepared once: texts, and pictures as patches or as files, in order."""

    items: tuple[str | Picture | EncodedImage, ...] = field(repr=False)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(item for item in self.items if isinstance(item, Picture))


class Conversation(Protocol):
    """Builds prompts for one model. Called from several threads."""

    @property
    def stop_ids(self) -> frozenset[int]: ...

    @property
    def decode(self) -> Decode | None:
        """Ids to text; None where completions come as text."""

    def share(self, items: Sequence[Item]) -> Shared:
        """The beginning of several prompts. Raises ``ImageInputError`` for an image that the model cannot take."""

    def image_tokens(self, width: int, height: int) -> int:
        """Tokens that an image of this size takes. Raises ``ImageInputError``."""

    def text_tokens(self, text: str) -> int:
        """Tokens that a text takes."""

    def prompt(self, shared: Shared, text: str, *exchanges: str) -> Prompt:
        """A user's turn of shared items and a text of its own; then turns of assistant and user, in turn."""

    def answer(self, completion: Completion) -> tuple[str, str | None]:
        """(answer, thoughts or None). Raises :class:`TruncatedThoughtError`."""


def request_for(
    conversation: Conversation,
    key: str,
    prompt: Prompt,
    sampling: Sampling,
    *,
    prefix_key: str | None = None,
    schema: str | None = None,
    keep_special_tokens: bool = False,
) -> Request:
    """The engine's request for a prompt; those of one ``prefix_key`` share what their prompts share."""
    return Request(
        key,
        prompt.ids,
        sampling,
        conversation.stop_ids,
        prompt.pictures,
        prefix_key=prefix_key,
        prefix_tokens=prompt.shared if prefix_key is not None else 0,
        turns=prompt.turns,
        schema=schema,
        keep_special_tokens=keep_special_tokens,
        decode=conversation.decode,
    )


def confidence(completion: Completion) -> float | None:
    """How sure the model was of a token on average, 0..1; None where its server does not tell."""
    return None if completion.mean_logprob is None else math.exp(completion.mean_logprob)


def token_probability(completion: Completion) -> TokenProbability | None:
    """How sure the model was of its tokens; None where its server does not tell."""
    if completion.mean_logprob is None:
        return None
    least = completion.mean_logprob if completion.min_logprob is None else completion.min_logprob
    return TokenProbability(math.exp(completion.mean_logprob), math.exp(least))


def is_poor(completion: Completion) -> bool:
    """Whether the model was so unsure that what it read is likely to be wrong."""
    return completion.mean_logprob is not None and completion.mean_logprob < POOR_LOGPROB


def truncated_thought(completion: Completion) -> TruncatedThoughtError:
    return TruncatedThoughtError(
        f"the model was still thinking after {completion.output_tokens} tokens and gave no answer; allow it more"
    )
