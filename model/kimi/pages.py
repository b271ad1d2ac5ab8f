"""Reading a page: one request with its picture, again and hotter where it loops, turned where it is read poorly.

A page without ink is never asked about. Where the page has a text layer that can be trusted, the reading is compared
with it: free truth. Each page holds some 45 MB of pixels and patches, until the engine has
seen it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from model.agreement import agreement, disagreement
from model.engine.interface import Completion, Sampling
from model.kimi.attempt import Attempt
from model.kimi.description import HOTTER, POOR_LOGPROB
from model.kimi.prompts import READ
from model.kimi.structured import TruncatedThoughtError
from model.language import language_of
from model.page_images import is_blank, turned
from model.protocol import Block, PageInput, Reading, Usage

if TYPE_CHECKING:
    from model.kimi.conversation import Conversation, Prompt  # with it comes torch, which a reader does not need

TURNS = (180, 90, 270)


class PageAttempt(Attempt):
    in_flight = 1.5  # some wait at all times

    def __init__(self, page: PageInput, sampling: Sampling) -> None:
        super().__init__(sampling)
        self._page = page
        self._first_sampling = sampling
        self._turn = 0
        self._turns_left: tuple[int, ...] = TURNS
        self._best: tuple[int, Completion] | None = None

    def prompt(self, conversation: Conversation) -> Prompt | None:
        image = self._page.image
        if image is None or is_blank(image):
            return None
        return conversation.prompt(conversation.share([turned(image, self._turn)]), READ)

    def again(self, completion: Completion, conversation: Conversation) -> bool:
        if self._best is None or _better(completion, self._best[1]):
            self._best = (self._turn, completion)
        if self.hotter(completion):
            return True
        if completion.mean_logprob < POOR_LOGPROB and self._turns_left:
            self._turn, *rest = self._turns_left
            self._turns_left = tuple(rest)
            self.sampling, self.loops = self._first_sampling, len(HOTTER)
            return True
        return False

    def end(self) -> None:
        super().end()
        self._page = replace(self._page, image=None)

    def reading(self, conversation: Conversation, seconds: float) -> Reading | Exception:
        if self._best is None:
            return Reading("", "none", flags=("blank",), usage=Usage(seconds=seconds))
        turn, completion = self._best
        try:
            text, _ = conversation.answer(completion)
        except TruncatedThoughtError as error:
            return error
        usage = Usage(self.input_tokens, self.output_tokens, seconds)
        ended = {"loop": ["loop"], "length": ["cut_off"]}
        flags = list(ended.get(completion.finish_reason, ()))
        if turn:
            flags.append("turned")
        if completion.mean_logprob < POOR_LOGPROB:
            flags.append("low_confidence")
        layer = self._page.layer if self._page.layer is not None and self._page.layer.verdict == "usable" else None
        if layer is not None and (found := disagreement(text, layer.blocks)) is not None:
            flags.append(found)
        if not text.strip():
            return Reading("", "none", flags=(*flags, "no_words"), turned=turn, usage=usage)
        return Reading(
            text=text,
            text_source="model",
            blocks=to_blocks(text, float(np.exp(completion.mean_logprob))),
            language=language_of(text),
            layer_agreement=agreement(text, layer.blocks) if layer is not None else None,
            flags=tuple(flags),
            turned=turn,
            usage=usage,
        )


def to_blocks(text: str, confidence: float) -> tuple[Block, ...]:
    """Markdown as blocks without boxes, one a paragraph: the model does not say where it read what."""
    blocks = []
    for part in (part.strip() for part in text.split("\n\n")):
        marks = len(part) - len(part.lstrip("#"))
        if not part:
            continue
        if 1 <= marks <= 6 and part[marks : marks + 1] == " ":
            blocks.append(Block("heading", part[marks:].strip(), confidence=confidence, level=marks))
        elif part.startswith("<table"):
            blocks.append(Block("table", part, confidence=confidence))
        else:
            blocks.append(Block("text", part, confidence=confidence))
    return tuple(blocks)


def _better(one: Completion, other: Completion) -> bool:
    """A reading that ended by itself before one that did not, then the one the model was surer of."""
    return (one.finish_reason == "stop", one.mean_logprob) > (other.finish_reason == "stop", other.mean_logprob)
