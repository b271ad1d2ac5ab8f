"""Lines of text in each script, drawn with the machine's fonts: what the script identifier learns from.

Words are letters of a script put together at random (a letter with its marks is a syllable), some runs are digits and
signs alone; every font of the machine that holds a script is used, so that no single design is learnt. Lines are blurred,
made coarse, tilted and speckled as scans are. Needs Pillow with Raqm, fontTools and fontconfig; about 4 ms a line.
"""

from __future__ import annotations

import random
import subprocess
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from fontTools.ttLib import TTCollection, TTFont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from folioscope.model.embedded.scripts import SCRIPTS

SYMBOLS = "0123456789.,:;-+/()%$€*#=<>|[]"
RANGES: dict[str, tuple[tuple[int, int], ...]] = {
    "Latin": ((0x41, 0x5A), (0x61, 0x7A), (0x61, 0x7A), (0x61, 0x7A), (0xC0, 0x17E)),
    "Greek": ((0x391, 0x3A9), (0x3AC, 0x3CE), (0x3B1, 0x3C9), (0x3B1, 0x3C9)),
    "Cyrillic": ((0x410, 0x44F), (0x430, 0x44F), (0x430, 0x44F), (0x400, 0x45F)),
    "Arabic": ((0x621, 0x64A), (0x621, 0x64A), (0x67E, 0x67E), (0x686, 0x686), (0x6A9, 0x6A9), (0x6CC, 0x6CC)),
    "Hebrew": ((0x5D0, 0x5EA),),
    "Devanagari": ((0x905, 0x939), (0x93E, 0x94D)),
    "Bengali": ((0x985, 0x9B9), (0x9BE, 0x9CD)),
    "Gurmukhi": ((0xA05, 0xA39), (0xA3E, 0xA4D), (0xA70, 0xA71)),
    "Gujarati": ((0xA85, 0xAB9), (0xABE, 0xACD)),
    "Oriya": ((0xB05, 0xB39), (0xB3E, 0xB4D)),
    "Tamil": ((0xB85, 0xBB9), (0xBBE, 0xBCD)),
    "Telugu": ((0xC05, 0xC39), (0xC3E, 0xC4D)),
    "Kannada": ((0xC85, 0xCB9), (0xCBE, 0xCCD)),
    "Malayalam": ((0xD05, 0xD39), (0xD3E, 0xD4D)),
    "Sinhala": ((0xD85, 0xDC6), (0xDCA, 0xDDF)),
    "Thai": ((0xE01, 0xE30), (0xE32, 0xE33), (0xE40, 0xE44), (0xE31, 0xE4C)),
    "Lao": ((0xE81, 0xEB0), (0xEB2, 0xEC4), (0xEC8, 0xECB)),
    "Khmer": ((0x1780, 0x17B3), (0x17B6, 0x17D1)),
    "Myanmar": ((0x1000, 0x1021), (0x102B, 0x103E)),
    "Tibetan": ((0xF40, 0xF6A), (0xF71, 0xF7D)),
    "Georgian": ((0x10D0, 0x10F6),),
    "Armenian": ((0x531, 0x556), (0x561, 0x586), (0x561, 0x586)),
    "Ethiopic": ((0x1200, 0x1357),),
    "Hangul": ((0xAC00, 0xD7A3),),
    "CJK": ((0x4E00, 0x7FFF), (0x4E00, 0x9FA5), (0x3042, 0x3093), (0x30A2, 0x30F3)),
    "None": (),
}
UNSPACED = frozenset({"CJK", "Thai", "Lao", "Khmer", "Myanmar"})
RIGHT_TO_LEFT = frozenset({"Arabic", "Hebrew"})


@dataclass(frozen=True, slots=True)
class Face:
    path: str
    index: int


def faces(script: str) -> list[Face]:
    """The machine's fonts that hold at least four fifths of the script's letters."""
    wanted = set(letters(script)[0]) or set(SYMBOLS)
    return [face for face, held in _machine_faces() if len(wanted & held) > 0.8 * len(wanted)]


@cache
def _machine_faces() -> tuple[tuple[Face, frozenset[str]], ...]:
    listed = subprocess.run(["fc-list", "--format", "%{file}\n"], capture_output=True, text=True, check=True).stdout
    found = []
    for path in sorted(set(listed.split("\n"))):
        if not path.endswith((".ttf", ".otf", ".ttc")):
            continue
        collection = TTCollection(path).fonts if path.endswith(".ttc") else [TTFont(path, lazy=True)]
        for index, font in enumerate(collection[:2]):
            found.append((Face(path, index), frozenset(map(chr, font.getBestCmap() or {}))))
    return tuple(found)


