"""The flow of a page's blocks: order mended where the page itself tells it, and paragraphs that were broken apart.

Two things on a page say what follows what: numbers before headings, and a sentence that breaks off. Both overrule
geometry. Linear in the blocks, but for a second ordering where numbered headings are out of order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from folioscope.model.protocol import Block
from folioscope.model.reading_order import reading_order

LOOK_AHEAD = 8
MIN_TORN = 40
_NUMBER = re.compile(r"^(\d{1,3})[.)]?\s+\S")
_END = re.compile(r"(?:[.!?:;…。！？][\"'”’)\]»]*(?:<sup>[^<]*</sup>)*|\S+@\S+|(?:https?://|www\.)\S+)$")


def mend_flow(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The same blocks, in an order that keeps numbered headings in sequence and broken paragraphs together."""
    return tuple(_close_up(_by_numbers(list(blocks))))


def continues(first: Block, second: Block) -> bool:
    """True where ``second`` goes on with the sentence that ``first`` breaks off."""
    return _breaks_off(first) and second.kind == "text" and second.text[:1].islower()


def _breaks_off(block: Block) -> bool:
    text = block.text.rstrip()
    return block.kind == "text" and len(text) >= MIN_TORN and not _END.search(text)


def _by_numbers(blocks: list[Block]) -> list[Block]:
    if _disorder(blocks) == 0 or any(block.bbox is None for block in blocks):
        return blocks
    boxes = [block.bbox for block in blocks if block.bbox is not None]
    columns = [blocks[i] for i in reading_order(boxes)]
    return columns if _disorder(columns) < _disorder(blocks) else blocks


def _disorder(blocks: Sequence[Block]) -> int:
    """How many numbered headings stand after one with a higher number."""
    numbers = [int(match[1]) for block in blocks if block.kind == "heading" and (match := _NUMBER.match(block.text))]
    return sum(later < earlier for earlier, later in pairwise(numbers))


def _close_up(blocks: list[Block]) -> list[Block]:
    """Bring the rest of a broken-off paragraph up to it, past a box or a note that stands between."""
    position = 0
    while position < len(blocks) - 1:
        block, following = blocks[position], blocks[position + 1]
        if _breaks_off(block) and not continues(block, following):
            for other in range(position + 2, min(position + 1 + LOOK_AHEAD, len(blocks))):
                if continues(block, blocks[other]) and not _breaks_off(blocks[other - 1]):
                    blocks.insert(position + 1, blocks.pop(other))
                    break
        position += 1
    return blocks
