"""Pages and shots as a replica is given them to read, and what it reads there. Pictures are plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from folioscope.model.blocks import Block, Check, TextLayer

TextSource = Literal["text_layer", "model", "subtitle", "speech", "none"]
RgbImage = NDArray[np.uint8]  # (height, width, 3), upright


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
    """One frame of a video, upright, at its presentation time in seconds.

    ``since_s`` and ``until_s`` tell from when to when its picture stood, where the video stands still.
    """

    time_s: float
    image: RgbImage
    since_s: float | None = None
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class ShotInput:
    """A shot to read: from ``start_s`` up to, not including, ``end_s``, with the frames chosen from it, in order.

    ``glimpses`` are frames of further states of its picture, for readers that read only what changes.
    """

    shot_number: int
    start_s: float
    end_s: float
    width_px: int
    height_px: int
    frames: tuple[Frame, ...]
    glimpses: tuple[Frame, ...] = ()


SegmentInput = PageInput | ShotInput


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TokenProbability:
    """How sure a model was of the tokens that it wrote, 0..1."""

    mean: float
    least: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a replica read on one page or in one shot.

    ``turned`` is the clockwise turn in degrees that it found missing. Blocks of a shot say when they were seen.
    ``unread`` says what of the segment the replica could not read, and what would read it.
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
    unread: str | None = None
    token_probability: TokenProbability | None = None
    check: Check | None = None  # set by the pipeline, never by a replica
