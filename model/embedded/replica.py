"""The embedded replica: the default where there is no GPU. All its weights come inside packages; it never invents.

It reads usable text layers as they are and everything else by OCR, and it summarises and answers with sentences of
the document, or words on the video's screen, themselves. Costs about a second of CPU for OCR of a page or frame, a
gigabyte of memory at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from folioscope.model.embedded import answer as answering
from folioscope.model.embedded import chapters, frame_text, ocr, shots
from folioscope.model.embedded import read as reading
from folioscope.model.embedded import summarize as summarizing
from folioscope.model.embedded import videos as videos
from folioscope.model.embedded.screen import Screen
from folioscope.model.one_by_one import understand_one_by_one
from folioscope.model.protocol import (
    Answer,
    AssetTasks,
    AssetText,
    Question,
    Reading,
    ReplicaDescription,
    SegmentInput,
    ShotInput,
    Summary,
    Understanding,
    VideoText,
)

DESCRIPTION = ReplicaDescription(
    name="embedded",
    revision="1",
    reads_layer=True,
    settings={"read": reading.SETTINGS, "summarize": summarizing.SETTINGS, "answer": answering.SETTINGS},
    video_settings={
        "read": {**ocr.SETTINGS, **frame_text.SETTINGS, **shots.SETTINGS},
        "summarize": {**summarizing.SETTINGS, **videos.SETTINGS, **chapters.SETTINGS},
        "answer": {**answering.SETTINGS, "cues": "1"},
    },
    num_cpus=0.5,
)


class EmbeddedReplica:
    def __init__(self) -> None:
        self._screen = Screen()

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        return (self._read(segment) for segment in segments if segment is not None)

    def _read(self, segment: SegmentInput) -> Reading:
        if isinstance(segment, ShotInput):
            return shots.read_shot(segment, self._screen)
        return reading.read_page(segment)

    def understand(self, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
        return understand_one_by_one(self, tasks)

    def summarize(self, asset: AssetText) -> Summary:
        return videos.summarize_video(asset) if isinstance(asset, VideoText) else summarizing.summarize(asset)

    def answer(self, asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
        return answering.answer(asset, questions)
