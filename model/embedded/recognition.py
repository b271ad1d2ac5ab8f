"""From a page's picture to its lines: which script each is in, and which engine reads it.

RapidOCR's detector finds the lines of any script; a small network tells the script of each (``scripts``). Clean Latin
print goes to Tesseract where it is installed, which takes a third of the time (half of it as a command), and each line
of which it is not sure to RapidOCR; Chinese, Japanese and signs go to RapidOCR; every other script to Tesseract. A
script that nothing here reads is said to be so: OCR that does not know a script answers with letters that it knows. A
page of 2,700 letters costs 0.9 CPU-seconds by Tesseract, 2.5 by RapidOCR.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from folioscope.model.embedded import ocr, tesseract
from folioscope.model.embedded.ocr import Line, Places, Quads
from folioscope.model.embedded.page_scripts import SAMPLE, line_scripts, share_of
from folioscope.model.embedded.tesseract import Installed, ReadLine
from folioscope.model.language import identify
from folioscope.model.protocol import Box, RgbImage

READ_BY_RAPIDOCR = frozenset({"Latin", "CJK", "None"})
UNSPACED = frozenset({"Thai", "Lao", "Khmer", "Myanmar", "Tibetan"})  # blanks part phrases there, not words

SURE_LINE = 0.86  # Tesseract's confidence from which a line needs no second reading
SURE_WORD = 0.8  # the same of each of its words
SURE_SAMPLE = 0.93  # the same of a page's longest lines, below which it is not clean print
WELL_READ = 0.92  # RapidOCR's confidence that outweighs what a line looks like
DENSE = 0.5  # letters for each line height of width, the least that a line of print has

LETTER_HEIGHT = 7.0  # pixels of an ordinary letter that the detector needs
SMALLEST_SCALE = 0.4


@dataclass(frozen=True, slots=True)
class PageLines:
    """The lines that were read, in no particular order.

    ``unread`` are the scripts that nothing here reads, the likeliest first, ``unread_share`` how much of the writing is
    in them. ``upside_down`` says that the page stands on its head, and that nothing was read.
    """

    lines: list[Line]
    unread: tuple[str, ...] = ()
    unread_share: float = 0.0
    upside_down: bool = False


def read_lines(image: RgbImage, engine: Installed | None, *, turning: bool = True) -> PageLines:
    """Find and read all lines of a page's picture; ``engine`` is the Tesseract there is.

    Without ``turning`` a page that seems to stand on its head is read as it stands.
    """
    places = ocr.find_lines(image, detector_scale(image))
    if not len(places.quads):
        return PageLines([])
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    crops = [_crop(grey, quad) for quad in places.quads]
    widths = np.array([crop.shape[1] for crop in crops], float)
    areas = widths * np.array([crop.shape[0] for crop in crops], float)
    scripts, possible = line_scripts(crops, places.tall, areas)
    if turning and share_of(scripts, "Turned", areas) > 0.5:
        return PageLines([], upside_down=True)
    scripts = ["None" if script == "Turned" else script for script in scripts]
    return _Reader(image, places, crops, scripts, areas, engine).read([s for s in possible if s != "Turned"])


class _Reader:
    """One page's lines on their way to the engines."""

    def __init__(
        self,
        image: RgbImage,
        places: Places,
        crops: list[NDArray[np.uint8]],
        scripts: list[str],
        areas: NDArray[np.float64],
        engine: Installed | None,
    ) -> None:
        self._image, self._places, self._crops = image, places, crops
        self._scripts, self._areas, self._engine = scripts, areas, engine
        self._lines: dict[int, Line] = {}
        self._sure: set[int] = set()  # lines that Tesseract read and is sure of

    def read(self, possible: Sequence[str]) -> PageLines:
        """Read the page; ``possible`` are the scripts that it may be in as a whole, the likeliest first."""
        if len(possible) > 1:
            self._rename(possible[0], self._best_read(possible))
        by_script: dict[str, list[int]] = defaultdict(list)
        for number, script in enumerate(self._scripts):
            by_script[script].append(number)
        to_rapidocr: list[int] = []
        foreign: list[int] = []
        for script, numbers in by_script.items():
            language = self._engine.language_of(script) if self._engine else None
            if script == "Latin":
                to_rapidocr += self._read_latin(numbers)
            elif language is not None:
                self._by_tesseract(numbers, language, script)
            elif script in READ_BY_RAPIDOCR:
                to_rapidocr += numbers
            else:
                foreign += numbers
        self._by_rapidocr([*to_rapidocr, *foreign])
        stranger = next((script for script in possible if script not in READ_BY_RAPIDOCR), None)
        if stranger and not foreign and to_rapidocr and self._engine is None and self._mostly_unread(to_rapidocr):
            self._rename(self._scripts[to_rapidocr[0]], stranger)
            foreign = [number for number in to_rapidocr if self._scripts[number] == stranger]
        unread = [number for number in foreign if not self._well_read(number)]
        for number in unread:
            self._lines.pop(number, None)
        share = float(self._areas[unread].sum() / self._areas.sum())
        scripts = sorted({self._scripts[n] for n in unread}, key=lambda s: -share_of(self._scripts, s, self._areas))
        others = [s for s in possible if s not in READ_BY_RAPIDOCR and s not in scripts] if scripts else []
        return PageLines(list(self._lines.values()), (*scripts, *others), share)

    def _rename(self, script: str, other: str) -> None:
        self._scripts = [other if own == script else own for own in self._scripts]

    def _best_read(self, possible: Sequence[str]) -> str:
        """Of the scripts that Tesseract has data for, the one in which it is surest of the page's longest lines."""
        engine = self._engine
        if engine is None or possible[0] not in tesseract.LANGUAGES:
            return possible[0]
        longest = sorted(range(len(self._crops)), key=lambda n: -self._crops[n].shape[1])[: SAMPLE // 2]
        sure: dict[str, float] = {}
        for script in possible:
            language = engine.language_of(script)
            if language is not None:
                found = tesseract.read_crops([self._crops[n] for n in longest], language, engine)
                sure[script] = sum(line.confidence for line in found if line is not None)
        return max(sure, key=lambda script: sure[script], default=possible[0])

    def _mostly_unread(self, numbers: Sequence[int]) -> bool:
        """True where RapidOCR, alone, is unsure of most of these lines."""
        well = sum(float(self._areas[number]) for number in numbers if self._well_read(number))
        return well < 0.5 * float(self._areas[list(numbers)].sum())

    def _read_latin(self, numbers: list[int]) -> list[int]:
        """Read lines of Latin letters by Tesseract; those that are left to RapidOCR are returned."""
        engine = self._engine
        level = [n for n in numbers if not self._places.tall[n]]
        if engine is None or "eng" not in engine.languages or not level:
            return numbers
        longest = sorted(level, key=lambda n: -self._crops[n].shape[1])[:SAMPLE]
        sample = tesseract.read_crops([self._crops[n] for n in longest], "eng", engine)
        language = _language_of_clean(sample, engine)
        if language is None:
            return numbers
        if language == "eng":
            for number, found in zip(longest, sample, strict=True):
                self._take(number, found)
        self._by_tesseract([n for n in level if n not in self._lines], language, "Latin")
        return [n for n in numbers if n not in self._sure]

    def _by_tesseract(self, numbers: list[int], language: str, script: str) -> None:
        assert self._engine is not None
        languages = language if script == "Latin" or "eng" not in self._engine.languages else f"{language}+eng"
        found = tesseract.read_crops([self._crops[n] for n in numbers], languages, self._engine)
        for number, line in zip(numbers, found, strict=True):
            self._take(number, line)

    def _take(self, number: int, found: ReadLine | None) -> None:
        if found is None:
            return
        words = _joined(found, self._crops[number].shape) if self._scripts[number] in UNSPACED else found.words
        corners = [(text, _corners(self._places.quads[number], box)) for text, box in words]
        text = " ".join(word for word, _ in words)
        self._lines[number] = ocr.line_at(self._image, self._places, number, text, found.confidence, corners)
        if found.confidence >= SURE_LINE and found.weakest >= SURE_WORD:
            self._sure.add(number)

    def _by_rapidocr(self, numbers: list[int]) -> None:
        for number, line in zip(numbers, ocr.read_lines(self._image, self._places, numbers), strict=True):
            if line is not None:
                self._lines[number] = line

    def _well_read(self, number: int) -> bool:
        """True where RapidOCR is sure of a line and found as many letters as its length holds."""
        line = self._lines.get(number)
        if line is None or line.confidence < WELL_READ:
            return False
        height, width = self._crops[number].shape
        return bool(sum(c.isalnum() for c in line.text) > DENSE * width / height)


def detector_scale(image: RgbImage) -> float:
    """By how much a page may be shrunk for its lines to be found still: its letters' height decides."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    block = max(15, min(grey.shape) // 40) | 1
    ink = cv2.adaptiveThreshold(255 - grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, block, -15)
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink)
    heights, widths = stats[1:, cv2.CC_STAT_HEIGHT], stats[1:, cv2.CC_STAT_WIDTH]
    letters = heights[(heights >= 5) & (heights <= 100) & (widths >= 2) & (widths <= 3 * heights)]
    if len(letters) < 50:
        return 1.0
    low = float(np.percentile(letters, 25))
    return float(np.clip(LETTER_HEIGHT / low, SMALLEST_SCALE, 1.0))


def _language_of_clean(sample: Sequence[ReadLine | None], engine: Installed) -> str | None:
    """The data to read a page of clean Latin print with, by its longest lines read as English; None where it is not."""
    found = [line for line in sample if line is not None]
    letters = sum(len(word) for line in found for word, _ in line.words)
    sure = sum(line.confidence * len(word) for line in found for word, _ in line.words)
    if not letters or len(found) < len(sample) or sure / letters < SURE_SAMPLE:
        return None
    told = identify(" ".join(word for line in found for word, _ in line.words))
    code = "eng" if told is None else tesseract.LATIN_LANGUAGES.get(told.code)
    return code if code in engine.languages else None


def _joined(line: ReadLine, shape: tuple[int, ...]) -> tuple[tuple[str, Box], ...]:
    """Pieces of words put together where no white stands between them."""
    least = 0.35 * shape[0] / shape[1]
    joined: list[tuple[str, Box]] = []
    for text, box in line.words:
        if joined and box.x0 - joined[-1][1].x1 < least:
            before, place = joined[-1]
            top, bottom = min(place.y0, box.y0), max(place.y1, box.y1)
            joined[-1] = (before + text, Box(place.x0, top, max(place.x1, box.x1), bottom))
        else:
            joined.append((text, box))
    return tuple(joined)


def _crop(grey: NDArray[np.uint8], quad: Quads) -> NDArray[np.uint8]:
    """A line cut out and set straight; one that stands on end is laid down."""
    width = max(2, round(max(np.linalg.norm(quad[1] - quad[0]), np.linalg.norm(quad[2] - quad[3]))))
    height = max(2, round(max(np.linalg.norm(quad[3] - quad[0]), np.linalg.norm(quad[2] - quad[1]))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(quad.astype(np.float32), target)
    crop = cv2.warpPerspective(grey, turn, (width, height), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC)
    return np.ascontiguousarray(np.rot90(crop) if height >= ocr.TALL * width else crop, np.uint8)


def _corners(quad: Quads, share: Box) -> Quads:
    """Corners on the picture of a box given in shares of a line's sides."""
    top_left, top_right, bottom_right, bottom_left = quad

    def at(x: float, y: float) -> Quads:
        top = top_left + (top_right - top_left) * x
        bottom = bottom_left + (bottom_right - bottom_left) * x
        return np.asarray(top + (bottom - top) * y, np.float64)

    # As high as the line: a comma alone would stand in no row.
    return np.array([at(share.x0, 0.0), at(share.x1, 0.0), at(share.x1, 1.0), at(share.x0, 1.0)])
