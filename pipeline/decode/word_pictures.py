"""The pictures on a page of text that may hold words: where they stand, few enough that reading them costs little.

Icons, rules and backgrounds of text are left out. About 1 ms a page with pictures.
"""

from __future__ import annotations

from typing import Any

import pymupdf

from folioscope.model.protocol import Box

LEAST_WIDTH, LEAST_HEIGHT = 24.0, 8.0  # points in which a word can stand
LEAST_PIXELS = (24, 8)
MOST_PICTURES = 16  # the largest; a page of a hundred icons costs no more than these
SAME = 0.9  # of the smaller picture's area under the other: drawn twice, or in strips


def word_pictures(page: pymupdf.Page) -> tuple[Box, ...]:
    """Boxes, as shares of the upright page, of the pictures to be read, from the top."""
    whole = page.rect
    found: list[pymupdf.Rect] = []
    for image in page.get_image_info():
        shown = (pymupdf.Rect(image["bbox"]) * page.rotation_matrix) & whole
        if not shown.is_empty and _may_hold_words(shown, image):
            found.append(shown)
    found.sort(key=lambda rect: -rect.get_area())
    kept: list[pymupdf.Rect] = []
    for rect in found:
        if all((rect & other).get_area() < SAME * rect.get_area() for other in kept):
            kept.append(rect)
    kept = sorted(kept[:MOST_PICTURES], key=lambda rect: (rect.y0, rect.x0))
    return tuple(
        Box(rect.x0 / whole.width, rect.y0 / whole.height, rect.x1 / whole.width, rect.y1 / whole.height)
        for rect in kept
    )


def _may_hold_words(shown: pymupdf.Rect, image: dict[str, Any]) -> bool:
    wide, high = max(shown.width, shown.height), min(shown.width, shown.height)
    return bool(
        wide >= LEAST_WIDTH
        and high >= LEAST_HEIGHT
        and image["width"] >= LEAST_PIXELS[0]
        and image["height"] >= LEAST_PIXELS[1]
    )
