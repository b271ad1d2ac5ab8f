"""Draws the demo film: twenty-eight seconds of the river authority's year, cut and lettered as such films are.

    python examples/make_film.py OUT_DIR

A title card, a lower third over a moving picture, a table of figures, a flood that rises, end credits that roll; hard
cuts, one fade, black at the end. Everything is drawn here and encoded with PyAV; the same film each time, in about ten
seconds. A film that is there already is left as it is.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Final

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

NAME: Final = "the-river-year-2024.mp4"
TITLE: Final = "The river year 2024"
SIZE: Final = (960, 540)
RATE: Final = 12
FADE_S: Final = 1.0
INK, PAPER, NIGHT = "#f4f1e8", "#f4f1e8", "#14212b"
WATER, BANK, SKY, STONE = "#2f6f8f", "#5c7a3a", "#c9dbe2", "#8c8578"
LEVELS: Final = (
    ("Gauge", "Highest", "Date"),
    ("Hythe", "3.12 m", "11 Feb"),
    ("Millbridge", "5.84 m", "9 Feb"),
    ("Sallow Weir", "4.07 m", "10 Feb"),
)
CREDITS: Final = (
    "Written by Ada Renner",
    "Camera: Bram Okafor",
    "Gauges read by Tomas Lindqvist",
    "With thanks to the keepers of Sallow Weir",
    "Alder River Authority, 2024",
)

Shot = Callable[[float], Image.Image]  # from the share of the shot that has passed, 0..1, to its picture


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _centred(draw: ImageDraw.ImageDraw, y: float, words: str, size: int, colour: str = INK) -> None:
    draw.text((SIZE[0] / 2, y), words, fill=colour, font=_font(size), anchor="mm")


def title_card(passed: float) -> Image.Image:
    image = Image.new("RGB", SIZE, NIGHT)
    draw = ImageDraw.Draw(image)
    _centred(draw, 230, TITLE, 72)
    _centred(draw, 320, "A film of the Alder River Authority", 30)
    return image


def valley(passed: float) -> Image.Image:
    """The river and a boat on it; no words."""
    image = Image.new("RGB", SIZE, SKY)
    draw = ImageDraw.Draw(image)
    for hill, (height, colour) in enumerate(((150, "#8ea88f"), (110, "#78965f"), (70, BANK))):
        points = [
            (x, 300 - height * math.sin((x / 260) + hill + 0.4 * passed) * 0.5 - height / 2)
            for x in range(0, SIZE[0] + 20, 20)
        ]
        draw.polygon([(0, 540), *points, (SIZE[0], 540)], fill=colour)
    draw.rectangle((0, 380, *SIZE), fill=WATER)
    for wave in range(14):
        x = (wave * 97 + 160 * passed) % (SIZE[0] + 80) - 80
        draw.line((x, 400 + wave * 10, x + 60, 400 + wave * 10), fill="#5d97b3", width=3)
    x = 120 + 620 * passed
    draw.polygon([(x, 420), (x + 120, 420), (x + 96, 452), (x + 24, 452)], fill="#6b3f2a")
    draw.polygon([(x + 60, 330), (x + 60, 412), (x + 112, 412)], fill=PAPER)
    return image


def lower_third(passed: float) -> Image.Image:
    """The weir in front of moving water, and who speaks."""
    image = Image.new("RGB", SIZE, "#49606b")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIZE[0], 180), fill=SKY)
    for pier in range(6):
        draw.rectangle((40 + pier * 170, 120, 120 + pier * 170, 330), fill=STONE)
    for fall in range(60):
        x = fall * 16 + 4 * math.sin(fall)
        y = (fall * 53 + 400 * passed) % 150
        draw.line((x, 190 + y, x, 220 + y), fill="#dfe9ec", width=3)
    draw.rectangle((0, 400, 620, 500), fill=NIGHT)
    draw.text((40, 412), "Ines Farrow, chief engineer", fill=INK, font=_font(36))
    draw.text((40, 460), "The fish pass at Sallow Weir opened in April 2024.", fill=INK, font=_font(22))
    return image


def table_of_levels(passed: float) -> Image.Image:
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    _centred(draw, 70, "Highest water in February", 46, NIGHT)
    for row, cells in enumerate(LEVELS):
        y = 160 + 80 * row
        draw.line((110, y + 56, 850, y + 56), fill=STONE, width=2)
        for cell, x in zip(cells, (120, 430, 680), strict=True):
            draw.text((x, y), cell, fill=NIGHT, font=_font(34))
    return image


def flood(passed: float) -> Image.Image:
    """A gauge on a wall, the water rising along it, and what it comes to."""
    image = Image.new("RGB", SIZE, "#9aa7ad")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 150, SIZE[0], 540), fill=STONE)
    draw.rectangle((720, 160, 790, 540), fill=PAPER)
    for mark in range(8):
        draw.line((720, 200 + 46 * mark, 750, 200 + 46 * mark), fill=NIGHT, width=4)
    level = 500 - 260 * min(1.0, 1.4 * passed)
    draw.rectangle((0, level, *SIZE), fill=WATER)
    for wave in range(30):
        x = (wave * 71 + 300 * passed) % SIZE[0]
        y = level + 12 + (wave * 37) % max(20, int(530 - level))
        draw.line((x, y, x + 50, y), fill="#5d97b3", width=3)
    draw.rectangle((0, 0, SIZE[0], 120), fill=NIGHT)
    draw.text((40, 16), "Ninety-six homes were flooded at Millbridge", fill=INK, font=_font(38))
    draw.text((40, 70), "The wall held. Four hundred homes had been warned.", fill=INK, font=_font(26))
    return image


def fish(passed: float) -> Image.Image:
    image = Image.new("RGB", SIZE, WATER)
    draw = ImageDraw.Draw(image)
    for number in range(9):
        x = (number * 173 + 500 * passed * (1 + number % 3)) % (SIZE[0] + 160) - 120
        y = 200 + (number * 61) % 300
        draw.ellipse((x, y, x + 90, y + 30), fill="#c8d3d6")
        draw.polygon([(x, y + 15), (x - 26, y), (x - 26, y + 30)], fill="#c8d3d6")
    draw.rectangle((0, 30, SIZE[0], 150), fill=NIGHT)
    _centred(draw, 70, "1,874 salmon", 56)
    _centred(draw, 125, "were recorded by the fish counter in 2024", 28)
    return image


def credits_roll(passed: float) -> Image.Image:
    image = Image.new("RGB", SIZE, "black")
    draw = ImageDraw.Draw(image)
    for row, words in enumerate(CREDITS):
        _centred(draw, 560 + 70 * row - 620 * passed, words, 32)
    return image


def black(passed: float) -> Image.Image:
    return Image.new("RGB", SIZE, "black")


SHOTS: Final[tuple[tuple[Shot, float], ...]] = (
    (title_card, 3.5),
    (valley, 3.5),
    (lower_third, 4.5),
    (table_of_levels, 4.5),
    (flood, 4.5),
    (fish, 3.5),
    (credits_roll, 5.0),
    (black, 0.5),
)
FADES_INTO: Final = 1  # the shot that the one before fades into; all others are cut


def pictures() -> Iterator[Image.Image]:
    """The film's frames, in order."""
    for number, (shot, seconds) in enumerate(SHOTS):
        frames = round(seconds * RATE)
        faded = round(FADE_S * RATE) if number + 1 == FADES_INTO else 0
        for frame in range(frames):
            picture = shot(frame / frames)
            left = frames - frame
            if left < faded:
                picture = Image.blend(picture, SHOTS[number + 1][0](0.0), 1 - left / faded)
            yield picture


def make_film(folder: Path) -> Path:
    """The film's path; it is drawn where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    if path.exists():
        return path
    unfinished = path.with_suffix(".part")
    with av.open(
        str(unfinished), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
    ) as container:
        container.metadata["title"] = TITLE
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "21", "threads": "1"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.gop_size = 4 * RATE
        for number, picture in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    unfinished.replace(path)
    return path


if __name__ == "__main__":
    print(make_film(Path(sys.argv[1])))
