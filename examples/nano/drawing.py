"""Draws what the nano model learns to read: one to four printed lines on a small image, and where each letter stands.

Fonts are those inside PyMuPDF (URW's Nimbus Sans, Nimbus Sans Bold and Nimbus Roman, free for any use), words come from
Python's own help texts: nothing is fetched. About a millisecond an image.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from functools import lru_cache
from pydoc_data import topics

import numpy as np
import pymupdf
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

PATCH = 14
CELL = 28  # pixels of one image token's side
SLOTS = 4  # letters that the encoder is asked for in one patch
NOTHING = 95  # the class of an empty slot; letters are 0..94 for the characters 32..126
FONTS = ("helv", "tiro", "hebo")
X_HEIGHTS = (8.6, 11.4)  # pixels
HELD_OUT_SHARE = 0.06
_PRINTABLE = [chr(code) for code in range(33, 127)]


@dataclass(frozen=True, slots=True)
class Drawing:
    """``pixels`` (height, width) grey; ``cells`` the image token under each character of ``text``, line breaks too.

    ``slots`` (patches, 4): the letters centred in each patch, in order.
    """

    pixels: NDArray[np.uint8]
    lines: tuple[str, ...]
    cells: tuple[int, ...]
    slots: NDArray[np.int64]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def grid(self) -> tuple[int, int]:
        return self.pixels.shape[0] // PATCH, self.pixels.shape[1] // PATCH


@dataclass(frozen=True, slots=True)
class Style:
    """How images are drawn. ``noise`` False gives clean black on white."""

    fonts: tuple[str, ...] = FONTS
    x_heights: tuple[float, float] = X_HEIGHTS
    noise: bool = True


class Words:
    """Running text, shuffled words, numbers and random strings. ``held_out`` takes other passages than training."""

    def __init__(self, *, held_out: bool) -> None:
        whole = " ".join(" ".join(topics.topics.values()).split())
        whole = "".join(character for character in whole if " " <= character <= "~")
        blocks = [whole[at : at + 400] for at in range(0, len(whole) - 400, 400)]
        random.Random(7).shuffle(blocks)
        kept_back = int(len(blocks) * HELD_OUT_SHARE)
        self._blocks = blocks[:kept_back] if held_out else blocks[kept_back:]
        self.common = sorted({w.strip(".,;:()'\"") for b in self._blocks for w in b.split() if w.isascii()})
        self.common = [word for word in self.common if 2 <= len(word) <= 14 and word.isalpha()]

    def pick(self, rng: random.Random, kind: str | None = None) -> list[str]:
        """A few dozen words of one kind: running, shuffled, numbers or random."""
        kind = kind or rng.choices(["running", "shuffled", "numbers", "random"], [35, 35, 12, 18])[0]
        if kind == "running":
            words = rng.choice(self._blocks).split()[1:-1]
            return words[rng.randrange(max(1, len(words) - 30)) :]
        make = {"shuffled": self._word, "numbers": self._number, "random": self._random}[kind]
        return [make(rng) for _ in range(40)]

    def _word(self, rng: random.Random) -> str:
        word = rng.choice(self.common)
        word = rng.choice([word, word, word.lower(), word.capitalize(), word.upper()])
        return rng.choice(
            [word] * 12 + [f"{word},", f"{word}.", f"({word})", f'"{word}"', f"{word}-{word[:3]}", f"{word}:"]
        )

    def _number(self, rng: random.Random) -> str:
        value = rng.randrange(10 ** rng.randint(1, 6))
        return rng.choice(
            [
                f"{value}",
                f"{value / 100:.2f}",
                f"{value:,}",
                f"{value % 100}%",
                f"{value % 28 + 1}/{value % 12 + 1}",
                self._word(rng),
            ]
        )

    def _random(self, rng: random.Random) -> str:
        length = rng.randint(1, 9)
        if rng.random() < 0.7:
            case = rng.choice([str.lower, str.lower, str.upper, str.title])
            return case("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length)))
        return "".join(rng.choices(_PRINTABLE, k=length))


@lru_cache(maxsize=256)
def font_at(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO(pymupdf.Font(name).buffer), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=16)
def x_height_share(name: str) -> float:
    """The height of an x as a share of the font's size."""
    _, top, _, bottom = font_at(name, 200).getbbox("x")
    return float(bottom - top) / 200


