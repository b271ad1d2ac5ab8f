"""The nano replica: a Kimi-VL of ten megabytes that truly reads, to try the whole path without a GPU or a model hub.

It reads simple printed pages line by line, counts lines, and says whether a word is on a page. It proves the path, and
says nothing of what the published model can do (examples/nano tells how it was made). Half a second a page.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from model.engine.interface import Completion, EngineName, Request, Sampling, complete_in_order
from model.kimi.conversation import Conversation
from model.kimi.description import NANO_FOLDER
from model.kimi.lines import NO_LINES, LinesOfPage, cut_page
from model.kimi.prompts import NANO_COUNT, NANO_PRESENCE, NANO_READ
from model.kimi.replica import make_engine
from model.kimi_vl import KimiVLProcessor
from model.language import language_of
from model.protocol import (
    Answer,
    AssetText,
    Block,
    Box,
    Evidence,
    FilmText,
    Frame,
    KeyPoint,
    PageInput,
    PageText,
    Question,
    Reading,
    RgbImage,
    SegmentInput,
    ShotInput,
    ShotText,
    Summary,
    Usage,
)

_ASKED_WORD = re.compile(r'\bis\s+["“](?P<word>[^"”]{1,40})["”]\s+(?:on|in)\b', re.I)
_NOTHING = Reading("", "none")
_FOUND = re.compile(r"yes, line (\d)")


class NanoReplica:
    """See :class:`model.protocol.Replica`."""

    def __init__(self, engine: EngineName = "torch", folder: Path = NANO_FOLDER) -> None:
        self.engine, _ = make_engine(str(folder), engine)
        self._conversation = Conversation(KimiVLProcessor.from_pretrained(folder))
        self._number = 0

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
        requests = [self._request(cut.image, NANO_READ, 64 * (cut.last - cut.first + 1)) for cut in lines.cuts]
        completions = complete_in_order(self.engine, requests)
        return self._reading(lines, completions, time.perf_counter() - begun)

    def summarize(self, asset: AssetText) -> Summary:
        """How many lines the model counts on each page or in each shot, and the first line of each."""
        begun = time.perf_counter()
        counts: list[int] = []
        points: list[KeyPoint] = []
        used = Usage()
        for view in _views(asset):
            requests = [self._request(cut.image, NANO_COUNT, 4) for cut in view.lines.cuts]
            completions = complete_in_order(self.engine, requests)
            said = [self._conversation.text(completion) for completion in completions]
            counts.append(sum(int(text) for text in said if text.isdecimal()))
            used = _added(used, completions)
            if first := next((line for line in view.text.splitlines() if line.strip()), ""):
                points.append(KeyPoint(f"{counts[-1]} lines or pieces of lines", (view.evidence(first),)))
        noun = "shots" if isinstance(asset, FilmText) else "pages"
        text = f"{len(counts)} {noun} with {sum(counts)} lines or pieces of lines, as the model counts them."
        return Summary(text, "abstractive", tuple(points), usage=_timed(used, begun))

    def answer(self, asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
        """Answers "Is "WORD" on the page?" by looking; anything else is not answerable for it."""
        begun = time.perf_counter()
        words = {q.question_id: match["word"] for q in questions if (match := _ASKED_WORD.search(q.text))}
        seen: dict[str, tuple[Evidence, ...]] = dict.fromkeys(words, ())
        used = Usage()
        for number, view in enumerate(_views(asset) if words else ()):
            for place, cut in enumerate(view.lines.cuts):
                key = f"{asset.asset_id}:{number}:{place}"
                requests = [
                    self._request(cut.image, NANO_PRESENCE.format(word=word), 24, key) for word in words.values()
                ]
                completions = complete_in_order(self.engine, requests)
                used = _added(used, completions)
                for id_, completion in zip(words, completions, strict=True):
                    found = _FOUND.match(self._conversation.text(completion))
                    if found:
                        line = min(cut.first + int(found[1]) - 1, cut.last)
                        seen[id_] += (view.evidence(words[id_], view.lines.boxes[line]),)
        share = _timed(used, begun)
        return [
            Answer(
                question.question_id,
                "yes" if seen.get(question.question_id) else None,
                bool(seen.get(question.question_id)),
                evidence=seen.get(question.question_id, ()),
                usage=share if number == 0 else Usage(),
            )
            for number, question in enumerate(questions)
        ]

    def _request(self, image: RgbImage, task: str, new_tokens: int, key: str | None = None) -> Request:
        prompt = self._conversation.prompt(self._conversation.share([image]), task)
        self._number += 1
        return Request(
            f"nano-{self._number}",
            prompt.ids,
            Sampling(new_tokens),
            self._conversation.stop_ids,
            prompt.pictures,
            prefix_key=key,
            prefix_tokens=prompt.shared if key is not None else 0,
        )

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
                sure[line] = min(sure[line], float(np.exp(completion.mean_logprob)))
            usage = _added(usage, [completion])
        cut_off = any(completion.finish_reason != "stop" for completion in found)
        blocks = tuple(_paragraphs(texts, sure, lines))
        text = "\n\n".join(block.text for block in blocks)
        flags = ("cut_off",) if cut_off else ()
        return Reading(text, "model", blocks, language=language_of(text), flags=flags, usage=usage)

    def _lines(self, completion: Completion, wanted: int) -> list[str]:
        """What was read, as so many lines: too many are joined to the last, missing ones are empty."""
        read = self._conversation.text(completion).split("\n")
        return [*read[: wanted - 1], " ".join(read[wanted - 1 :]), *[""] * (wanted - len(read))][:wanted]


def _paragraphs(texts: list[str], sure: list[float], lines: LinesOfPage) -> Iterator[Block]:
    starts = [*sorted(lines.paragraphs), len(texts)]
    for first, end in pairwise(starts):
        boxes = lines.boxes[first:end]
        box = Box(min(b.x0 for b in boxes), boxes[0].y0, max(b.x1 for b in boxes), boxes[-1].y1)
        text = "\n".join(texts[first:end]).strip()
        if text:
            yield Block("text", text, box, min(sure[first:end]))


@dataclass(frozen=True, slots=True)
class _View:
    """What the model looks at: a page, or the middle frame of a shot."""

    segment: PageText | ShotText
    lines: LinesOfPage

    @property
    def text(self) -> str:
        return self.segment.text

    def evidence(self, quote: str, bbox: Box | None = None) -> Evidence:
        if isinstance(self.segment, PageText):
            return Evidence(quote, self.segment.page_number, bbox=bbox)
        return Evidence(quote, start_s=self.segment.start_s, end_s=self.segment.end_s, bbox=bbox)


def _views(asset: AssetText) -> Iterator[_View]:
    assert asset.pictures is not None
    if isinstance(asset, FilmText):
        for shot in asset.shots:
            if shot.frame_times:
                yield _View(shot, cut_page(asset.pictures(shot.frame_times[len(shot.frame_times) // 2])))
        return
    for page in asset.pages:
        yield _View(page, cut_page(asset.pictures(page.page_number)))


def _added(usage: Usage, completions: Sequence[Completion]) -> Usage:
    return Usage(
        usage.input_tokens + sum(completion.computed_tokens for completion in completions),
        usage.output_tokens + sum(len(completion.ids) for completion in completions),
        usage.seconds,
    )


def _timed(usage: Usage, begun: float) -> Usage:
    return Usage(usage.input_tokens, usage.output_tokens, time.perf_counter() - begun)
