"""What can be said of a page without any model: whether it is blank, and how far a text agrees with its text layer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from rapidfuzz import fuzz

from model.protocol import Block, RgbImage

BLANK_DEVIATION = 2.0  # grey levels; below it a page holds nothing that ink could have made
FEWEST_WORDS = 20  # below, a share of words says little
DISAGREEMENT = 0.4  # share of words that the other side lacks, from which a page is flagged
_MARKUP = re.compile(r"<[^>]*>|[*_#|`$\\]+")


def is_blank(image: RgbImage) -> bool:
    """True where nothing on the page stands out from the paper, its outermost hundredth left aside."""
    height, width = image.shape[:2]
    inner = image[height // 100 : height - height // 100 or None, width // 100 : width - width // 100 or None]
    grey = inner[::2, ::2].mean(axis=2)
    return bool(grey.std() < BLANK_DEVIATION and np.ptp(grey) < 40)


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
