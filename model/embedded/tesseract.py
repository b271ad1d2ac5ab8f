"""Tesseract behind one function, where it is installed: clean Latin pages fast, and the scripts RapidOCR cannot read.

It reads lines that a detector has found, one at a time: its own look at a page loses lines. Either ``tesserocr`` (in
this process; each language stays loaded) or the ``tesseract`` command (one process a page, 0.3 s more). Language data
are looked for where Debian's packages, ``TESSDATA_PREFIX`` and pip's data packages put them. Half a second of CPU for
a dense page, 100 MB a language.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from folioscope.model.protocol import Box

SECONDS_A_PAGE = 300.0
DPI = 200  # said of every line, so that Tesseract need not guess; it decides nothing else
LINE_HEIGHT = 32  # pixels that a line is enlarged to
LARGER = 52  # pixels at which a line that was not seen is tried again
BLANK_DEVIATION = 8.0  # grey levels; below it there is no line
LEAST_CONFIDENCE = 0.1  # below it Tesseract saw specks
MARGIN = 10  # pixels of paper round a line
_WORD = "5"  # level of a word's row
_DATA_PLACES = ("/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata", "/usr/share/tessdata")

# For each script its data files, the first that is installed is taken, and the Debian package of the first.
LANGUAGES: Final[dict[str, tuple[str, ...]]] = {
    "Latin": ("eng", "Latin"),
    "Greek": ("ell", "Greek"),
    "Cyrillic": ("Cyrillic", "rus", "ukr", "bul", "srp"),
    "Arabic": ("ara", "Arabic", "fas", "urd"),
    "Hebrew": ("heb", "Hebrew"),
    "Devanagari": ("hin", "Devanagari", "mar", "nep"),
    "Bengali": ("ben", "Bengali", "asm"),
    "Gurmukhi": ("pan", "Gurmukhi"),
    "Gujarati": ("guj", "Gujarati"),
    "Oriya": ("ori", "Oriya"),
    "Tamil": ("tam", "Tamil"),
    "Telugu": ("tel", "Telugu"),
    "Kannada": ("kan", "Kannada"),
    "Malayalam": ("mal", "Malayalam"),
    "Sinhala": ("sin", "Sinhala"),
    "Thai": ("tha", "Thai"),
    "Lao": ("lao", "Lao"),
    "Khmer": ("khm", "Khmer"),
    "Myanmar": ("mya", "Myanmar"),
    "Tibetan": ("bod", "Tibetan"),
    "Georgian": ("kat", "Georgian"),
    "Armenian": ("hye", "Armenian"),
    "Ethiopic": ("amh", "Ethiopic", "tir"),
    "Hangul": ("kor", "Hangul"),
}

# ISO 639-1 codes of languages in Latin letters, and their data.
LATIN_LANGUAGES: Final = dict(
    pair.split(":")
    for pair in (
        "en:eng af:afr az:aze bs:bos ca:cat cs:ces cy:cym da:dan de:deu eo:epo es:spa et:est eu:eus fi:fin fo:fao "
        "fr:fra ga:gle gl:glg hr:hrv hu:hun id:ind is:isl it:ita la:lat lb:ltz lt:lit lv:lav ms:msa mt:mlt nb:nor "
        "nl:nld nn:nor no:nor oc:oci pl:pol pt:por ro:ron sk:slk sl:slv sq:sqi sv:swe sw:swa tr:tur uz:uzb vi:vie"
    ).split()
)
SCRIPT_PACKAGES: Final = {"Cyrillic": "cyrl"}  # Debian's names for data of a whole script


@dataclass(frozen=True, slots=True)
class Installed:
    """What there is of Tesseract here: whether it runs in this process, where its data lie, which they are."""

    in_process: bool
    data: str
    languages: frozenset[str]

    def language_of(self, script: str) -> str | None:
        """The data to read a script with; None where none of them is installed."""
        return next((name for name in LANGUAGES.get(script, ()) if name in self.languages), None)


@cache
def installed() -> Installed | None:
    """Tesseract as it is found on this machine; None where there is none, or no language data."""
    in_process = importlib.util.find_spec("tesserocr") is not None
    if not in_process and shutil.which("tesseract") is None:
        return None
    prefix = os.environ.get("TESSDATA_PREFIX")
    places = (*((prefix, f"{prefix}/tessdata") if prefix else ()), f"{sys.prefix}/share/tessdata", *_DATA_PLACES)
    for place in places:
        languages = frozenset(path.stem for path in Path(place).glob("*.traineddata")) if Path(place).is_dir() else None
        if languages:
            return Installed(in_process, place, languages - {"osd"})
    return None


def describe() -> str:
    """What of Tesseract decides a reading, in a few words: part of the recipe."""
    found = installed()
    if found is None:
        return "none"
    digest = hashlib.sha256(" ".join(sorted(found.languages)).encode()).hexdigest()[:8]
    return f"{len(found.languages)} languages, {digest}"


def package_for(script: str) -> str:
    """The Debian package with the data to read a script; empty where Tesseract has none."""
    names = LANGUAGES.get(script)
    if names is None:
        return ""
    return f"tesseract-ocr-{names[0]}" if names[0].islower() else f"tesseract-ocr-script-{SCRIPT_PACKAGES[names[0]]}"


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line as read: its words, and where each stands on the crop as shares of its sides.

    ``confidence`` is the mean of its letters', ``weakest`` that of the word that is least sure.
    """

    confidence: float
    words: tuple[tuple[str, Box], ...]
    weakest: float


