"""The words of a picture that is a subtitle: light or dark letters on an even ground, a line or two of them."""

from __future__ import annotations

import statistics

import numpy as np

from folioscope.model.embedded import ocr
from folioscope.model.protocol import RgbImage

MARGIN = 16  # pixels: letters at the very edge are not found
SURE = 0.5


def read_picture(image: RgbImage) -> tuple[str, float]:
    """(words, their lines parted; how surely they were read). ("", 0.0) where there are none."""
    edge = tuple(int(value) for value in np.median(image.reshape(-1, 3), axis=0))
    padded = np.empty((image.shape[0] + 2 * MARGIN, image.shape[1] + 2 * MARGIN, 3), np.uint8)
    padded[:] = edge
    padded[MARGIN:-MARGIN, MARGIN:-MARGIN] = image
    lines = [line for line in ocr.recognise(padded) if line.confidence >= SURE and line.text.strip()]
    rows: list[list[ocr.Line]] = []
    for line in sorted(lines, key=lambda line: line.box.y0 + line.box.y1):
        if rows and (line.box.y0 + line.box.y1) / 2 < rows[-1][0].box.y1:
            rows[-1].append(line)  # pieces of one line
        else:
            rows.append([line])
    words = "\n".join(" ".join(line.text.strip() for line in sorted(row, key=lambda line: line.box.x0)) for row in rows)
    return words, statistics.fmean(line.confidence for line in lines) if lines else 0.0
