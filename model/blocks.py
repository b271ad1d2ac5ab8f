"""What stands on a page or in a shot: blocks of text with their boxes, spoken words, and a page's own text layer.

Frozen and slotted, since every page has some hundreds; they pickle by a way of their own, which takes half as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, Literal

BlockKind = Literal[
    "heading",
    "text",
    "list_item",
    "table",
    "formula",
    "caption",
    "code",
    "picture",
    "footnote",
    "header",
    "footer",
    "comment",
    "subtitle",
    "speech",
]
CUE_KINDS: Final = frozenset({"subtitle", "speech"})  # blocks of a video that do not stand in its picture
ReferenceKind = Literal["text_layer", "ocr", "ocr_detection", "none"]
LayerVerdict = Literal["usable", "absent", "hidden_ocr", "garbled"]
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
class Word:
    """One spoken word and when it was said."""

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class Span:
    """Characters of a block's text, from ``start`` up to, not including, ``end``."""

    start: int
    end: int

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class Cell:
    """Where the words of a table's cell stand, and the share of them that the reference reader found."""

    row: int
    column: int
    bbox: Box | None
    support: float | None

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a page or shot. ``text`` is Markdown without heading marks or list bullets; tables are HTML.

    Subtitles and speech are blocks of the shot that they fall into: ``track`` says where they come from, ``language``
    in which language they are, ``flags`` why they must not be believed.
    """

    kind: BlockKind
    text: str
    bbox: Box | None = None
    confidence: float | None = None
    level: int = 0  # heading level 1..6, else 0
    start_s: float | None = None  # of a video: times of the first and of the last frame in which the text was read
    end_s: float | None = None  # of a subtitle or of speech: when it begins and ends
    language: str | None = None
    track: str | None = None
    flags: tuple[str, ...] = ()
    words: tuple[Word, ...] = ()
    support: float | None = None  # set by the pipeline, as are the two below: see pipeline/grounding
    unsupported: tuple[Span, ...] = ()
    cells: tuple[Cell, ...] = ()

    @property
    def is_cue(self) -> bool:
        """Whether it is a subtitle or speech, not something seen in the picture."""
        return self.kind in CUE_KINDS

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class Omission:
    """A passage that stands on the page by the reference reader, and not in the text."""

    text: str
    bbox: Box

    def __reduce__(self) -> Reduced:
        return reduced(self)


@dataclass(frozen=True, slots=True)
class Check:
    """How a model's text of a page compares with a reference reader's words.

    ``support`` is the share of the ``words`` compared that the reference has, ``omitted`` the share of its
    ``reference_words`` that the text lacks. Both are None where there is no reference with words.
    """

    reference: ReferenceKind
    words: int = 0
    support: float | None = None
    reference_words: int = 0
    omitted: float | None = None
    omissions: tuple[Omission, ...] = ()


def cue_text(cues: Iterable[Block]) -> str:
    """Subtitles and speech as they stand at the end of a shot's text: a line each, the tracks parted."""
    tracks = groupby(cues, key=lambda cue: (cue.kind, cue.track))
    return "\n\n".join("\n".join(cue.text for cue in track) for _, track in tracks)


@dataclass(frozen=True, slots=True)
class TextLayer:
    """What a page's own text layer holds, in reading order, and whether it can be trusted.

    ``verdict`` other than ``usable`` means that ``blocks`` must not be taken as the page's text; they stay for
    comparison. ``reason`` says in a few words what decided it. ``needs_image`` says that a usable layer may not hold
    all of the page's words: some may stand in ``pictures``, or anywhere where none are named.
    """

    verdict: LayerVerdict
    reason: str
    blocks: tuple[Block, ...] = ()
    language: str | None = None
    needs_image: bool = False
    pictures: tuple[Box, ...] = ()
    flags: tuple[str, ...] = ()

    def __reduce__(self) -> Reduced:
        return reduced(self)
