"""Whole documents and videos as a replica is given them to understand: what is asked of them, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from folioscope.model.blocks import Block, Box, ReferenceKind, cue_text
from folioscope.model.segments import RgbImage, Usage

WrittenBy = Literal["text_layer", "ocr", "model"]
VerifiedBy = Literal["text_layer", "ocr", "subtitle", "speech", "model_text"]


@dataclass(frozen=True, slots=True)
class PageText:
    """A committed page as the understanding tasks see it. Sizes are those of its picture; 0 where unknown.

    ``rotation`` is the clockwise turn that makes it upright. ``written_by`` says who wrote the text: a text layer, OCR,
    or a model that can invent; its blocks' ``unsupported`` words are then those that no second reader found, and
    ``reference`` is that reader.
    """

    page_number: int
    text: str
    blocks: tuple[Block, ...] = ()
    language: str | None = None
    width_px: int = 0
    height_px: int = 0
    rotation: int = 0
    written_by: WrittenBy = "text_layer"
    reference: ReferenceKind = "none"


class PagePictures(Protocol):
    """Gives a page's picture when it is wanted, so that no document's pictures are all held at once.

    A replica may call it from several threads, and for several documents at the same time. What it raises becomes the
    failure of the tasks that wanted the picture, and of nothing else.
    """

    def __call__(self, page_number: int, /) -> RgbImage: ...


@dataclass(frozen=True, slots=True)
class DocumentText:
    """A whole document, its pages in order. Pages that failed are absent.

    ``pictures`` is None unless the replica said that it understands by looking.
    """

    asset_id: str
    uri: str
    title: str | None
    pages: tuple[PageText, ...]
    pictures: PagePictures | None = None


@dataclass(frozen=True, slots=True)
class ShotText:
    """A committed shot as the understanding tasks see it: its on-screen text, and what a model said of its picture."""

    shot_number: int
    start_s: float
    end_s: float
    text: str
    blocks: tuple[Block, ...] = ()
    caption: str | None = None
    language: str | None = None
    frame_times: tuple[float, ...] = ()
    written_by: WrittenBy = "ocr"

    @property
    def cues(self) -> tuple[Block, ...]:
        """Its subtitles and speech, without what is flagged as unreliable."""
        return tuple(block for block in self.blocks if block.is_cue and not block.flags)

    @property
    def screen_text(self) -> str:
        """The text without the subtitles and speech that stand at its end."""
        return self.text.removesuffix(cue_text(self.cues)).rstrip()


class FramePictures(Protocol):
    """Gives the frame at a presentation time when it is wanted; called as :class:`PagePictures` is."""

    def __call__(self, time_s: float, /) -> RgbImage: ...


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a video, from ``start_s`` up to ``end_s``."""

    title: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class VideoText:
    """A whole video, its shots in order. Shots that failed are absent.

    ``chapters`` are those that its container names: the pipeline puts them in the place of a summary's own;
    ``sound_language`` is the BCP 47 tag of its first sound track, where the container has one.
    ``pictures`` is None unless the replica said that it understands by looking.
    """

    asset_id: str
    uri: str
    title: str | None
    duration_s: float
    shots: tuple[ShotText, ...]
    pictures: FramePictures | None = None
    chapters: tuple[Chapter, ...] = ()
    sound_language: str | None = None


AssetText = DocumentText | VideoText


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a statement comes from. What stands from ``verified`` on is set by the pipeline, never by a replica."""

    quote: str
    page_number: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    bbox: Box | None = None
    verified: bool = False
    verified_by: VerifiedBy | None = None
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class KeyPoint:
    text: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """``chapters`` are a video's; a document has none."""

    text: str
    method: Literal["extractive", "abstractive"]
    key_points: tuple[KeyPoint, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Question:
    """``segments`` are the numbers of the pages or shots to look at, where they were chosen beforehand, as by a search.

    None leaves it to the replica: all of them where they fit into one request, else those nearest to the question.
    """

    question_id: str
    text: str
    segments: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """``text`` is None and ``answerable`` False where the document or video does not hold the answer."""

    question_id: str
    text: str | None
    answerable: bool
    score: float | None = None
    evidence: tuple[Evidence, ...] = ()
    reasoning: str | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class AssetTasks:
    """What is wanted of one document or video: a summary, or answers, or both."""

    asset: AssetText
    summarize: bool = False
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class Understanding:
    """What came of one :class:`AssetTasks`; an exception stands where its own task alone failed.

    ``summary`` is None where none was wanted. ``answers`` has one a question, in order.
    """

    asset_id: str
    summary: Summary | Exception | None
    answers: tuple[Answer | Exception, ...] = ()
