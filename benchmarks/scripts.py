"""What each engine reads of pages in fourteen scripts, drawn with Debian's Noto fonts, and what is said of the rest.

    python benchmarks/scripts.py

A row a script and engine: likeness of the page's text to what was drawn (normalised edit distance, white space left
out), flags, language. Scripts without a font on this machine are left out. ``docs/scripts.md`` holds its table.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz.distance import Levenshtein

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.model.embedded import tesseract
from folioscope.model.embedded.read import read_page
from folioscope.model.protocol import PageInput, Reading, RgbImage
from folioscope.pipeline.versions import versions

NOTO = Path("/usr/share/fonts/truetype/noto")
CJK = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")

# The first article of the declaration of human rights.
ARTICLE = {
    "Greek": ("NotoSans", "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα."),
    "Cyrillic": ("NotoSans", "Все люди рождаются свободными и равными в своем достоинстве и правах."),
    "Arabic": ("NotoNaskhArabic", "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق."),
    "Hebrew": ("NotoSansHebrew", "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם."),
    "Devanagari": ("NotoSansDevanagari", "सभी मनुष्यों को गौरव और अधिकारों के मामले में स्वतन्त्रता प्राप्त है।"),
    "Bengali": ("NotoSansBengali", "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।"),
    "Tamil": ("NotoSansTamil", "மனிதப் பிறவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்"),
    "Thai": ("NotoSansThai", "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์"),
    "Georgian": ("NotoSansGeorgian", "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა."),
    "Armenian": ("NotoSansArmenian", "Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ"),
    "Hangul": (str(CJK), "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다."),
    "Latin": ("NotoSans", "All human beings are born free and equal in dignity and rights."),
    "CJK": (str(CJK), "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。"),
    "Japanese": (str(CJK), "すべての人間は、生まれながらにして自由であり、尊厳と権利とについて平等である。"),
}
LINES = 4


def draw_page(script: str) -> RgbImage | None:
    """A page with the script's sentence on four lines; None where the machine lacks its font."""
    face, text = ARTICLE[script]
    path = Path(face) if "/" in face else NOTO / f"{face}-Regular.ttf"
    if not path.is_file():
        return None
    font = ImageFont.truetype(str(path), 30)
    page = Image.new("L", (1300, 80 + 90 * LINES), 255)
    for number in range(LINES):
        ImageDraw.Draw(page).text((40, 40 + 90 * number), text, font=font, fill=0)
    return np.asarray(page.convert("RGB"))


def likeness(text: str, script: str) -> float:
    """Of a page's text to what was drawn, white space left out."""
    return Levenshtein.normalized_similarity(_bare(text), _bare(ARTICLE[script][1] * LINES))


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text)


def read(page: RgbImage, *, with_tesseract: bool) -> Reading:
    asked = PageInput(1, page.shape[1], page.shape[0], page, None)
    if with_tesseract:
        return read_page(asked)
    with mock.patch.object(tesseract, "installed", return_value=None):
        return read_page(asked)


def main() -> None:
    print(__doc__)
    print("| script | RapidOCR alone | with Tesseract |\n|---|---|---|")
    wrong = unread = 0
    for script in ARTICLE:
        page = draw_page(script)
        if page is None:
            continue
        cells = []
        for with_tesseract in (False, True) if tesseract.installed() else (False,):
            reading = read(page, with_tesseract=with_tesseract)
            like = likeness(reading.text, script)
            wrong += like < 0.85 and not reading.flags
            unread += "unread_script" in reading.flags
            cells.append("unread" if reading.unread else f"{like:.3f} {' '.join(reading.flags)}".strip())
        print(f"| {script} | {' | '.join(cells)} |", flush=True)
    print(json.dumps({"wrong_without_flag": wrong, "unread": unread, "versions": dict(versions())}))


if __name__ == "__main__":
    main()
