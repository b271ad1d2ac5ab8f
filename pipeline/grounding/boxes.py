"""Boxes of words, and which of them belong together: a block's box is that of its words without those gone astray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from folioscope.model.blocks import Box
from folioscope.pipeline.grounding.reference import Boxes

APART = 3.0  # line heights between words that hang together
STRAY = 0.2  # of a block's words that stand above or below the rest, at most
STRAY_ASIDE = 0.05  # the same of words to its left or right, in a block of many
MANY = 30
AGREES = 0.6  # of a block's words whose middle a model's own box must hold
HALF = 0.5


def hull(boxes: Boxes) -> Box | None:
    """The box around boxes."""
    if not len(boxes):
        return None
    x0, y0 = boxes[:, :2].min(axis=0)
    x1, y1 = boxes[:, 2:].max(axis=0)
    return Box(float(x0), float(y0), float(x1), float(y1))


def together(boxes: Boxes, *, columns: bool) -> Boxes:
    """Boxes of a block's words without the few that stand apart: other words of the same spelling.

    ``columns``: the block may be parted from left to right, as a table is.
    """
    kept = _densest(boxes, 1, STRAY)
    return kept if columns or len(kept) < MANY else _densest(kept, 0, STRAY_ASIDE)


def _densest(boxes: Boxes, axis: int, least: float) -> Boxes:
    """Boxes without the parts of them that are cut off along an axis and hold less than a share of all."""
    if len(boxes) < 3:
        return boxes
    height = float(np.median(boxes[:, 3] - boxes[:, 1]))
    order = np.argsort(boxes[:, axis], kind="stable")
    ranked = boxes[order]
    reach = np.maximum.accumulate(ranked[:, axis + 2])
    cuts = np.flatnonzero(ranked[1:, axis] - reach[:-1] > APART * height) + 1
    parts = np.split(order, cuts)
    kept = [part for part in parts if len(part) > least * len(boxes)]
    return boxes[np.concatenate(kept)] if kept and len(kept) < len(parts) else boxes


def held(box: Box, boxes: Boxes) -> NDArray[np.bool_]:
    """Which boxes have their middle in a box."""
    if not len(boxes):
        return np.zeros(0, np.bool_)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    return np.asarray((x >= box.x0) & (x <= box.x1) & (y >= box.y0) & (y <= box.y1), np.bool_)


def agrees(own: Box, words: Boxes) -> bool:
    """Whether a box that a model wrote fits the words that it should hold: it holds most, and is not far larger."""
    around = hull(words)
    if around is None or held(own, words).mean() < AGREES:
        return False
    return _area(own) * HALF <= max(_area(around), 1e-6) * 2


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    common = max(0.0, width) * max(0.0, height)
    whole = _area(one) + _area(other) - common
    return common / whole if whole > 0 else 0.0


def _area(box: Box) -> float:
    return max(0.0, box.x1 - box.x0) * max(0.0, box.y1 - box.y0)
