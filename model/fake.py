"""The fake replica: deterministic and instant, for tests of the pipeline and for timing it without a model.

It reads the text layer's words as they are, and of a shot the colours of its frames, so that its rows depend on the
segment and on nothing else. The environment variable FOLIOSCOPE_FAKE_SECONDS makes it take that long for each segment,
as a model would; FOLIOSCOPE_FAKE_HOLD names a file, and while that is there no segment is begun.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence

from folioscope.model.completing import ModelPrompt, ModelReply
from folioscope.model.one_by_one import understand_one_by_one
from folioscope.model.protocol import (
    Answer,
    AssetTasks,
    AssetText,
    Block,
    Box,
    Chapter,
    Evidence,
    Frame,
    KeyPoint,
    PageInput,
    Question,
    Reading,
    ReplicaDescription,
    SegmentInput,
    ShotInput,
    Summary,
    TextSource,
    Understanding,
    Usage,
    VideoText,
)

DESCRIPTION = ReplicaDescription(
    name="fake",
    revision="1",
    reads_layer=True,
    settings={"read": {}, "summarize": {}, "answer": {}},
    video_settings={"read": {}, "summarize": {}, "answer": {}},
    num_cpus=0.5,
)
_WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class FakeReplica:
    def __init__(self) -> None:
        self._seconds = float(os.environ.get("FOLIOSCOPE_FAKE_SECONDS", "0"))
        self._hold = os.environ.get("FOLIOSCOPE_FAKE_HOLD")

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        for segment in segments:
            if segment is not None:
                self._take_time()
                yield _read_shot(segment) if isinstance(segment, ShotInput) else _read_page(segment)

    def complete(self, prompts: Iterable[ModelPrompt | None]) -> Iterator[ModelReply]:
        """A letter from A to D, decided by the prompt's words alone."""
        for prompt in prompts:
            if prompt is not None:
                self._take_time()
                words = "\0".join(item for item in prompt.items if isinstance(item, str))
                letter = "ABCD"[hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest()[0] % 4]
                yield ModelReply(prompt.key, letter, usage=Usage(len(words.split()), 1, self._seconds))

    def _take_time(self) -> None:
        while self._hold and os.path.exists(self._hold):
            time.sleep(0.05)
        time.sleep(self._seconds)

    def understand(self, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
        return understand_one_by_one(self, tasks)

    def summarize(self, asset: AssetText) -> Summary:
        """The first line of the first segment that holds one; each shot of a video is a chapter."""
        line = next(_lines(asset), None)
        points = () if line is None else (KeyPoint(line.quote, (line,)),)
        chapters: tuple[Chapter, ...] = ()
        if isinstance(asset, VideoText):
            chapters = tuple(Chapter(f"Shot {shot.shot_number}", shot.start_s, shot.end_s) for shot in asset.shots)
        text = "" if line is None else line.quote
        return Summary(text, "extractive", points, chapters, Usage(output_tokens=len(points)))

    def answer(self, asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
        """The first line that holds the question's last word."""
        return [_answer(asset, question) for question in questions]


def _read_page(page: PageInput) -> Reading:
    blocks = page.layer.blocks if page.layer else ()
    return _reading(blocks)


def _read_shot(shot: ShotInput) -> Reading:
    """One line for each run of frames of the same mean colour, such as ``colour 12 200 31``."""
    runs: list[list[Frame]] = []
    for frame in shot.frames:
        if runs and _colour(runs[-1][0]) == _colour(frame):
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return _reading([Block("text", _colour(run[0]), _WHOLE, 1.0, 0, run[0].time_s, run[-1].time_s) for run in runs])


def _colour(frame: Frame) -> str:
    red, green, blue = frame.image.mean(axis=(0, 1)).round().astype(int).tolist()
    return f"colour {red} {green} {blue}"


def _reading(blocks: Sequence[Block]) -> Reading:
    text = "\n\n".join(block.text for block in blocks)
    source: TextSource = "none"
    if text:
        source = "model" if blocks[0].start_s is not None else "text_layer"
    return Reading(text, source, tuple(blocks), flags=() if text else ("blank",), usage=Usage(1, len(text.split())))


def _lines(asset: AssetText) -> Iterator[Evidence]:
    if isinstance(asset, VideoText):
        for shot in asset.shots:
            for line in filter(str.strip, shot.text.splitlines()):
                yield Evidence(line, start_s=shot.start_s, end_s=shot.end_s)
        return
    for page in asset.pages:
        for line in filter(str.strip, page.text.splitlines()):
            yield Evidence(line, page.page_number)


def _answer(asset: AssetText, question: Question) -> Answer:
    word = question.text.rstrip("?!. ").rpartition(" ")[2].casefold()
    for line in _lines(asset):
        if word in line.quote.casefold():
            return Answer(question.question_id, line.quote, True, 1.0, (line,))
    return Answer(question.question_id, None, False, 1.0)
