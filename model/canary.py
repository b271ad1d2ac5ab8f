"""Two packaged pages of known text, to tell whether a loaded model reads at all.

Wrong weights, shifted token ids, a wrong chat template, an overflow or a server that degenerates give fluent rubbish
without an error. These pages go the way of real ones: the same prompt, processor and engine. What comes back is
compared letter by letter. A reading costs what a small page costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image
from rapidfuzz.distance import Levenshtein

from folioscope.model.plain_text import normal_form, strip_markup
from folioscope.model.protocol import PageInput, Reading

FOLDER = Path(__file__).resolve().parent / "canary_pages"


@dataclass(frozen=True, slots=True)
class CanaryPage:
    """A page and what stands on it, in the form in which texts are compared."""

    name: str
    page: PageInput
    text: str


@lru_cache
def canary_pages() -> tuple[CanaryPage, ...]:
    """The packaged pages."""
    return tuple(_load(path) for path in sorted(FOLDER.glob("*.png")))


def _load(path: Path) -> CanaryPage:
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.uint8)
    height, width = pixels.shape[:2]
    return CanaryPage(
        path.stem, PageInput(1, width, height, pixels, None), normal_form(path.with_suffix(".txt").read_text())
    )


def character_error(page: CanaryPage, found: Reading | Exception) -> float:
    """0..1 share of the page's letters that a reading has wrong; an error in its place has all of them wrong."""
    if isinstance(found, Exception):
        return 1.0
    read = normal_form(strip_markup(found.text))
    return min(1.0, Levenshtein.distance(page.text, read) / len(page.text))
