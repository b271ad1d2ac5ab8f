"""Reading a page: one request with its picture, again where it loops, turned where it is read poorly.

A page without ink is never asked about. A model that repeats itself half-way is asked for the rest of the page; one
that does so from the start is tried again, hotter. Where the page has a text layer that can be trusted, the reading is
compared with it: free truth. Each page holds some 45 MB of pixels and patches, until the engine has seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from folioscope.model.agreement import agreement
from folioscope.model.dialects.base import Dialect, Region, RegionDialect, Transcript, with_confidence
from folioscope.model.engine.interface import Completion, Sampling
from folioscope.model.kimi.attempt import Ask, Attempt
from folioscope.model.kimi.conversation import (
    Conversation,
    Item,
    TruncatedThoughtError,
    confidence,
    is_poor,
    token_probability,
)
from folioscope.model.kimi.description import HOTTER
from folioscope.model.kimi.prompts import GO_ON
from folioscope.model.language import language_of
from folioscope.model.page_images import is_blank, turned
from folioscope.model.protocol import PageInput, Reading, RgbImage, Usage

TURNS = (180, 90, 270)
WORTH_KEEPING = 200  # characters before a loop: from there the page goes on, else it is read anew
MOST_GOING_ON = 3  # times that a page is asked for its rest
LAST_WORDS = 120  # characters that show the model where to go on


@dataclass(frozen=True, slots=True)
class _Read:
    """One try: what was written about the page turned so far; ``before`` it, what was kept of earlier ones."""

    turn: int
    said: str
    completion: Completion

    @property
    def rank(self) -> tuple[bool, float]:
        """A reading that ended by itself before one that did not, then the one that the model was surer of."""
        logprob = self.completion.mean_logprob
        return self.completion.finish_reason == "stop", 0.0 if logprob is None else logprob


class PageAttempt(Attempt):
    in_flight = 1.5  # some wait at all times

    def __init__(self, page: PageInput, dialect: Dialect, sampling: Sampling) -> None:
        super().__init__(sampling)
        self._page = page
        self._dialect = dialect
        self._first_sampling = sampling
        self._turn = 0
        self._turns_left: tuple[int, ...] = TURNS
        self._kept: list[str] = []  # what stands before a loop, where the page went on behind it
        self._best: _Read | None = None
        self._regions: tuple[Region, ...] = ()
        self._said: dict[int, str] = {}  # of regions

    def first(self) -> Ask:
        return self._ask()

    def take(self, ask: Ask, completion: Completion, conversation: Conversation) -> Sequence[Ask]:
        if completion.error is not None:
            self.error = completion.error
            return []
        try:
            said, _ = conversation.answer(completion)
        except TruncatedThoughtError as error:
            if completion.finish_reason == "loop" and self.hotter():
                return [self._ask()]
            self.error = error if self._best is None else None
            return []
        if ask.region is not None:
            self._said[ask.region] = said
            return []
        return self._next(said, completion)

    def _next(self, said: str, completion: Completion) -> Sequence[Ask]:
        """What to ask after a try at the whole page, or at the rest of it."""
        looped = completion.finish_reason == "loop"
        if looped and self._dialect.goes_on and len(said) >= WORTH_KEEPING and len(self._kept) < MOST_GOING_ON:
            self._kept.append(said)
            self.sampling = replace(self.sampling, temperature=HOTTER[0], seed=len(self._kept))
            return [self._ask("\n".join(self._kept), GO_ON.format(last=said[-LAST_WORDS:]))]
        read = _Read(self._turn, "\n".join([*self._kept, said]), completion)
        if self._best is None or read.rank > self._best.rank:
            self._best = read
        if self._kept:
            return []
        if looped and self.hotter():
            return [self._ask()]
        if is_poor(completion) and self._turns_left:
            return [self._turned(self._turns_left[0])]
        return self._of_dialect(read)

    def _of_dialect(self, read: _Read) -> Sequence[Ask]:
        """The model's own wish: the page turned, or a closer look at its regions."""
        dialect = self._dialect
        if isinstance(dialect, RegionDialect):
            self._regions = dialect.regions(read.said)
            return [self._ask_region(number, region) for number, region in enumerate(self._regions) if region.prompt]
        missing = self._transcript(read).turned
        if missing and self._turns_left == TURNS:
            return [self._turned(missing)]
        return []

    def _turned(self, turn: int) -> Ask:
        self._turn = turn
        self._turns_left = tuple(left for left in self._turns_left if left != turn)
        self.sampling, self.loops = self._first_sampling, len(HOTTER)
        return self._ask()

    def _ask(self, *exchanges: str) -> Ask:
        prompt, turn, first = self._dialect.prompt, self._turn, self._dialect.text_first
        return Ask(lambda: self._items(turn), "" if first else prompt, self.sampling, exchanges)

    def _items(self, turn: int) -> Sequence[Item]:
        image = self._page.image
        if image is None or is_blank(image):
            return []
        picture = resized(turned(image, turn), *self._sent(turn))
        return [self._dialect.prompt, picture] if self._dialect.text_first else [picture]

    def _sent(self, turn: int) -> tuple[int, int]:
        """Width and height of the picture as it is sent."""
        image = self._page.image
        height, width = image.shape[:2] if image is not None else (self._page.height_px, self._page.width_px)
        return self._dialect.fit(height, width) if turn % 180 else self._dialect.fit(width, height)

    def _ask_region(self, number: int, region: Region) -> Ask:
        turn = self._turn

        def items() -> Sequence[Item]:
            image = self._page.image
            return [] if image is None else [turned(_cropped(turned(image, turn), region), region.turned)]

        return Ask(items, region.prompt, self.sampling, region=number)

    def end(self) -> None:
        super().end()
        self._page = replace(self._page, image=None)

    def _transcript(self, read: _Read) -> Transcript:
        if isinstance(self._dialect, RegionDialect) and self._regions:
            said = [self._said.get(number, "") for number in range(len(self._regions))]
            return self._dialect.assemble(self._regions, said)
        return self._dialect.parse(read.said, *self._sent(read.turn))

    def reading(self, conversation: Conversation, seconds: float) -> Reading | Exception:
        usage = Usage(self.input_tokens, self.output_tokens, seconds)
        read = self._best
        if read is None:
            return Reading("", "none", flags=("blank",), usage=usage)
        transcript = self._transcript(read)
        text = transcript.text
        ended = {"loop": ["loop"], "length": ["cut_off"]}
        flags = list(ended.get(read.completion.finish_reason, ()))
        if self._kept:
            flags.append("went_on_after_loop")
        if read.turn:
            flags.append("turned")
        if is_poor(read.completion):
            flags.append("low_confidence")
        layer = self._page.layer if self._page.layer is not None and self._page.layer.verdict == "usable" else None
        if not text.strip():
            return Reading("", "none", flags=(*flags, "no_words"), turned=read.turn, usage=usage)
        return Reading(
            text=text,
            text_source="model",
            blocks=with_confidence(transcript.blocks, confidence(read.completion)),
            language=transcript.language or language_of(text),
            layer_agreement=agreement(text, layer.blocks) if layer is not None else None,
            flags=tuple(flags),
            turned=read.turn,
            usage=usage,
            token_probability=token_probability(read.completion),
        )


def resized(image: RgbImage, width: int, height: int) -> RgbImage:
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _cropped(image: RgbImage, region: Region) -> RgbImage:
    height, width = image.shape[:2]
    box = region.box
    rows = slice(int(box.y0 * height), max(int(box.y0 * height) + 1, round(box.y1 * height)))
    columns = slice(int(box.x0 * width), max(int(box.x0 * width) + 1, round(box.x1 * width)))
    return np.ascontiguousarray(image[rows, columns])
