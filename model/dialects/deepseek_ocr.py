"""DeepSeek-OCR (and -2): Markdown in which every part follows a grounding: its label and boxes in 999ths of the page.

    <|ref|>text<|/ref|><|det|>[[84, 120, 912, 167]]<|/det|>
    The words of the part.

Prompt and format as in deepseek-ai/DeepSeek-OCR. The marks are special tokens, so servers must be told to keep them.
"""

from __future__ import annotations

import re
from typing import Final

from folioscope.model.dialects.base import Dialect, Transcript, box_of, transcript_of
from folioscope.model.dialects.latex import bare, to_dollars
from folioscope.model.dialects.markdown import to_blocks, unfenced
from folioscope.model.engine.interface import Sampling
from folioscope.model.protocol import Block, BlockKind, Box

SCALE = 999
KINDS: Final[dict[str, BlockKind]] = {
    "equation": "formula",
    "figure_title": "caption",
    "footer": "footer",
    "footnote": "footnote",
    "header": "header",
    "image": "picture",
    "image_caption": "caption",
    "page_number": "footer",
    "sub_title": "heading",
    "table": "table",
    "table_caption": "caption",
    "table_footnote": "footnote",
    "title": "heading",
}
_GROUNDING = re.compile(r"<\|ref\|>(.*?)<\|/ref\|>\s*<\|det\|>(.*?)<\|/det\|>", re.S)
_LEFT_OVER = re.compile(r"<\|/?(?:ref|det|grounding)\|>|<｜[^｜>]{1,40}｜>")
_BOX = re.compile(r"\[\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\]")
_MARKS = re.compile(r"\A(#{1,6})\s+")


class DeepSeekOcrDialect(Dialect):
    name = "deepseek-ocr"
    prompt = "<|grounding|>Convert the document to markdown."
    sampling = Sampling(8192)
    keeps_special_tokens = True

    def parse(self, said: str, width: int, height: int) -> Transcript:
        parts = _GROUNDING.split(said)
        before = _clean(parts[0])
        if len(parts) == 1:
            text = to_dollars(unfenced(before))
            return Transcript(text, to_blocks(text))
        found = [Block("text", before)] if before else []
        for label, boxes, words in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            found.append(_block(label.strip(), _around(boxes), _clean(words)))
        return transcript_of(found)


def _block(label: str, box: Box | None, words: str) -> Block:
    kind = KINDS.get(label, "text")
    if kind == "formula":
        return Block("formula", bare(words), box)
    if kind == "heading":
        marks = _MARKS.match(words)
        return Block(
            "heading", to_dollars(_MARKS.sub("", words)), box, level=len(marks[1]) if marks else 1 + (label != "title")
        )
    return Block(kind, to_dollars(words), box)


def _around(boxes: str) -> Box | None:
    """The box around all that a grounding names."""
    found = [[int(number) for number in box] for box in _BOX.findall(boxes)]
    if not found:
        return None
    edges = list(zip(*found, strict=True))
    return box_of([min(edges[0]), min(edges[1]), max(edges[2]), max(edges[3])], SCALE, SCALE)


def _clean(words: str) -> str:
    return _LEFT_OVER.sub("", words).strip()
