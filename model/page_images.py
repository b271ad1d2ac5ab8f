"""Page pictures: turning them, and telling those that hold nothing."""

from __future__ import annotations

import numpy as np

from folioscope.model.protocol import RgbImage

BLANK_DEVIATION = 2.0  # grey levels; below it a page holds nothing that ink could have made


def turned(image: RgbImage, degrees: int) -> RgbImage:
    """The picture turned clockwise by a multiple of 90 degrees."""
    return image if degrees % 360 == 0 else np.ascontiguousarray(np.rot90(image, k=-degrees // 90))


def is_blank(image: RgbImage) -> bool:
    """True where nothing on the page stands out from the paper, its outermost hundredth left aside."""
    height, width = image.shape[:2]
    inner = image[height // 100 : height - height // 100 or None, width // 100 : width - width // 100 or None]
    grey = inner[::2, ::2].mean(axis=2)
    return bool(grey.std() < BLANK_DEVIATION and np.ptp(grey) < 40)
