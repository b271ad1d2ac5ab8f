"""MinerU2.5 (opendatalab/MinerU2.5): first the page's regions, with boxes in thousandths, then the words of each.

    <|box_start|>120 064 880 110<|box_end|><|ref_start|>title<|ref_end|><|rotate_up|>

Prompts and format as in opendatalab/mineru-vl-utils: the layout is found on a square picture of 1,036 pixels, the words
are read from cuts of the page itself, turned upright. Tables come in OTSL. The marks are special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from folioscope.model.dialects.base import Region, RegionDialect, Transcript, box_of, transcript_of
from folioscope.model.dialects.latex import bare, to_dollars
from folioscope.model.dialects.otsl import is_otsl, to_html
from folioscope.model.engine.interface import Sampling
from folioscope.model.protocol import Block, BlockKind

LAYOUT_SIDE = 1036
SCALE = 1000
KINDS: Final[dict[str, BlockKind]] = {
    "algorithm": "code",
    "code": "code",
    "code_caption": "caption",
    "equation": "formula",
    "footer": "footer",
    "header": "header",
    "image": "picture",
    "image_caption": "caption",
    "image_footnote": "footnote",
    "page_footnote": "footnote",
    "page_number": "footer",
    "table": "table",
    "table_caption": "caption",
    "table_footnote": "footnote",
    "title": "heading",
}
PROMPTS: Final = {"table": "\nTable Recognition:", "equation": "\nFormula Recognition:", "image": ""}
TEXT_PROMPT: Final = "\nText Recognition:"
GROUPS = frozenset({"list", "equation_block"})  # are read in their parts
# The sideways marks name where the top of the words points to; this is the clockwise turn that sets them upright.
_TURNS: Final = {"rotate_up": 0, "rotate_right": 270, "rotate_down": 180, "rotate_left": 90}
_REGION = re.compile(
    r"<\|box_start\|>\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*<\|box_end\|>"
    r"<\|ref_start\|>(\w+)<\|ref_end\|>(?:<\|(rotate_\w+)\|>)?"
)
_LEFT_OVER = re.compile(r"<\|(?:box|ref)_(?:start|end)\|>|<\|rotate_\w+\|>|<\|im_end\|>|<\|txt_contd\|>")


class MinerUDialect(RegionDialect):
    name = "mineru"
    prompt = "\nLayout Detection:"
    sampling = Sampling(8192)
    keeps_special_tokens = True

    def fit(self, width: int, height: int) -> tuple[int, int]:
        return LAYOUT_SIDE, LAYOUT_SIDE

    def regions(self, said: str) -> tuple[Region, ...]:
        found = []
        for match in _REGION.finditer(said):
            label = match[5].casefold()
            box = box_of([int(match[number]) for number in range(1, 5)], SCALE, SCALE)
            if box is not None and label not in GROUPS:
                found.append(Region(box, PROMPTS.get(label, TEXT_PROMPT), label, _TURNS.get(match[6] or "", 0)))
        return tuple(found)

    def assemble(self, regions: Sequence[Region], said: Sequence[str]) -> Transcript:
        return transcript_of([_block(region, words) for region, words in zip(regions, said, strict=True)])


def _block(region: Region, said: str) -> Block:
    kind = KINDS.get(region.label, "text")
    words = _LEFT_OVER.sub("", said).strip()
    if kind == "picture":
        return Block("picture", "", region.box)
    if kind == "table":
        return Block("table", to_html(words) if is_otsl(words) else words, region.box)
    if kind == "formula":
        return Block("formula", bare(words), region.box)
    if kind == "code":
        return Block("code", words, region.box)
    return Block(kind, to_dollars(words), region.box, level=int(kind == "heading"))
