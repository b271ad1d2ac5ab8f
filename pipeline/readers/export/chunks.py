"""Chunks for retrieval: passages of bounded length below one heading, with their pages, boxes and heading path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from folioscope.model.plain_text import strip_markup
from folioscope.model.protocol import Block, Box
from folioscope.pipeline.readers.export.selection import ExportedSegment

CHUNK_CHARS = 1_500
LEFT_OUT = frozenset({"header", "footer", "comment"})


@dataclass(frozen=True, slots=True)
class ChunkBox:
    """A block of the chunk: the page or shot that it stands on, and its box there."""

    number: int
    kind: str
    bbox: Box | None
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """``headings`` are the titles above the passage, outermost first; ``boxes`` its blocks in reading order."""

    text: str
    headings: tuple[str, ...]
    first: int
    last: int
    boxes: tuple[ChunkBox, ...]


@dataclass(slots=True)
class _Open:
    headings: tuple[str, ...]
    texts: list[str] = field(default_factory=list)
    boxes: list[ChunkBox] = field(default_factory=list)
    chars: int = 0

    def add(self, text: str, box: ChunkBox) -> None:
        self.texts.append(text)
        self.boxes.append(box)
        self.chars += len(text)

    def close(self) -> Chunk:
        numbers = [box.number for box in self.boxes]
        return Chunk("\n\n".join(self.texts), self.headings, min(numbers), max(numbers), tuple(self.boxes))


def chunks_of(segments: Sequence[ExportedSegment], limit: int = CHUNK_CHARS) -> Iterator[Chunk]:
    """The passages of a file, in order; every block's words are in exactly one of them.

    A heading starts a new chunk and belongs to the path of those below it. A block longer than ``limit`` characters is
    a chunk of its own: tables and code are not cut.
    """
    path: list[tuple[int, str]] = []
    current = _Open(())
    for segment in segments:
        for block in _blocks(segment):
            if block.kind == "heading":
                if current.texts:
                    yield current.close()
                path = [*(item for item in path if item[0] < block.level), (block.level, strip_markup(block.text))]
                current = _Open(tuple(title for _, title in path[:-1]))
            elif current.texts and current.chars + len(block.text) > limit:
                yield current.close()
                current = _Open(tuple(title for _, title in path))
            start, end = (block.start_s, block.end_s) if block.start_s is not None else (segment.start_s, segment.end_s)
            current.add(block.text.strip(), ChunkBox(segment.number, block.kind, block.bbox, start, end))
    if current.texts:
        yield current.close()


def _blocks(segment: ExportedSegment) -> list[Block]:
    shown = [block for block in segment.blocks if block.kind not in LEFT_OUT and block.text.strip()]
    if shown or not segment.text.strip():
        return shown
    return [Block("text", segment.text)]  # a reader that gives no blocks