def draw(
    rng: random.Random, words: Words, lines: int, grid: tuple[int, int], style: Style, kind: str | None = None
) -> Drawing:
    """``lines`` lines on an image of ``grid`` (rows, columns) patches; 0 lines give an empty image."""
    height, width = grid[0] * PATCH, grid[1] * PATCH
    paper, ink = (rng.randint(205, 255), rng.randint(0, 70)) if style.noise else (255, 0)
    image = Image.new("L", (width, height), paper)
    placed = _place_lines(rng, words, lines, image, ink, style, kind) if lines else []
    pixels = np.asarray(image, dtype=np.float32)
    if style.noise and rng.random() < 0.6:
        grain = np.random.default_rng(rng.randrange(2**32)).standard_normal(pixels.shape, dtype=np.float32)
        pixels = pixels + grain * rng.uniform(1, 9)
    return Drawing(
        pixels=np.clip(pixels, 0, 255).astype(np.uint8),
        lines=tuple(text for text, _, _ in placed),
        cells=_cells(placed, width),
        slots=_slots(placed, grid),
    )


Placed = tuple[str, NDArray[np.float64], float]  # text, centre of each letter across, centre down


def _place_lines(
    rng: random.Random, words: Words, lines: int, image: Image.Image, ink: int, style: Style, kind: str | None
) -> list[Placed]:
    name = rng.choice(style.fonts)
    width, height = image.size
    share = x_height_share(name)
    size = max(8, round(min(rng.uniform(*style.x_heights), height / lines / 2.1) / share))
    font, x_height = font_at(name, size), share * size
    pitch = min(rng.uniform(2.1, 2.9) * x_height, (height - 2) / lines)
    top = rng.uniform(0, max(0.0, height - lines * pitch))
    left = rng.uniform(2, 14)
    pen = ImageDraw.Draw(image)
    source = iter(words.pick(rng, kind))
    placed: list[Placed] = []
    for line in range(lines):
        room = width - left - 3
        if rng.random() < 0.3:
            room *= rng.uniform(0.3, 1)
        text = _fill(source, font, room) or _fill(iter(words.pick(rng, "shuffled")), font, room) or "I"
        base = top + (line + 0.5) * pitch + x_height / 2
        pen.text((left, base), text, font=font, fill=ink, anchor="ls")
        edges = left + np.array([font.getlength(text[:n]) for n in range(len(text) + 1)])
        placed.append((text, (edges[1:] + edges[:-1]) / 2, base - x_height / 2))
    return placed


def _fill(words: object, font: ImageFont.FreeTypeFont, room: float) -> str:
    """As many of the words as fit, one space apart; a first word that is too long is cut."""
    text = ""
    for word in words:  # type: ignore[attr-defined]
        longer = f"{text} {word}" if text else word
        if font.getlength(longer) > room:
            if text:
                break
            while longer and font.getlength(longer) > room:
                longer = longer[:-1]
            return str(longer)
        text = longer
    return text


def _cells(placed: list[Placed], width: int) -> tuple[int, ...]:
    cells: list[int] = []
    for number, (_, across, down) in enumerate(placed):
        if number:
            cells.append(cells[-1])  # the line break, written while the eye is still at the end of the line
        row = int(down // CELL) * (width // CELL)
        cells += [row + min(int(x // CELL), width // CELL - 1) for x in across]
    return tuple(cells)


def _slots(placed: list[Placed], grid: tuple[int, int]) -> NDArray[np.int64]:
    slots = np.full((grid[0] * grid[1], SLOTS), NOTHING)
    filled = np.zeros(len(slots), dtype=int)
    for text, across, down in placed:
        for letter, x in zip(text, across, strict=True):
            patch = min(int(down // PATCH), grid[0] - 1) * grid[1] + min(int(x // PATCH), grid[1] - 1)
            if filled[patch] < SLOTS:
                slots[patch, filled[patch]] = ord(letter) - 32
                filled[patch] += 1
    return slots
