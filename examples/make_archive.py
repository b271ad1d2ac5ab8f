"""Draws the demo archive: a small river authority's papers, as an archive really looks.

    python examples/make_archive.py OUT_DIR

Born-digital and scanned, upright and sideways, one column and two, tables, three languages, pictures of pages, and the
files that go wrong: locked, truncated, empty, misnamed. Everything is written and drawn here; the same files each time.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image, ImageFilter

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from examples import archive_text as text

A4 = (595.0, 842.0)
MARGIN = 64.0
PASSWORD = "alder-weir"
OTHER_PASSWORD = "nobody-wrote-this-down"
SEED = 7


def annual_report() -> pymupdf.Document:
    """Six pages with headings, running heads and feet, a list and a table."""
    document = pymupdf.open()
    for number, (heading, paragraphs) in enumerate(text.REPORT, start=1):
        page = document.new_page(width=A4[0], height=A4[1])
        _insert(page, (MARGIN, 28, A4[0] - MARGIN, 44), "Alder River Authority: Annual Report 2024", 8)
        _insert(page, (A4[0] / 2 - 30, 806, A4[0] / 2 + 30, 822), f"Page {number}", 8)
        y = _heading(page, heading, 70)
        for paragraph in paragraphs:
            y = _paragraph(page, paragraph, y)
        if number == 3:
            _ruled_table(page, text.LEVELS, y + 12)
    document.set_metadata({"title": "Alder River Authority: Annual Report 2024"})
    return document


def article() -> pymupdf.Document:
    """Two columns under a title that spans both."""
    document = pymupdf.open()
    page = document.new_page(width=A4[0], height=A4[1])
    top = _heading(page, "Silt, salmon and the price of a weir", 70) + 8
    width = (A4[0] - 2 * MARGIN - 24) / 2
    half = (len(text.ARTICLE) + 1) // 2
    for column, paragraphs in enumerate((text.ARTICLE[:half], text.ARTICLE[half:])):
        y = top
        for paragraph in paragraphs:
            y = _paragraph(page, paragraph, y, MARGIN + column * (width + 24), width)
    document.set_metadata({"title": "Silt, salmon and the price of a weir"})
    return document


def survey() -> pymupdf.Document:
    """One page with a ruled and an unruled table."""
    document = pymupdf.open()
    page = document.new_page(width=A4[0], height=A4[1])
    y = _heading(page, "Field survey, spring 2024", 70)
    y = _paragraph(page, text.SURVEY, y)
    y = _ruled_table(page, text.FISH, y + 8) + 40
    y = _paragraph(page, "Staff on the survey, with days spent in the field:", y)
    for row in text.STAFF:
        for column, cell in enumerate(row):
            page.insert_text((MARGIN + 160 * column, y + 12), cell, fontsize=10)
        y += 18
    return document


def letter() -> pymupdf.Document:
    document = pymupdf.open()
    page = document.new_page(width=A4[0], height=A4[1])
    y = 80.0
    for paragraph in text.LEASE:
        y = _paragraph(page, paragraph, y, size=11)
    return document


def foreign(title: str, paragraphs: tuple[str, ...], font: str) -> pymupdf.Document:
    document = pymupdf.open()
    page = document.new_page(width=A4[0], height=A4[1])
    y = _heading(page, title, 70, font)
    for paragraph in paragraphs:
        y = _paragraph(page, paragraph, y, width=400, size=11, font=font)
    document.set_metadata({"title": title})
    return document


def minutes() -> pymupdf.Document:
    document = pymupdf.open()
    for heading, paragraphs in text.MINUTES:
        page = document.new_page(width=A4[0], height=A4[1])
        y = _heading(page, heading, 70)
        for paragraph in paragraphs:
            y = _paragraph(page, paragraph, y, size=12)
    return document


def scan(source: pymupdf.Document, turn: int = 0, skew: float = 0.8, dpi: int = 150) -> pymupdf.Document:
    """The same pages as pictures: a little askew, noisy, on greyish paper, with no text layer."""
    scanned = pymupdf.open()
    for number, page in enumerate(source):
        picture = _photograph(page, skew, dpi, SEED + number).rotate(-turn, expand=True)
        sheet = scanned.new_page(width=picture.width * 72 / dpi, height=picture.height * 72 / dpi)
        sheet.insert_image(sheet.rect, stream=_jpeg(picture))
    return scanned


def _photograph(page: pymupdf.Page, skew: float, dpi: int, seed: int) -> Image.Image:
    pixmap = page.get_pixmap(dpi=dpi, colorspace=pymupdf.csGRAY)
    picture = Image.frombytes("L", (pixmap.width, pixmap.height), pixmap.samples)
    picture = picture.rotate(skew, fillcolor=255, resample=Image.Resampling.BICUBIC).filter(
        ImageFilter.GaussianBlur(0.5)
    )
    noise = np.random.default_rng(seed).normal(0, 7, (picture.height, picture.width))
    return Image.fromarray(np.clip(np.asarray(picture) * 0.9 + 18 + noise, 0, 255).astype(np.uint8), "L")


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def _insert(page: pymupdf.Page, box: tuple[float, ...], words: str, size: float, font: str = "helv") -> float:
    """Points left over in the box; negative where the words do not fit."""
    return float(page.insert_textbox(pymupdf.Rect(box), words, fontsize=size, fontname=font))


def _heading(page: pymupdf.Page, words: str, y: float, font: str = "hebo") -> float:
    _insert(page, (MARGIN, y, A4[0] - MARGIN, y + 60), words, 18, font)
    return y + 44


def _paragraph(
    page: pymupdf.Page,
    words: str,
    y: float,
    x: float = MARGIN,
    width: float = A4[0] - 2 * MARGIN,
    size: float = 10.5,
    font: str = "helv",
) -> float:
    """Insert a paragraph and return where the next one starts."""
    left = _insert(page, (x, y, x + width, A4[1] - 50), words, size, font)
    if left < 0:
        raise ValueError(f"does not fit on the page: {words[:60]}…")
    return A4[1] - 50 - left + size * 0.8


def _ruled_table(page: pymupdf.Page, rows: tuple[tuple[str, ...], ...], y: float) -> float:
    width = (A4[0] - 2 * MARGIN) / len(rows[0])
    for row in rows:
        for column, cell in enumerate(row):
            box = pymupdf.Rect(MARGIN + column * width, y, MARGIN + (column + 1) * width, y + 20)
            page.draw_rect(box, color=(0.3, 0.3, 0.3), width=0.6)
            page.insert_text(
                (box.x0 + 5, box.y1 - 6), cell, fontsize=9.5, fontname="hebo" if row is rows[0] else "helv"
            )
        y += 20
    return y


def make_archive(folder: Path) -> list[Path]:
    """Write what is missing of the archive and return its files. The password of the one that opens stands beside it in passwords.txt."""
    random.seed(SEED)
    makers: dict[str, Callable[[], bytes]] = {
        "reports/annual-report-2024.pdf": lambda: _pdf(annual_report()),
        "reports/copy of annual-report-2024.pdf": lambda: _pdf(annual_report()),
        "reports/field-survey-2024.pdf": lambda: _pdf(survey()),
        "articles/silt-and-salmon.pdf": lambda: _pdf(article()),
        "letters/lease-scanned.pdf": lambda: _pdf(scan(letter())),
        "minutes/minutes-march-scanned.pdf": lambda: _pdf(scan(minutes(), skew=-0.7)),
        "minutes/minutes-march-sideways.pdf": lambda: _pdf(scan(minutes(), turn=90, skew=0.3)),
        "reports/field-survey-rotated.pdf": lambda: _rotated(survey()),
        "notices/hochwasser.pdf": lambda: _pdf(foreign("Hochwasser: Hinweise für Anlieger", text.GERMAN, "helv")),
        "notices/crue.pdf": lambda: _pdf(foreign("Avis de crue", text.FRENCH, "helv")),
        "notices/防汛通知.pdf": lambda: _pdf(foreign("防汛通知", text.CHINESE, "china-s")),
        "pictures/notice-board.png": lambda: _picture(survey(), "PNG"),
        "pictures/fax.tiff": lambda: _tiff(minutes()),
        "pictures/phone-photo.jpg": lambda: _sideways_jpeg(letter()),
        "pictures/poster.webp": lambda: _picture(letter(), "WEBP"),
        "private/salaries-locked.pdf": lambda: _locked(survey(), PASSWORD),
        "private/minutes-locked-password-lost.pdf": lambda: _locked(minutes(), OTHER_PASSWORD),
        "damaged/truncated.pdf": lambda: _truncated(annual_report()),
        "damaged/empty.pdf": lambda: b"",
        "damaged/a-note-named.pdf": lambda: b"Bring the pump back to the depot by Friday.\n",
    }
    written = []
    for name, make in makers.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():  # a file drawn again would be a changed file: the next run would read it anew
            path.write_bytes(make())
        written.append(path)
    (folder.parent / "passwords.txt").write_text(f"{PASSWORD}\n")
    return written


def _pdf(document: pymupdf.Document) -> bytes:
    return bytes(document.tobytes(garbage=3, deflate=True, no_new_id=True))


def _rotated(document: pymupdf.Document) -> bytes:
    for page in document:
        page.set_rotation(90)
    return _pdf(document)


def _locked(document: pymupdf.Document, password: str) -> bytes:
    return bytes(document.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw=password, owner_pw=password))


def _truncated(document: pymupdf.Document) -> bytes:
    whole = bytes(document.tobytes(no_new_id=True))
    return whole[: len(whole) // 2]


def _picture(document: pymupdf.Document, kind: str) -> bytes:
    pixmap = document[0].get_pixmap(dpi=130)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (pixmap.width, pixmap.height), pixmap.samples).save(buffer, kind, quality=70)
    return buffer.getvalue()


def _sideways_jpeg(document: pymupdf.Document) -> bytes:
    """A picture stored on its side, with the EXIF mark by which cameras say so."""
    picture = _photograph(document[0], 0.4, 120, SEED).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=70, exif=exif)
    return buffer.getvalue()


def _tiff(document: pymupdf.Document) -> bytes:
    """A fax: black and white, one frame a page."""
    pages = [_photograph(page, 0.0, 150, SEED).point(lambda v: 255 if v > 128 else 0).convert("1") for page in document]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:], compression="group4")
    return buffer.getvalue()


if __name__ == "__main__":
    for made in make_archive(Path(sys.argv[1])):
        print(made)
