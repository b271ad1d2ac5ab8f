"""How far a reading agrees with the page's own text layer: free truth, wherever the layer can be trusted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from rapidfuzz import fuzz

from model.protocol import Block

FEWEST_WORDS = 20  # below, a share of words says little
DISAGREEMENT = 0.4  # share of words that the other side lacks, from which a page is flagged
_MARKUP = re.compile(r"<[^>]*>|[*_#|`$\\]+")


def agreement(text: str, blocks: Sequence[Block]) -> float | None:
    """0..1 likeness of a text and a layer's blocks, word order aside; None where the layer holds no words."""
    layer = " ".join(block.text for block in blocks)
    return fuzz.token_sort_ratio(text, layer) / 100 if layer.strip() else None


def disagreement(text: str, blocks: Sequence[Block]) -> Literal["invented", "omitted"] | None:
    """How a reading differs widely from a text layer that can be trusted; None where it does not.

    ``invented``: many of its words stand nowhere on the page. ``omitted``: many of the page's words are not in it.
    """
    read = _words(text)
    layer = _words(" ".join(block.text for block in blocks))
    if read.total() >= FEWEST_WORDS and (read - layer).total() > DISAGREEMENT * read.total():
        return "invented"
    if layer.total() >= FEWEST_WORDS and (layer - read).total() > DISAGREEMENT * layer.total():
        return "omitted"
    return None


def _words(text: str) -> Counter[str]:
    return Counter(word.casefold() for word in re.findall(r"\w+", _MARKUP.sub(" ", text)))
