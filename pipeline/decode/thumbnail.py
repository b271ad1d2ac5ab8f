"""Small pictures for people to browse: one WebP a page or shot, made where the picture is at hand.

Runs inside a decode child. Making one of a picture costs about 15 ms and 25 KiB at 640 pixels; a page that is not
rendered for its reader is drawn once more, small, which costs what a page costs to draw, 10 to 40 ms.
"""

from __future__ import annotations

import io

from PIL import Image

from folioscope.model.protocol import RgbImage

QUALITY = 70
EFFORT = 2  # of 0..6; at 4, Pillow's own, it takes twice as long and saves nothing
QUARTERS = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}


def make_thumbnail(image: RgbImage, longest_side: int) -> bytes:
    """The picture within a square of ``longest_side`` pixels; a smaller one keeps its size."""
    picture = Image.fromarray(image)
    picture.thumbnail((longest_side, longest_side), Image.Resampling.BOX)
    return _webp(picture)


def turn_thumbnail(thumbnail: bytes, clockwise: int) -> bytes:
    """The same small picture, turned by whole quarters."""
    with Image.open(io.BytesIO(thumbnail), formats=("WEBP",)) as picture:
        return _webp(picture.transpose(QUARTERS[clockwise]))


def turned_thumbnail(given: tuple[bytes, int]) -> bytes:
    """The same for a decode child, which takes one argument."""
    return turn_thumbnail(*given)


def webp_size(picture: bytes) -> tuple[int, int]:
    """Width and height, read from the first bytes: nothing is decoded. (0, 0) of what is no WebP."""
    form = picture[12:16]
    if picture[:4] != b"RIFF" or len(picture) < 30:
        return 0, 0
    if form == b"VP8 ":
        return int.from_bytes(picture[26:28], "little") & 0x3FFF, int.from_bytes(picture[28:30], "little") & 0x3FFF
    if form == b"VP8L":
        bits = int.from_bytes(picture[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8X":
        return int.from_bytes(picture[24:27], "little") + 1, int.from_bytes(picture[27:30], "little") + 1
    return 0, 0


def _webp(picture: Image.Image) -> bytes:
    target = io.BytesIO()
    picture.save(target, "WEBP", quality=QUALITY, method=EFFORT)
    return target.getvalue()
