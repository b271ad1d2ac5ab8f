"""Reading a shot: its frames as images in order, each behind its time; text and a caption come back.

What comes back must be of the form asked for; told what is wrong, the model may repair it once. A shot that shows
nothing is never asked about. Each shot in flight holds some 100 MB of pixels and patches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from folioscope.model.engine.interface import Completion, Sampling
from folioscope.model.kimi.attempt import Ask, Attempt
from folioscope.model.kimi.conversation import Conversation, Item, TruncatedThoughtError, confidence, is_poor
from folioscope.model.kimi.prompts import FRAME, READ_SHOT, REPAIR
from folioscope.model.kimi.structured import FormError, ShotForm, parse
from folioscope.model.language import language_of
from folioscope.model.page_images import is_blank
from folioscope.model.plain_text import normal_form
from folioscope.model.protocol import Block, Frame, Reading, ShotInput, Usage


class ShotAttempt(Attempt):
    """Frames that show nothing are left out."""

    in_flight = 0.5  # each is several images

    def __init__(self, shot: ShotInput, sampling: Sampling) -> None:
        super().__init__(sampling)
        self._frames = tuple(frame for frame in shot.frames if not is_blank(frame.image))
        self._times = tuple(frame.time_s for frame in self._frames)
        self._found: tuple[ShotForm, Completion] | None = None

    def first(self) -> Ask:
        return self._ask()

    def take(self, ask: Ask, completion: Completion, conversation: Conversation) -> Sequence[Ask]:
        if completion.error is not None:
            self.error = completion.error
            return []
        if completion.finish_reason == "loop" and self.hotter():
            return [self._ask(*ask.exchanges)]
        try:
            said, _ = conversation.answer(completion)
        except TruncatedThoughtError as error:
            self.error = error
            return []
        try:
            self._found = parse(ShotForm, said, range(1, len(self._times) + 1)), completion
        except FormError as error:
            if not ask.exchanges:
                return [self._ask(said, REPAIR.format(problem=error))]
            self.error = error
        return []

    def _ask(self, *exchanges: str) -> Ask:
        frames = self._frames
        return Ask(lambda: list(_items(frames)), READ_SHOT, self.sampling, exchanges)

    def end(self) -> None:
        super().end()
        self._frames = ()

    def reading(self, conversation: Conversation, seconds: float) -> Reading | Exception:
        usage = Usage(self.input_tokens, self.output_tokens, seconds)
        if self._found is None:
            return Reading("", "none", flags=("blank",), usage=usage)
        form, completion = self._found
        flags = ("low_confidence",) if is_poor(completion) else ()
        blocks = tuple(_blocks(form, self._times, confidence(completion)))
        text = "\n\n".join(block.text for block in blocks)
        caption = form.caption or None
        if not text:
            return Reading("", "none", caption=caption, flags=(*flags, "no_words"), usage=usage)
        return Reading(text, "model", blocks, caption, language_of(text), flags=flags, usage=usage)


def _items(frames: Iterable[Frame]) -> Iterator[Item]:
    for number, frame in enumerate(frames, start=1):
        yield FRAME.format(number=number, time_s=frame.time_s)
        yield frame.image


def _blocks(form: ShotForm, times: tuple[float, ...], sure: float | None) -> Iterator[Block]:
    """The text as blocks without boxes, with the times of the frames that the model named; each text once."""
    seen: set[str] = set()
    for line in form.text:
        if normal_form(line.words) not in seen:
            seen.add(normal_form(line.words))
            start_s, end_s = times[line.first - 1], times[line.last - 1]
            yield Block("text", line.words, confidence=sure, start_s=start_s, end_s=end_s)
