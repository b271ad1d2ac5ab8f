"""The embedded replica: the default where there is no GPU. All its weights come inside packages; it never invents.

It reads usable text layers as they are and everything else by OCR, and it summarises and answers with sentences of
the document itself. Costs about a second a page of CPU for OCR, a gigabyte of memory at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from model.embedded import answer as answering
from model.embedded import read as reading
from model.embedded import summarize as summarizing
from model.protocol import (
    Answer,
    AssetText,
    FilmText,
    Question,
    Reading,
    ReplicaDescription,
    SegmentInput,
    ShotInput,
    Summary,
)

DESCRIPTION = ReplicaDescription(
    name="embedded",
    revision="1",
    reads_layer=True,
    settings={"read": reading.SETTINGS, "summarize": summarizing.SETTINGS, "answer": answering.SETTINGS},
    num_cpus=0.5,
)


class EmbeddedReplica:
    def read(self, segments: Iterable[SegmentInput]) -> Iterator[Reading | Exception]:
        return map(_read, segments)

    def summarize(self, asset: AssetText) -> Summary:
        if isinstance(asset, FilmText):
            raise NotImplementedError("films")
        return summarizing.summarize(asset)

    def answer(self, asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
        if isinstance(asset, FilmText):
            raise NotImplementedError("films")
        return answering.answer(asset, questions)


def _read(segment: SegmentInput) -> Reading:
    if isinstance(segment, ShotInput):
        raise NotImplementedError("shots")
    return reading.read_page(segment)
