"""Small pictures for people to browse: one WebP a page or shot, made where the picture is at hand.

Runs inside a decode child. Making one of a picture costs about 15 ms and 25 KiB at 640 pixels; a page that is not
rendered for its reader is drawn once more, small, which costs what a page costs to draw, 10 to 40 ms.
"""

from __future__ import annotations

import io

from PIL import Image

from model.protocol import RgbImage

QUALITY = 70
EFFORT = 2  # of 0..6; at 4, Pillow's own, it takes twice as long and saves nothing


def make_thumbnail(image: RgbImage, longest_side: int) -> bytes:
    """The picture within a square of ``longest_side`` pixels; a smaller one keeps its size."""
    picture = Image.fromarray(image)
    picture.thumbnail((longest_side, longest_side), Image.Resampling.BOX)
    return _webp(picture)


def turn_thumbnail(thumbnail: bytes, clockwise: int) -> bytes:
    """The same small picture, turned by whole quarters."""
    quarter = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
    with Image.open(io.BytesIO(thumbnail), formats=("WEBP",)) as picture:
        return _webp(picture.transpose(quarter[clockwise]))


def _webp(picture: Image.Image) -> bytes:
    target = io.BytesIO()
    picture.save(target, "WEBP", quality=QUALITY, method=EFFORT)
    return target.getvalue()
