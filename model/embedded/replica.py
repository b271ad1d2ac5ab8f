"""The embedded replica: the default where there is no GPU. All its weights come inside packages; it never invents.

It reads usable text layers as they are and everything else by OCR, and it summarises and answers with sentences of
the document, or words on the film's screen, themselves. Costs about a second of CPU for OCR of a page or frame, a
gigabyte of memory at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from model.embedded import answer as answering
from model.embedded import chapters, films, ocr, shots
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
    film_settings={
        "read": {**ocr.SETTINGS, **shots.SETTINGS},
        "summarize": {**summarizing.SETTINGS, **films.SETTINGS, **chapters.SETTINGS},
        "answer": answering.SETTINGS,
    },
    num_cpus=0.5,
)


class EmbeddedReplica:
    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        return (_read(segment) for segment in segments if segment is not None)

    def summarize(self, asset: AssetText) -> Summary:
        return films.summarize_film(asset) if isinstance(asset, FilmText) else summarizing.summarize(asset)

    def answer(self, asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
        return answering.answer(asset, questions)


def _read(segment: SegmentInput) -> Reading:
    return shots.read_shot(segment) if isinstance(segment, ShotInput) else reading.read_page(segment)
