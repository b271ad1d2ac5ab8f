"""What a dialect is. A new one is a class in a module of its own and a line in :mod:`folioscope.model.dialects.choice`.

Plain Python: no engine, no model library. Boxes are shares of the page, whatever the model writes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from folioscope.model.engine.interface import Sampling
from folioscope.model.protocol import Block, Box


@dataclass(frozen=True, slots=True)
class Transcript:
    """A page in a dialect's words. ``text`` is Markdown; blocks may have boxes.

    ``turned`` is the clockwise turn that the model says the picture lacks.
    """

    text: str
    blocks: tuple[Block, ...] = ()
    language: str | None = None
    turned: int = 0


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the page that is asked about by itself, turned clockwise before; with no prompt it is not."""

    box: Box
    prompt: str
    label: str
    turned: int = 0


class Dialect(ABC):
    """``version`` changes with whatever changes a page's result; it is part of the recipe.

    ``sampling`` None leaves it to the model's variant. ``text_first``: the prompt stands before the picture.
    ``reads_only``: the model cannot summarise, answer, or read shots of videos. ``goes_on``: where it was cut off in a
    loop it can be asked for the rest of the page. ``keeps_special_tokens``: its answer means nothing without them.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    prompt: ClassVar[str]
    sampling: ClassVar[Sampling | None] = None
    text_first: ClassVar[bool] = False
    reads_only: ClassVar[bool] = True
    goes_on: ClassVar[bool] = False
    keeps_special_tokens: ClassVar[bool] = False

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """The size in which a picture is sent."""
        return width, height

    @abstractmethod
    def parse(self, said: str, width: int, height: int) -> Transcript:
        """What was written about a picture of this size, the one in which it was sent. Takes anything."""


class RegionDialect(Dialect):
    """First asks for the page's regions, then for what each of them says."""

    @abstractmethod
    def regions(self, said: str) -> tuple[Region, ...]:
        """The regions to ask about, in reading order; what is no region is passed over."""

    @abstractmethod
    def assemble(self, regions: Sequence[Region], said: Sequence[str]) -> Transcript:
        """The page from what was written about each region."""

    def parse(self, said: str, width: int, height: int) -> Transcript:
        """A page on which no region was found."""
        return Transcript("")


def box_of(corners: Sequence[float], width: float, height: float) -> Box | None:
    """A box from x0, y0, x1, y1 on a picture of this size, put in order and cut at its edges; None for none."""
    if len(corners) != 4:
        return None
    x0, x1 = sorted(min(1.0, max(0.0, corners[place] / width)) for place in (0, 2))
    y0, y1 = sorted(min(1.0, max(0.0, corners[place] / height)) for place in (1, 3))
    return Box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def transcript_of(blocks: Sequence[Block], language: str | None = None) -> Transcript:
    """The page that blocks make together, one paragraph each; running heads and feet are blocks and no text."""
    held = tuple(block for block in blocks if block.text or block.kind == "picture")
    shown = (as_markdown(block) for block in held if block.text and block.kind not in ("header", "footer", "comment"))
    return Transcript("\n\n".join(shown), held, language)


def as_markdown(block: Block) -> str:
    """A block with its marks, as it stands in a page's text."""
    if block.kind == "heading":
        return f"{'#' * max(1, block.level)} {block.text}"
    if block.kind == "list_item":
        return f"- {block.text}"
    if block.kind == "code":
        return f"```\n{block.text}\n```"
    if block.kind == "formula":
        return f"$$\n{block.text}\n$$"
    if block.kind == "picture":
        return f"![{block.text}]()"
    return block.text


def scaled(width: int, height: int, *, longest: int | None = None, pixels: int | None = None) -> tuple[int, int]:
    """A size of the same shape within limits; never larger than it was."""
    factor = 1.0
    if longest is not None:
        factor = min(factor, longest / max(width, height))
    if pixels is not None:
        factor = min(factor, (pixels / (width * height)) ** 0.5)
    return max(1, round(width * factor)), max(1, round(height * factor))


def with_confidence(blocks: Sequence[Block], confidence: float | None) -> tuple[Block, ...]:
    return tuple(replace(block, confidence=confidence) for block in blocks)
