"""What a replica is: three tasks over plain frozen dataclasses, with no trace of Ray, Parquet or a model library.

A replica is one loaded model inside one actor. The pipeline hands it pages and shots and gets readings; it hands it a
document's or film's text and gets a summary and answers. Everything here pickles and costs nothing but its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Task = Literal["read", "summarize", "answer"]
BlockKind = Literal[
    "heading", "text", "list_item", "table", "formula", "caption", "code", "picture", "footnote", "header", "footer"
]
LayerVerdict = Literal["usable", "absent", "hidden_ocr", "garbled"]
TextSource = Literal["text_layer", "model", "none"]
RgbImage = NDArray[np.uint8]  # (height, width, 3), upright
Reduced = tuple[type, tuple[Any, ...]]


def reduced(value: Any) -> Reduced:
    """How classes of which every page has some pickle: the standard library's way for slots takes twice as long."""
    kind: Any = type(value)
    return kind, _values_of(kind)(value)


@lru_cache
def _values_of(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*kind.__slots__)


@dataclass(frozen=True, slots=True)
class Box:
    """x0, y0, x1, y1 as shares (0..1) of the upright page, origin top left."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a page. ``text`` is Markdown without heading marks or list bullets; tables are HTML."""

    kind: BlockKind
    text: str
    bbox: Box | None = None
    confidence: float | None = None
    level: int = 0  # heading level 1..6, else 0
    start_s: float | None = None  # of a film: times of the first and of the last frame in which the text was read
    end_s: float | None = None

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class TextLayer:
    """What a page's own text layer holds, in reading order, and whether it can be trusted.

    ``verdict`` other than ``usable`` means that ``blocks`` must not be taken as the page's text; they stay for
    comparison. ``reason`` says in a few words what decided it. ``needs_image`` says that a usable layer does not hold
    all of the page's words: some stand in pictures.
    """

    verdict: LayerVerdict
    reason: str
    blocks: tuple[Block, ...] = ()
    language: str | None = None
    needs_image: bool = False

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class PageInput:
    """A page to read. ``image`` is None where the replica said that it reads usable text layers as they are."""

    page_number: int
    width_px: int
    height_px: int
    image: RgbImage | None
    layer: TextLayer | None


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a film, upright, at its presentation time in seconds."""

    time_s: float
    image: RgbImage


@dataclass(frozen=True, slots=True)
class ShotInput:
    """A shot to read: from ``start_s`` up to, not including, ``end_s``, with the frames chosen from it, in order."""

    shot_number: int
    start_s: float
    end_s: float
    width_px: int
    height_px: int
    frames: tuple[Frame, ...]


SegmentInput = PageInput | ShotInput


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a replica read on one page or in one shot.

    ``turned`` is the clockwise turn in degrees that it found missing. Blocks of a shot say when they were seen.
    """

    text: str
    text_source: TextSource
    blocks: tuple[Block, ...] = ()
    caption: str | None = None
    language: str | None = None
    layer_agreement: float | None = None
    flags: tuple[str, ...] = ()
    turned: int = 0
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class PageText:
    """A committed page as the understanding tasks see it. Sizes are those of its picture; 0 where unknown.

    ``rotation`` is the clockwise turn that makes it upright.
    """

    page_number: int
    text: str
    blocks: tuple[Block, ...] = ()
    language: str | None = None
    width_px: int = 0
    height_px: int = 0
    rotation: int = 0


class PagePictures(Protocol):
    """Gives a page's picture when it is wanted, so that no document's pictures are all held at once."""

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


class FramePictures(Protocol):
    """Gives the frame at a presentation time when it is wanted."""

    def __call__(self, time_s: float, /) -> RgbImage: ...


@dataclass(frozen=True, slots=True)
class FilmText:
    """A whole film, its shots in order. Shots that failed are absent.

    ``pictures`` is None unless the replica said that it understands by looking.
    """

    asset_id: str
    uri: str
    title: str | None
    duration_s: float
    shots: tuple[ShotText, ...]
    pictures: FramePictures | None = None


AssetText = DocumentText | FilmText


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a statement comes from. ``verified`` is set by the pipeline, never by a replica."""

    quote: str
    page_number: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    bbox: Box | None = None
    verified: bool = False


@dataclass(frozen=True, slots=True)
class KeyPoint:
    text: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a film, from ``start_s`` up to ``end_s``."""

    title: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Summary:
    """``chapters`` are a film's; a document has none."""

    text: str
    method: Literal["extractive", "abstractive"]
    key_points: tuple[KeyPoint, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Question:
    question_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``text`` is None and ``answerable`` False where the document or film does not hold the answer."""

    question_id: str
    text: str | None
    answerable: bool
    score: float | None = None
    evidence: tuple[Evidence, ...] = ()
    reasoning: str | None = None
    usage: Usage = field(default_factory=Usage)


class Replica(Protocol):
    """One loaded model. Methods may raise: the pipeline turns that into a failure row, segment by segment."""

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        """One reading a page or shot, in order; an exception in its place says what is wrong with that one alone.

        Takes segments as it has room for them, and gives a reading as soon as it and those before it are done. None
        says that the next one is not ready yet, and comes only while readings are owed: go on with those.
        """

    def summarize(self, asset: AssetText) -> Summary: ...

    def answer(self, asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question, in order."""


@dataclass(frozen=True, slots=True)
class ReplicaDescription:
    """What the driver must know of a model without loading it.

    ``settings`` holds, task by task, everything about the replica that decides a document's result, ``film_settings``
    the same of a film's: so that what is changed for one leaves the other's results valid. Their hash goes into the
    recipe. ``reads_layer`` means that pages with a usable text layer need not be rendered for it; ``looks`` that it
    wants the pages' or shots' pictures for summaries and answers, too; ``batches`` that it reads many pages at once,
    and slows down where it is given few.
    """

    name: str
    revision: str
    reads_layer: bool
    settings: dict[Task, dict[str, str]]
    film_settings: dict[Task, dict[str, str]]
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    looks: bool = False
    batches: bool = False
