"""Draws the demo video: twenty-eight seconds of the river authority's year, cut and lettered as such videos are.

    python examples/make_video.py OUT_DIR

A title card, a lower third over a moving picture, a table of figures, a flood that rises, end credits that roll; hard
cuts, one fade, black at the end; three chapters, subtitles in two languages, and a narrator where espeak-ng is
installed. Everything is drawn here and encoded with PyAV; the same video each time, in about ten
seconds. A video that is there already is left as it is.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.subtitles.subtitle import SubtitleSet
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

SUBTITLES: Final = (  # start, end, English, German
    (3.6, 6.8, "A boat goes down the Alder.", "Ein Boot fährt die Alder hinab."),
    (16.2, 18.0, "The water rose for two days.", "Das Wasser stieg zwei Tage lang."),
    (18.2, 20.2, "Then it fell, as it always does.", "Dann fiel es, wie es immer fällt."),
)
NARRATION: Final = ((7.2, "The miller opens the gate in the morning and closes it at night."),)
CHAPTERS: Final = ((0.0, 7.0, "The valley"), (7.0, 20.5, "The flood"), (20.5, 29.5, "The salmon come back"))
VOICE_RATE: Final = 22_050  # espeak-ng's
WAV_HEAD: Final = 44  # bytes before its samples
ASS_HEADER: Final = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

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
    _centred(draw, 320, "A video of the Alder River Authority", 30)
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
    """The video's frames, in order."""
    for number, (shot, seconds) in enumerate(SHOTS):
        frames = round(seconds * RATE)
        faded = round(FADE_S * RATE) if number + 1 == FADES_INTO else 0
        for frame in range(frames):
            picture = shot(frame / frames)
            left = frames - frame
            if left < faded:
                picture = Image.blend(picture, SHOTS[number + 1][0](0.0), 1 - left / faded)
            yield picture


def _subtitled(container: av.container.OutputContainer) -> Iterator[Any]:
    """A subtitle track for each language, and its cues."""
    for language, place in (("eng", 0), ("deu", 1)):
        stream = container.add_stream("mov_text")
        stream.metadata["language"] = language
        stream.codec_context.subtitle_header = ASS_HEADER
        for start_s, end_s, *words in SUBTITLES:
            length = round((end_s - start_s) * 1_000_000)
            event = SubtitleSet.create(f"0,0,Default,,0,0,0,,{words[place]}".encode(), 0, length // 1000)
            packet = stream.codec_context.encode_subtitle(event)
            packet.pts = packet.dts = round(start_s * 1_000_000)
            packet.duration, packet.time_base, packet.stream = length, Fraction(1, 1_000_000), stream
            yield packet


def narration() -> np.ndarray | None:
    """What espeak-ng says, at its second, to the end of the video; None where it is not installed."""
    if shutil.which("espeak-ng") is None:
        return None
    whole = np.zeros(round(sum(seconds for _, seconds in SHOTS) * VOICE_RATE), np.int16)
    for start_s, words in NARRATION:
        command = ["espeak-ng", "-v", "en-gb", "-s", "140", "--stdout", words]
        said = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout[WAV_HEAD:], np.int16)
        first = round(start_s * VOICE_RATE)
        whole[first : first + len(said)] = said[: len(whole) - first]
    return whole


def _spoken(container: av.container.OutputContainer, sound: np.ndarray) -> Iterator[Any]:
    stream = container.add_stream("aac", rate=VOICE_RATE)
    stream.layout = "mono"
    stream.metadata["language"] = "eng"
    for start in range(0, len(sound), 1024):
        frame = av.AudioFrame.from_ndarray(sound[start : start + 1024].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = VOICE_RATE, start, Fraction(1, VOICE_RATE)
        yield from stream.encode(frame)
    yield from stream.encode()


def make_video(folder: Path) -> Path:
    """The video's path; it is drawn where it is not there yet."""
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
        sound = narration()
        others = [*_subtitled(container), *([] if sound is None else _spoken(container, sound))]
        container.set_chapters(
            [
                {
                    "id": number,
                    "start": round(start_s * 1000),
                    "end": round(end_s * 1000),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": title},
                }
                for number, (start_s, end_s, title) in enumerate(CHAPTERS, start=1)
            ]
        )
        for packet in others:
            container.mux(packet)
        for number, picture in enumerate(pictures()):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    unfinished.replace(path)
    return path


if __name__ == "__main__":
    print(make_video(Path(sys.argv[1])))