@cache
def letters(script: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(letters, marks that stand on or after a letter)."""
    chars = [chr(n) for first, last in RANGES[script] for n in range(first, last + 1)]
    known = [c for c in chars if unicodedata.name(c, "") and unicodedata.category(c) != "Cn"]
    bases = tuple(c for c in known if unicodedata.category(c).startswith("L"))
    return bases, tuple(c for c in known if unicodedata.category(c).startswith("M"))


def words(script: str, dice: random.Random) -> str:
    """A line of words that nobody has written."""
    if script == "None":
        return " ".join("".join(dice.choices(SYMBOLS, k=dice.randint(1, 8))) for _ in range(dice.randint(1, 6)))
    bases, marks = letters(script)
    capital = dice.random() < 0.12
    line = []
    for _ in range(dice.randint(1, 7)):
        word = ""
        for _ in range(dice.randint(1, 9)):
            word += dice.choice(bases)
            if marks and dice.random() < 0.55:
                word += dice.choice(marks)
        if script in ("Latin", "Greek", "Cyrillic", "Armenian"):
            word = word.upper() if capital else word.capitalize() if dice.random() < 0.2 else word.lower()
        line.append(word if dice.random() > 0.06 else "".join(dice.choices(SYMBOLS[:10], k=dice.randint(1, 4))))
    return (dice.choice(("", "", " ")) if script in UNSPACED else " ").join(line) + dice.choice(("", "", ".", ","))


def draw(script: str, dice: random.Random) -> NDArray[np.uint8]:
    """One line as a scan shows it, (height, width) grey."""
    if script == "None" and dice.random() < 0.35:
        return _as_scanned(texture(dice), dice)
    pool = _pool(script)
    while True:
        face = dice.choice(pool)
        size = dice.randint(18, 44)
        font = ImageFont.truetype(face.path, size, face.index, layout_engine=ImageFont.Layout.RAQM)
        text = words(script, dice) if script != "Latin" or dice.random() < 0.4 else english(dice)
        left, top, right, bottom = font.getbbox(text)
        if right - left > 6 and bottom - top > 6:
            break
    margin = [dice.randint(0, size // 3) for _ in range(4)]
    canvas = Image.new("L", (int(right - left) + margin[0] + margin[1], int(bottom - top) + margin[2] + margin[3]), 255)
    ImageDraw.Draw(canvas).text((margin[0] - left, margin[2] - top), text, font=font, fill=0)
    return _as_scanned(np.asarray(canvas, np.uint8), dice)


@cache
def _pool(script: str) -> list[Face]:
    return faces(script)


ENGLISH = (
    "the of and to in is that for it was on are as with his they at be this from have or by one had not but what all were "
    "when we there can an your which their said if do will each about how up out them then she many some so these would "
    "other into has more her two like him see time could no make than first been its who now people my made over did down "
    "only way find use may water long little very after words called just where most know straße über für être où año niño "
    "ção für lycka łódź příliš Université größe March Total Amount Department Schedule Page Report Committee"
).split()


def texture(dice: random.Random) -> NDArray[np.uint8]:
    """What pictures hold where a detector takes them for a line: clouds, edges, strokes."""
    height, width = dice.randint(20, 50), dice.randint(40, 300)
    noise = np.random.default_rng(dice.randrange(1 << 30))
    clouds = cv2.GaussianBlur(noise.normal(0, 1, (height, width)), (0, 0), dice.uniform(1, 8), dice.uniform(1, 12))
    spread = np.clip(128 + clouds / max(1e-6, float(clouds.std())) * dice.uniform(20, 90), 0, 255)
    if dice.random() < 0.5:
        spread = np.where(spread > 128, 255.0, 0.0)
    picture: NDArray[np.uint8] = spread.astype(np.uint8)
    for _ in range(dice.randint(0, 4)):
        ends = [(dice.randint(0, width), dice.randint(0, height)) for _ in range(2)]
        cv2.line(picture, ends[0], ends[1], dice.randint(0, 255), dice.randint(1, 4))
    return picture


def english(dice: random.Random) -> str:
    line = " ".join(dice.choices(ENGLISH, k=dice.randint(1, 8)))
    return line.upper() if dice.random() < 0.15 else line.capitalize() if dice.random() < 0.5 else line


def _as_scanned(line: NDArray[np.uint8], dice: random.Random) -> NDArray[np.uint8]:
    picture: NDArray[np.floating[Any]] = line.astype(np.float32)
    noise = np.random.default_rng(dice.randrange(1 << 30))
    if dice.random() < 0.3:
        angle = dice.uniform(-1.5, 1.5)
        height, width = picture.shape
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
        picture = cv2.warpAffine(picture, turn, (width, height), borderValue=255.0).astype(np.float32)
    if dice.random() < 0.5:
        factor = dice.uniform(0.45, 0.9)
        small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (line.shape[1], line.shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    if dice.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), dice.uniform(0.3, 1.6)).astype(np.float32)
    if dice.random() < 0.15:
        kernel = np.ones((2, 2), np.uint8)
        picture = (cv2.erode if dice.random() < 0.6 else cv2.dilate)(picture, kernel).astype(np.float32)
    if dice.random() < 0.1:
        picture[-dice.randint(1, 3) :] = dice.uniform(0, 120)  # a ruling under the line
    dark, paper = dice.uniform(0, 110), dice.uniform(170, 255)
    picture = dark + picture / 255 * (paper - dark) + noise.normal(0, dice.uniform(0, 14), picture.shape)
    if dice.random() < 0.08:
        picture = 255 - picture
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def sample(count: int, seed: int) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """``count`` lines with the index of their script, Latin and signs more often than the others."""
    dice = random.Random(seed)
    weights = [4.0 if script == "Latin" else 2.0 if script in ("CJK", "None") else 1.0 for script in RANGES]
    for script in dice.choices(list(RANGES), weights, k=count):
        yield draw(script, dice), SCRIPTS.index(script)
