"""What a model is shown of a document or a video, how it is asked about it, and what its answers say about which place.

A document's segments are pages, shown as pictures where they can be had, else as the text that was read. A video's are
shots, each with its times, its text and the middle one of the frames that were read; one track of subtitles, or else
of speech, stands before and after the frame by time. The model names pages and shots by their numbers; times are the
shots' own, or those at which its quote is said. What it quotes is looked up by the pipeline, in the segment's own text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from folioscope.model.kimi import prompts
from folioscope.model.kimi.conversation import Conversation, Item
from folioscope.model.kimi.interleaving import interleaved
from folioscope.model.kimi.structured import (
    AnswerForm,
    PartsForm,
    SummaryForm,
    VideoAnswerForm,
    VideoSummaryForm,
    parse,
    schema_of,
)
from folioscope.model.plain_text import normal_form
from folioscope.model.protocol import (
    AssetText,
    Block,
    Chapter,
    DocumentText,
    Evidence,
    KeyPoint,
    PageText,
    ShotText,
    VideoText,
)
from folioscope.model.spoken import main_track, when_said

PAGE_LABEL_TOKENS = 8
SHOT_LABEL_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Noted:
    """A summary of some segments; ``starts`` are chapters of a video, each by its title and first shot's start."""

    summary: str
    points: tuple[KeyPoint, ...] = ()
    starts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """``text`` is None where the question is not answerable."""

    text: str | None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said to a model about a kind of asset, and the JSON schemas of what it is to give."""

    summarize: str
    join_introduction: str
    join: str
    answer: str
    summary_schema: str
    join_schema: str
    answer_schema: str


class Material(ABC):
    """``numbers`` are those of the segments, in order: of pages, or of shots."""

    wording: Wording

    def __init__(self, asset: AssetText, numbers: Sequence[int]) -> None:
        self.asset_id = asset.asset_id
        self.shows_pictures = asset.pictures is not None
        self.numbers = tuple(numbers)

    @abstractmethod
    def costs(self, conversation: Conversation) -> list[int]:
        """Tokens that each segment takes."""

    @abstractmethod
    def text(self, place: int) -> str:
        """The words of a segment, for a search."""

    @abstractmethod
    def items(self, place: int) -> Iterator[Item]:
        """What the model is shown of a segment."""

    @abstractmethod
    def summary(self, said: str, numbers: Collection[int]) -> Noted:
        """Raises ``FormError``, also where a segment is named that was not shown."""

    def joined(self, said: str) -> Noted:
        """A summary made of summaries. Raises ``FormError``."""
        return Noted(parse(PartsForm, said).summary)

    @abstractmethod
    def answer(self, said: str, numbers: Collection[int]) -> Answered:
        """Raises as :meth:`summary` does."""

    def chapters(self, starts: Sequence[tuple[str, float]]) -> tuple[Chapter, ...]:
        return ()


class DocumentMaterial(Material):
    wording = Wording(
        prompts.SUMMARIZE,
        prompts.JOIN,
        prompts.SUMMARIZE_PARTS,
        prompts.ANSWER,
        schema_of(SummaryForm),
        schema_of(PartsForm),
        schema_of(AnswerForm),
    )

    def __init__(self, document: DocumentText) -> None:
        super().__init__(document, [page.page_number for page in document.pages])
        self._pages = document.pages
        self._pictures = document.pictures

    def costs(self, conversation: Conversation) -> list[int]:
        def content(page: PageText) -> int:
            if self._pictures is None:
                return conversation.text_tokens(page.text)
            return conversation.image_tokens(page.width_px, page.height_px)

        return [PAGE_LABEL_TOKENS + content(page) for page in self._pages]

    def text(self, place: int) -> str:
        return self._pages[place].text

    def items(self, place: int) -> Iterator[Item]:
        page = self._pages[place]
        yield prompts.PAGE.format(number=page.page_number)
        yield page.text if self._pictures is None else self._pictures(page.page_number)

    def summary(self, said: str, numbers: Collection[int]) -> Noted:
        form = parse(SummaryForm, said, numbers)
        points = (KeyPoint(p.text, (Evidence(p.quote, page_number=p.page),)) for p in form.key_points)
        return Noted(form.summary, tuple(points))

    def answer(self, said: str, numbers: Collection[int]) -> Answered:
        form = parse(AnswerForm, said, numbers)
        if not form.answerable:
            return Answered(None)
        return Answered(form.answer, (Evidence(form.quote or "", page_number=form.page),))


class VideoMaterial(Material):
    wording = Wording(
        prompts.SUMMARIZE_VIDEO,
        prompts.JOIN_VIDEO,
        prompts.SUMMARIZE_VIDEO_PARTS,
        prompts.ANSWER_VIDEO,
        schema_of(VideoSummaryForm),
        schema_of(PartsForm),
        schema_of(VideoAnswerForm),
    )

    def __init__(self, video: VideoText) -> None:
        super().__init__(video, [shot.shot_number for shot in video.shots])
        self._shots = video.shots
        self._by_number = {shot.shot_number: shot for shot in video.shots}
        self._pictures = video.pictures
        self._track = main_track(video)

    def costs(self, conversation: Conversation) -> list[int]:
        """All frames of a video are of one size, so one is looked at."""
        picture = 0
        first = next((shot for shot in self._shots if shot.frame_times), None)
        if first is not None and self._pictures is not None:
            height, width = self._pictures(_middle(first)).shape[:2]
            picture = conversation.image_tokens(width, height)
        return [
            SHOT_LABEL_TOKENS
            + conversation.text_tokens("\n".join([*self._seen(place), *map(_line, self._cues(place))]))
            + (picture if self._shots[place].frame_times else 0)
            for place in range(len(self._shots))
        ]

    def text(self, place: int) -> str:
        shot = self._shots[place]
        return f"{shot.text}\n{shot.caption or ''}"

    def items(self, place: int) -> Iterator[Item]:
        shot = self._shots[place]
        start, end = _clock(shot.start_s), _clock(shot.end_s)
        yield prompts.SHOT.format(number=shot.shot_number, start=start, end=end)
        times = [_middle(shot) if shot.frame_times else shot.start_s]
        for item in interleaved(times, self._cues(place)):
            if isinstance(item, Block):
                yield _line(item)
                continue
            if self._pictures is not None and shot.frame_times:
                yield self._pictures(_middle(shot))
            yield from self._seen(place)

    def _seen(self, place: int) -> Iterator[str]:
        shot = self._shots[place]
        if shot.screen_text:
            yield prompts.ON_SCREEN.format(text=shot.screen_text)
        if shot.caption:
            yield prompts.SEEN.format(caption=shot.caption)

    def _cues(self, place: int) -> list[Block]:
        """Of the one track that is shown."""
        return [cue for cue in self._shots[place].cues if (cue.kind, cue.track) == self._track]

    def summary(self, said: str, numbers: Collection[int]) -> Noted:
        form = parse(VideoSummaryForm, said, numbers)
        points = (KeyPoint(p.text, (self._evidence(p.shot, p.quote),)) for p in form.key_points)
        starts = ((c.title, self._by_number[c.first_shot].start_s) for c in form.chapters)
        return Noted(form.summary, tuple(points), tuple(starts))

    def answer(self, said: str, numbers: Collection[int]) -> Answered:
        form = parse(VideoAnswerForm, said, numbers)
        return Answered(None) if form.shot is None else Answered(form.answer, (self._evidence(form.shot, form.quote),))

    def chapters(self, starts: Sequence[tuple[str, float]]) -> tuple[Chapter, ...]:
        """Each ends where the next one begins, and together they cover the video."""
        if not starts:
            return ()
        begins = [self._shots[0].start_s, *(start_s for _, start_s in starts[1:])]
        ends = [*begins[1:], self._shots[-1].end_s]
        titles = (title for title, _ in starts)
        return tuple(Chapter(title, start_s, end_s) for title, start_s, end_s in zip(titles, begins, ends, strict=True))

    def _evidence(self, number: int, quote: str) -> Evidence:
        """The seconds at which the quote is said, else those of its shot, in which it may be seen."""
        shot = self._by_number[number]
        seen = normal_form(quote) in normal_form(shot.screen_text)
        start_s, end_s = (None if seen else when_said(quote, [shot])) or (shot.start_s, shot.end_s)
        return Evidence(quote, start_s=start_s, end_s=end_s)


def material_of(asset: AssetText) -> Material:
    return VideoMaterial(asset) if isinstance(asset, VideoText) else DocumentMaterial(asset)


def _line(cue: Block) -> str:
    form = prompts.SAID if cue.kind == "speech" else prompts.SUBTITLED
    return form.format(time=_clock(cue.start_s or 0.0), text=cue.text)


def _middle(shot: ShotText) -> float:
    return shot.frame_times[len(shot.frame_times) // 2]


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
