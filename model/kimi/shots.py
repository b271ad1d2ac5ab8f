"""Reading a shot: its frames as images in order, each behind its time; text and a caption come back.

What comes back must be of the form asked for; told what is wrong, the model may repair it once. A shot that shows
nothing is never asked about. Each shot in flight holds some 100 MB of pixels and patches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from model.engine.interface import Completion, Sampling
from model.kimi.attempt import Attempt
from model.kimi.description import POOR_LOGPROB
from model.kimi.prompts import FRAME, READ_SHOT, REPAIR
from model.kimi.structured import FormError, ShotForm, TruncatedThoughtError, parse_shot
from model.language import language_of
from model.page_images import is_blank
from model.plain_text import normal_form
from model.protocol import Block, Frame, Reading, ShotInput, Usage

if TYPE_CHECKING:
    from model.kimi.conversation import Conversation, Item, Prompt, Shared  # with it comes torch


class ShotAttempt(Attempt):
    """``exchanges`` is what was said to have a form repaired; frames that show nothing are left out."""

    in_flight = 0.5  # each is several images

    def __init__(self, shot: ShotInput, sampling: Sampling) -> None:
        super().__init__(sampling)
        self._frames = tuple(frame for frame in shot.frames if not is_blank(frame.image))
        self._times = tuple(frame.time_s for frame in self._frames)
        self._shared: Shared | None = None
        self._exchanges: tuple[str, ...] = ()
        self._form: ShotForm | None = None
        self._logprob = 0.0

    def prompt(self, conversation: Conversation) -> Prompt | None:
        if not self._frames:
            return None
        if self._shared is None:
            self._shared = conversation.share(list(_items(self._frames)))
        return conversation.prompt(self._shared, READ_SHOT, *self._exchanges)

    def again(self, completion: Completion, conversation: Conversation) -> bool:
        if self.hotter(completion):
            return True
        try:
            said, _ = conversation.answer(completion)
        except TruncatedThoughtError as error:
            self.error = error
            return False
        try:
            self._form = parse_shot(said, len(self._frames))
        except FormError as error:
            if self._exchanges:
                self.error = error
                return False
            self._exchanges = (said, REPAIR.format(problem=error))
            return True
        self._logprob = completion.mean_logprob
        return False

    def end(self) -> None:
        super().end()
        self._frames, self._shared = (), None

    def reading(self, conversation: Conversation, seconds: float) -> Reading | Exception:
        usage = Usage(self.input_tokens, self.output_tokens, seconds)
        if self._form is None:
            return Reading("", "none", flags=("blank",), usage=usage)
        flags = ("low_confidence",) if self._logprob < POOR_LOGPROB else ()
        blocks = tuple(_blocks(self._form, self._times, float(np.exp(self._logprob))))
        text = "\n\n".join(block.text for block in blocks)
        if not text:
            return Reading("", "none", caption=self._form.caption, flags=(*flags, "no_words"), usage=usage)
        return Reading(text, "model", blocks, self._form.caption, language_of(text), flags=flags, usage=usage)


def _items(frames: Iterable[Frame]) -> Iterator[Item]:
    for number, frame in enumerate(frames, start=1):
        yield FRAME.format(number=number, time_s=frame.time_s)
        yield frame.image


def _blocks(form: ShotForm, times: tuple[float, ...], confidence: float) -> Iterator[Block]:
    """The text as blocks without boxes, with the times of the frames that the model named; each text once."""
    seen: set[str] = set()
    for line in form.lines:
        if normal_form(line.words) not in seen:
            seen.add(normal_form(line.words))
            start_s, end_s = times[line.first - 1], times[line.last - 1]
            yield Block("text", line.words, confidence=confidence, start_s=start_s, end_s=end_s)
