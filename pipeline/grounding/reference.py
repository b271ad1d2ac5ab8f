"""What a reference reader found on a page: its words with their boxes, or only where text stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from folioscope.model.blocks import Box, Reduced, ReferenceKind, reduced

Boxes = NDArray[np.float32]  # (words, 4): x0, y0, x1, y1 as shares of the upright page


ReferenceMode = Literal["auto", "layer", "ocr", "none"]


@dataclass(frozen=True, slots=True)
class Reference:
    """The words of a page in the order in which its reader gives them; of ``ocr_detection`` only the lines' boxes.

    ``optional`` marks words that a faithful reading may leave out: running headers, footers, page numbers.
    ``seconds`` are what the CPU took. ``failed``: the reader broke off, and nothing is known of the page.
    """

    kind: ReferenceKind
    words: tuple[str, ...]
    boxes: Boxes
    optional: NDArray[np.bool_]
    seconds: float = 0.0
    failed: bool = False

    @property
    def is_full(self) -> bool:
        """Whether its words are told, so that a reading can be compared with them."""
        return self.kind in ("text_layer", "ocr")

    def turned(self, degrees: int) -> Reference:
        """The same on the page turned clockwise by a multiple of 90 degrees."""
        x0, y0, x1, y1 = self.boxes.T
        quarter = degrees % 360
        if quarter == 0 or not len(self.boxes):
            return self
        if quarter == 90:
            boxes = np.stack([1 - y1, x0, 1 - y0, x1], axis=1)
        elif quarter == 180:
            boxes = np.stack([1 - x1, 1 - y1, 1 - x0, 1 - y0], axis=1)
        else:
            boxes = np.stack([y0, 1 - x1, y1, 1 - x0], axis=1)
        return replace(self, boxes=np.ascontiguousarray(boxes))

    def and_also(self, other: Reference, seconds: float) -> Reference:
        """With the words of another look at the page behind its own."""
        return replace(
            self,
            words=(*self.words, *other.words),
            boxes=np.concatenate([self.boxes, other.boxes]),
            optional=np.concatenate([self.optional, other.optional]),
            seconds=self.seconds + seconds,
        )

    def __reduce__(self) -> Reduced:
        return reduced(self)


def reference_of(
    kind: ReferenceKind, words: Sequence[tuple[str, Box]], optional: Sequence[bool] = (), seconds: float = 0.0
) -> Reference:
    """A reference of words and boxes; where nothing is said of it, no word is optional."""
    boxes = np.array([(box.x0, box.y0, box.x1, box.y1) for _, box in words], np.float32).reshape(-1, 4)
    marks = np.array(optional if len(optional) else [False] * len(words), np.bool_)
    return Reference(kind, tuple(text for text, _ in words), boxes, marks, seconds)


NO_REFERENCE = reference_of("none", ())
