"""How the nano model is asked about documents and videos: piece by piece, how many lines there are, where a word is.

Its segments are the pieces that pages, and the middle frames of shots, are cut into. Pieces are asked one after the
other for each task; those of several tasks and documents are with the engine at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from examples.nano.lines import Cut, LinesOfPage, cut_page
from examples.nano.words import COUNT, PRESENCE
from folioscope.model.engine.interface import Decode, Sampling
from folioscope.model.kimi.asking import Asked, Spent, Steps
from folioscope.model.kimi.conversation import Item
from folioscope.model.protocol import (
    Answer,
    AssetTasks,
    AssetText,
    Box,
    Evidence,
    KeyPoint,
    PageText,
    Question,
    ShotText,
    Summary,
    VideoText,
)

_ASKED_WORD = re.compile(r'\bis\s+["“](?P<word>[^"”]{1,40})["”]\s+(?:on|in)\b', re.I)
_FOUND = re.compile(r"yes, line (\d)")


@dataclass(frozen=True, slots=True)
class _View:
    """What the model looks at: a page, or the middle frame of a shot. Its first piece is ``first`` of all."""

    segment: PageText | ShotText
    lines: LinesOfPage
    first: int

    @property
    def places(self) -> range:
        return range(self.first, self.first + len(self.lines.cuts))

    def evidence(self, quote: str, bbox: Box | None = None) -> Evidence:
        if isinstance(self.segment, PageText):
            return Evidence(quote, self.segment.page_number, bbox=bbox)
        return Evidence(quote, start_s=self.segment.start_s, end_s=self.segment.end_s, bbox=bbox)


@dataclass(slots=True)
class Pieces:
    """See ``Segments``. They are small, and held until the asset is done."""

    asset_id: str
    cuts: list[Cut] = field(default_factory=list)
    shows_pictures: bool = False

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(range(len(self.cuts)))

    def items(self, place: int) -> Iterator[Item]:
        yield self.cuts[place].image


class NanoInquiry:
    """See :class:`folioscope.model.kimi.asking.Inquiry`."""

    def __init__(self, asked: AssetTasks, decode: Decode) -> None:
        self.segments = Pieces(asked.asset.asset_id)
        self._asked = asked
        self._decode = decode
        self._views: list[_View] = []

    def prepare(self) -> None:
        """Raises what getting a picture raises."""
        words = any(_ASKED_WORD.search(question.text) for question in self._asked.questions)
        for segment, lines in _lines_of(self._asked.asset) if self._asked.summarize or words else ():
            self._views.append(_View(segment, lines, len(self.segments.cuts)))
            self.segments.cuts.extend(lines.cuts)

    def steps(self) -> list[Steps[Summary | Answer]]:
        summary = [self._summary()] if self._asked.summarize else []
        return [*summary, *map(self._answer, self._asked.questions)]

    def _summary(self) -> Steps[Summary]:
        """How many lines the model counts on each page or in each shot, and the first line of each."""
        spent = Spent()
        counts: list[int] = []
        points: list[KeyPoint] = []
        for view in self._views:
            counts.append(0)
            for place in view.places:
                said = yield from self._said(spent, place, COUNT, 4)
                counts[-1] += int(said) if said.isdecimal() else 0
            if first := next((line for line in view.segment.text.splitlines() if line.strip()), ""):
                points.append(KeyPoint(f"{counts[-1]} lines or pieces of lines", (view.evidence(first),)))
        noun = "shots" if isinstance(self._asked.asset, VideoText) else "pages"
        text = f"{len(counts)} {noun} with {sum(counts)} lines or pieces of lines, as the model counts them."
        return Summary(text, "abstractive", tuple(points), usage=spent.usage())

    def _answer(self, question: Question) -> Steps[Answer]:
        """Answers "Is "WORD" on the page?" by looking; anything else is not answerable for it."""
        spent = Spent()
        seen: list[Evidence] = []
        word = match["word"] if (match := _ASKED_WORD.search(question.text)) else None
        for view in self._views if word is not None else ():
            for place, cut in zip(view.places, view.lines.cuts, strict=True):
                said = yield from self._said(spent, place, PRESENCE.format(word=word), 24)
                if found := _FOUND.match(said):
                    line = min(cut.first + int(found[1]) - 1, cut.last)
                    seen.append(view.evidence(word or "", view.lines.boxes[line]))
        text = "yes" if seen else None
        return Answer(question.question_id, text, bool(seen), evidence=tuple(seen), usage=spent.usage())

    def _said(self, spent: Spent, place: int, text: str, new_tokens: int) -> Steps[str]:
        completion = yield Asked((place,), text, Sampling(new_tokens), str, "")
        spent.add(completion)
        if completion.error is not None:
            raise completion.error
        return self._decode(completion.ids)


def _lines_of(asset: AssetText) -> Iterator[tuple[PageText | ShotText, LinesOfPage]]:
    assert asset.pictures is not None
    if isinstance(asset, VideoText):
        for shot in asset.shots:
            if shot.frame_times:
                yield shot, cut_page(asset.pictures(shot.frame_times[len(shot.frame_times) // 2]))
        return
    for page in asset.pages:
        yield page, cut_page(asset.pictures(page.page_number))
