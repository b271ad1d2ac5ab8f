"""What a replica is: three tasks over plain frozen dataclasses, with no trace of Ray, Parquet or a model library.

A replica is one loaded model inside one actor. The pipeline hands it pages and shots and gets readings; it hands it
documents and videos with what is asked of them and gets summaries and answers. Both are streams, so that a model that
serves many requests at once stays busy across files. Everything here pickles and costs nothing but its bytes. What a
replica takes and gives is declared in ``blocks``, ``segments`` and ``assets``; all of it can be imported from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, get_args

from folioscope.model.assets import (
    Answer,
    AssetTasks,
    AssetText,
    Chapter,
    DocumentText,
    Evidence,
    FramePictures,
    KeyPoint,
    PagePictures,
    PageText,
    Question,
    ShotText,
    Summary,
    Understanding,
    VerifiedBy,
    VideoText,
    WrittenBy,
)
from folioscope.model.blocks import (
    CUE_KINDS,
    Block,
    BlockKind,
    Box,
    Cell,
    Check,
    LayerVerdict,
    Omission,
    Reduced,
    ReferenceKind,
    Span,
    TextLayer,
    Word,
    cue_text,
    reduced,
)
from folioscope.model.segments import (
    Frame,
    PageInput,
    Reading,
    RgbImage,
    SegmentInput,
    ShotInput,
    TextSource,
    TokenProbability,
    Usage,
)

__all__ = [
    "Replica",
    "ReplicaDescription",
    "Task",
    "TASKS",
    "UnavailableError",
    "Block",
    "BlockKind",
    "Box",
    "CUE_KINDS",
    "Cell",
    "Check",
    "Omission",
    "ReferenceKind",
    "Span",
    "LayerVerdict",
    "Reduced",
    "TextLayer",
    "Word",
    "cue_text",
    "reduced",
    "Frame",
    "PageInput",
    "Reading",
    "RgbImage",
    "SegmentInput",
    "ShotInput",
    "TextSource",
    "TokenProbability",
    "Usage",
    "Answer",
    "AssetTasks",
    "AssetText",
    "Chapter",
    "DocumentText",
    "Evidence",
    "FramePictures",
    "KeyPoint",
    "PagePictures",
    "PageText",
    "Question",
    "ShotText",
    "Summary",
    "Understanding",
    "VerifiedBy",
    "WrittenBy",
    "VideoText",
]

Task = Literal["read", "summarize", "answer"]
TASKS: Final[tuple[Task, ...]] = get_args(Task)


class UnavailableError(RuntimeError):
    """What a replica needs cannot be had now, such as a server that is down: no fault of the page or question."""


class Replica(Protocol):
    """One loaded model. Methods may raise: the pipeline turns that into a failure row, segment by segment."""

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        """One reading a page or shot, in order; an exception in its place says what is wrong with that one alone.

        Takes segments as it has room for them, and gives a reading as soon as it and those before it are done. None
        says that the next one is not ready yet, and comes only while readings are owed: go on with those.
        """

    def understand(self, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
        """One understanding for each of the tasks, as they are done, in any order; tell them apart by ``asset_id``.

        Takes tasks as it has room for them, also while it works on others; no two at a time may be of the same asset.
        What goes wrong with one task stands in its place. None says that the next is not ready yet, and comes only
        while understandings are owed: go on with those. What an asset's requests shared (its pages' pictures and their
        place in the model's cache) is let go with its understanding.
        """


@dataclass(frozen=True, slots=True)
class ReplicaDescription:
    """What the driver must know of a model without loading it.

    ``settings`` holds, task by task, everything about the replica that decides a document's result, ``video_settings``
    the same of a video's: so that what is changed for one leaves the other's results valid. Their hash goes into the
    recipe. ``reads_layer`` means that pages with a usable text layer need not be rendered for it; ``looks`` that it
    wants the pages' or shots' pictures for summaries and answers, too; ``batches`` that it works on many pages or
    assets at once, and slows down where it is given few. ``tasks`` are what it can do: some models only read.
    """

    name: str
    revision: str
    reads_layer: bool
    settings: dict[Task, dict[str, str]] = field(default_factory=dict)
    video_settings: dict[Task, dict[str, str]] = field(default_factory=dict)
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    looks: bool = False
    batches: bool = False
    tasks: tuple[Task, ...] = TASKS