def read_crops(crops: Sequence[NDArray[np.uint8]], languages: str, engine: Installed) -> list[ReadLine | None]:
    """What Tesseract reads on each crop, a grey picture of one line, with these data (``rus+eng``); None where nothing.

    Raises:
        RuntimeError: the command failed; the message has its words.
    """
    found = _read(crops, languages, engine, LINE_HEIGHT)
    missed = [n for n, line in enumerate(found) if line is None and crops[n].std() > BLANK_DEVIATION]
    # Now and then it sees nothing in a line of print, and reads the same line larger.
    for number, line in zip(missed, _read([crops[n] for n in missed], languages, engine, LARGER), strict=True):
        found[number] = line
    return found


def _read(
    crops: Sequence[NDArray[np.uint8]], languages: str, engine: Installed, line_height: int
) -> list[ReadLine | None]:
    if not crops:
        return []
    framed = [_framed(crop, line_height) for crop in crops]
    tables = (
        _in_process(framed, languages, engine.data)
        if engine.in_process
        else _by_command(framed, languages, engine.data)
    )
    return [_line(table, picture.shape) for table, picture in zip(tables, framed, strict=True)]


def _framed(crop: NDArray[np.uint8], line_height: int) -> NDArray[np.uint8]:
    """The crop, enlarged where it is low, with paper round it: letters at the very edge are misread."""
    scale = line_height / crop.shape[0]
    if scale > 1.0 or line_height == LARGER:
        crop = np.asarray(cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
    paper = int(np.percentile(crop, 90))
    return np.asarray(
        cv2.copyMakeBorder(crop, MARGIN, MARGIN, MARGIN, MARGIN, cv2.BORDER_CONSTANT, value=paper), np.uint8
    )


def _in_process(pictures: Sequence[NDArray[np.uint8]], languages: str, data: str) -> list[str]:
    from PIL import Image

    api = _api(languages, data)
    tables = []
    for picture in pictures:
        api.SetImage(Image.fromarray(picture))
        api.SetSourceResolution(DPI)
        api.Recognize()
        tables.append(str(api.GetTSVText(0)))
    api.Clear()
    return tables


@cache
def _api(languages: str, data: str) -> Any:
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    import tesserocr

    return tesserocr.PyTessBaseAPI(path=data, lang=languages, psm=tesserocr.PSM.SINGLE_LINE)


def _by_command(pictures: Sequence[NDArray[np.uint8]], languages: str, data: str) -> list[str]:
    """One process for all of them: it takes a list of files, and numbers their rows as pages."""
    with tempfile.TemporaryDirectory(prefix="folioscope-lines-") as folder:
        paths = []
        for number, picture in enumerate(pictures):
            paths.append(Path(folder) / f"{number}.pgm")
            paths[-1].write_bytes(f"P5 {picture.shape[1]} {picture.shape[0]} 255\n".encode() + picture.tobytes())
        listed = Path(folder) / "list.txt"
        listed.write_text("\n".join(map(str, paths)) + "\n")
        command = ["tesseract", str(listed), "-", "--tessdata-dir", data, "-l", languages, "--psm", "7"]
        done = subprocess.run(
            [*command, "--dpi", str(DPI), "tsv"],
            capture_output=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            timeout=SECONDS_A_PAGE,
            check=False,
        )
    if done.returncode:
        words = done.stderr.decode(errors="replace")[-300:].strip()
        raise RuntimeError(f"the tesseract command ended with {done.returncode}: {words}")
    tables: dict[int, list[str]] = defaultdict(list)
    for row in done.stdout.decode("utf-8", "replace").split("\n"):
        fields = row.split("\t", 2)
        if len(fields) > 2 and fields[1].isdigit():
            tables[int(fields[1])].append(row)
    return ["\n".join(tables[number + 1]) for number in range(len(pictures))]


def _line(table: str, shape: tuple[int, ...]) -> ReadLine | None:
    """A line from TSV: level, page, block, paragraph, line, word, left, top, width, height, confidence, text."""
    height, width = shape[0] - 2 * MARGIN, shape[1] - 2 * MARGIN
    words: list[tuple[str, Box]] = []
    sure, weakest = 0.0, 1.0
    for fields in csv.reader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE):
        text = fields[11].strip() if len(fields) > 11 and fields[0] == _WORD else ""
        if text:
            left, top, across, down = (int(value) - MARGIN * (n < 2) for n, value in enumerate(fields[6:10]))
            words.append((text, Box(left / width, top / height, (left + across) / width, (top + down) / height)))
            confidence = float(fields[10]) / 100
            sure, weakest = sure + confidence * len(text), min(weakest, confidence)
    letters = sum(len(text) for text, _ in words)
    return ReadLine(sure / letters, tuple(words), weakest) if letters and sure >= LEAST_CONFIDENCE * letters else None
