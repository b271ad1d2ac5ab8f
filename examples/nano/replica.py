"""The nano replica: a Kimi-VL of ten megabytes that truly reads, to try the whole path without a GPU or a model hub.

It reads simple printed pages line by line, counts lines, and says whether a word is on a page. It proves the path, and
says nothing of what the published model can do (examples/nano tells how it was made). Half a second a page.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from examples.nano.inquiry import NanoInquiry
from examples.nano.lines import NO_LINES, LinesOfPage, cut_page
from examples.nano.words import COUNT, PRESENCE, READ
from folioscope.model.choice import ModelChoice
from folioscope.model.completing import ModelPrompt, ModelReply
from folioscope.model.engine.interface import Completion, Request, Sampling, complete_in_order
from folioscope.model.kimi.completing import Completer
from folioscope.model.kimi.conversation import confidence, request_for
from folioscope.model.kimi.description import fingerprint
from folioscope.model.kimi.loading import engine_of, make_engine
from folioscope.model.kimi.token_conversation import TokenConversation
from folioscope.model.kimi.understanding import Understander
from folioscope.model.kimi_vl import KimiVLProcessor
from folioscope.model.language import language_of
from folioscope.model.protocol import (
    AssetTasks,
    Block,
    Box,
    Frame,
    PageInput,
    Reading,
    ReplicaDescription,
    RgbImage,
    SegmentInput,
    ShotInput,
    Task,
    Understanding,
    Usage,
)

FOLDER: Final = Path(__file__).parent / "checkpoint"
CUTTER: Final = "1"  # version of how pages are cut into lines
_NOTHING = Reading("", "none")


def _description() -> ReplicaDescription:
    revision, _ = fingerprint(str(FOLDER))
    settings = {"cutter": CUTTER, "prompts": f"{READ} {COUNT} {PRESENCE}"}
    tasks: tuple[Task, ...] = ("read", "summarize", "answer")
    of_tasks = dict.fromkeys(tasks, settings)
    return ReplicaDescription("kimi-vl:nano", revision, False, of_tasks, of_tasks, num_cpus=0.5, looks=True)


class NanoReplica:
    """See :class:`folioscope.model.protocol.Replica`."""

    description: ClassVar[ReplicaDescription] = _description()

    def __init__(self, choice: ModelChoice | None = None, folder: Path = FOLDER) -> None:
        choice = choice or ModelChoice("nano")
        self.engine, _ = make_engine(str(folder), replace(choice, engine=engine_of(choice.engine)))
        self._conversation = TokenConversation(KimiVLProcessor.from_pretrained(folder))
        inquiry_of = partial(NanoInquiry, decode=self._conversation.decode)
        self._understander = Understander(self.engine, self._conversation, inquiry_of, schemas=False)
        self._completer = Completer(self.engine, self._conversation, Sampling(64))
        self._number = 0

    def complete(self, prompts: Iterable[ModelPrompt | None]) -> Iterator[ModelReply]:
        """See :class:`folioscope.model.completing.Completing`."""
        return self._completer.complete(prompts)

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        return (self._read(segment) for segment in segments if segment is not None)

    def _read(self, segment: SegmentInput) -> Reading:
        return self._read_shot(segment) if isinstance(segment, ShotInput) else self._read_page(segment)

    def _read_shot(self, shot: ShotInput) -> Reading:
        """Each frame that differs, as a page; a text that several show is one block. It cannot say what it sees."""
        begun = time.perf_counter()
        blocks: dict[str, Block] = {}
        flags: set[str] = set()
        used = Usage()
        shown: Frame | None = None
        page = _NOTHING
        for frame in shot.frames:
            if shown is None or not np.array_equal(shown.image, frame.image):
                page = self._read_page(PageInput(1, shot.width_px, shot.height_px, frame.image, None))
                used = Usage(used.input_tokens + page.usage.input_tokens, used.output_tokens + page.usage.output_tokens)
            shown = frame
            flags.update(page.flags)
            for block in page.blocks:
                known = blocks.get(block.text, replace(block, start_s=frame.time_s))
                blocks[block.text] = replace(known, end_s=frame.time_s)
        usage = _timed(used, begun)
        text = "\n\n".join(blocks)
        if not text:
            return Reading("", "none", flags=("blank",), usage=usage)
        cut_off = ("cut_off",) if "cut_off" in flags else ()
        return Reading(text, "model", tuple(blocks.values()), language=language_of(text), flags=cut_off, usage=usage)

    def _read_page(self, page: PageInput) -> Reading:
        begun = time.perf_counter()
        lines = cut_page(page.image) if page.image is not None else NO_LINES
        requests = [self._request(cut.image, READ, 64 * (cut.last - cut.first + 1)) for cut in lines.cuts]
        completions = complete_in_order(self.engine, requests)
        return self._reading(lines, completions, time.perf_counter() - begun)

    def understand(self, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
        """By looking at pieces of pages again: counting their lines, and whether a word stands there."""
        return self._understander.understand(tasks)

    def _request(self, image: RgbImage, task: str, new_tokens: int) -> Request:
        prompt = self._conversation.prompt(self._conversation.share([image]), task)
        self._number += 1
        return request_for(self._conversation, f"nano-{self._number}", prompt, Sampling(new_tokens))

    def _reading(self, lines: LinesOfPage, found: list[Completion], seconds: float) -> Reading:
        if not lines.cuts:
            return Reading("", "none", flags=("blank",), usage=Usage(seconds=seconds))
        texts = [""] * len(lines.boxes)
        sure = [1.0] * len(lines.boxes)
        usage = Usage(seconds=seconds)
        for cut, completion in zip(lines.cuts, found, strict=True):
            read = self._lines(completion, cut.last - cut.first + 1)
            for line, text in enumerate(read, cut.first):
                texts[line] = f"{texts[line]} {text}".strip()
                sure[line] = min(sure[line], confidence(completion) or 0.0)
            usage = _added(usage, [completion])
        cut_off = any(completion.finish_reason != "stop" for completion in found)
        blocks = tuple(_paragraphs(texts, sure, lines))
        text = "\n\n".join(block.text for block in blocks)
        flags = ("cut_off",) if cut_off else ()
        return Reading(text, "model", blocks, language=language_of(text), flags=flags, usage=usage)

    def _lines(self, completion: Completion, wanted: int) -> list[str]:
        """What was read, as so many lines: too many are joined to the last, missing ones are empty."""
        read = self._conversation.decode(completion.ids).split("\n")
        return [*read[: wanted - 1], " ".join(read[wanted - 1 :]), *[""] * (wanted - len(read))][:wanted]


def _paragraphs(texts: list[str], sure: list[float], lines: LinesOfPage) -> Iterator[Block]:
    starts = [*sorted(lines.paragraphs), len(texts)]
    for first, end in pairwise(starts):
        boxes = lines.boxes[first:end]
        box = Box(min(b.x0 for b in boxes), boxes[0].y0, max(b.x1 for b in boxes), boxes[-1].y1)
        text = "\n".join(texts[first:end]).strip()
        if text:
            yield Block("text", text, box, min(sure[first:end]))


def _added(usage: Usage, completions: Sequence[Completion]) -> Usage:
    return Usage(
        usage.input_tokens + sum(completion.computed_tokens for completion in completions),
        usage.output_tokens + sum(len(completion.ids) for completion in completions),
        usage.seconds,
    )


def _timed(usage: Usage, begun: float) -> Usage:
    return Usage(usage.input_tokens, usage.output_tokens, time.perf_counter() - begun)
