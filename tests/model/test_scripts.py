"""Scripts: what is read, what is said not to be, and that no page which is read well is called unread."""

from __future__ import annotations

import re

import numpy as np
import pymupdf
import pytest
from rapidfuzz.distance import Levenshtein

from benchmarks.scripts import ARTICLE, draw_page, likeness
from folioscope.model.embedded import tesseract
from folioscope.model.embedded.read import read_page
from folioscope.model.embedded.scripts import SCRIPTS, script_shares
from folioscope.model.embedded.tesseract import Installed
from folioscope.model.protocol import PageInput, Reading, RgbImage

READ_WITHOUT = ("Latin", "CJK", "Japanese")


def drawn(script: str) -> RgbImage:
    page = draw_page(script)
    if page is None:
        pytest.skip(f"no font for {script} on this machine")
    return page


def printed(words: str, *, font: str = "helv", encoding: int = 0, size: float = 14) -> RgbImage:
    """A page in a font that comes with PyMuPDF."""
    page = pymupdf.open().new_page(width=520, height=220)
    for number in range(4):
        page.insert_text((30, 40 + 40 * number), words, fontname=font, encoding=encoding, fontsize=size)
    pixmap = page.get_pixmap(dpi=144)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


def read(image: RgbImage) -> Reading:
    return read_page(PageInput(1, image.shape[1], image.shape[0], image, None))


@pytest.fixture
def without_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tesseract, "installed", lambda: None)


needs_tesseract = pytest.mark.skipif(tesseract.installed() is None, reason="no Tesseract here")

RUSSIAN = "Все люди рождаются свободными и равными в своем достоинстве"


@pytest.mark.usefixtures("without_tesseract")
def test_a_russian_page_without_tesseract_has_no_text_and_says_what_would_read_it() -> None:
    reading = read(printed(RUSSIAN, encoding=pymupdf.TEXT_ENCODING_CYRILLIC))
    assert (reading.text, reading.text_source, reading.blocks) == ("", "none", ())
    assert "unread_script" in reading.flags
    assert reading.language is None
    assert reading.unread is not None
    assert "tesseract-ocr and tesseract-ocr-" in reading.unread


@pytest.mark.usefixtures("without_tesseract")
@pytest.mark.parametrize("script", [script for script in ARTICLE if script not in READ_WITHOUT])
def test_no_page_has_wrong_text_without_a_flag(script: str) -> None:
    reading = read(drawn(script))
    assert reading.text == ""
    assert "unread_script" in reading.flags
    assert "tesseract-ocr" in (reading.unread or "")


@pytest.mark.usefixtures("without_tesseract")
@pytest.mark.parametrize("script", READ_WITHOUT)
def test_what_rapidocr_reads_has_no_flag(script: str) -> None:
    reading = read(drawn(script))
    assert reading.flags == ()
    assert likeness(reading.text, script) > 0.97


@needs_tesseract
@pytest.mark.parametrize("script", ARTICLE)
def test_tesseract_reads_the_other_scripts(script: str) -> None:
    engine = tesseract.installed()
    assert engine is not None
    if script in tesseract.LANGUAGES and engine.language_of(script) is None:
        pytest.skip(f"no language data for {script}")
    reading = read(drawn(script))
    assert "unread_script" not in reading.flags
    assert reading.unread is None
    assert likeness(reading.text, script) > 0.85


NUMBERS = "1,204.50   38.7 %   (12)   0.003   77,810   2024-03-01"


@pytest.mark.parametrize(
    "words",
    [NUMBERS, "Größe, Übung, Straße und Äpfel für die Prüfung", "THE SOUND OF 99 DRUMS!", "Ça et là, l'été à Orléans"],
)
@pytest.mark.parametrize("engines", ["all", "rapidocr"])
def test_pages_that_are_read_well_have_no_flag(words: str, engines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if engines == "rapidocr":
        monkeypatch.setattr(tesseract, "installed", lambda: None)
    reading = read(printed(words))
    assert reading.flags == ()
    assert reading.unread is None
    assert Levenshtein.normalized_similarity(re.sub(r"\s", "", reading.text), re.sub(r"\s", "", words * 4)) > 0.95


@pytest.mark.usefixtures("without_tesseract")
def test_noise_over_latin_print_makes_no_other_script_of_it() -> None:
    image = printed("The dredging should go on through the winter months", size=16).astype(np.int16)
    noisy = np.clip(image * 0.7 + 40 + np.random.default_rng(2).normal(0, 30, image.shape), 0, 255).astype(np.uint8)
    assert "unread_script" not in read(noisy).flags


@pytest.mark.usefixtures("without_tesseract")
def test_the_readable_part_of_a_page_is_kept() -> None:
    english = printed("The readable half of this page is in English")
    hebrew = drawn("Hebrew")[:, : english.shape[1]]
    reading = read(np.concatenate([english, english, hebrew]))
    assert "readable half" in reading.text
    assert "unread_script" in reading.flags
    assert "Hebrew" in (reading.unread or "")


@needs_tesseract
@pytest.mark.parametrize("in_process", [True, False])
def test_the_library_and_the_command_read_alike(in_process: bool) -> None:
    engine = tesseract.installed()
    assert engine is not None
    pytest.importorskip("tesserocr") if in_process else None
    import shutil

    if not in_process and shutil.which("tesseract") is None:
        pytest.skip("no tesseract command")
    line = printed("The keeper was given an assistant", size=16)[40:100, :, 0].copy()
    blank = np.full((30, 200), 255, np.uint8)
    found = tesseract.read_crops([line, blank, line], "eng", Installed(in_process, engine.data, engine.languages))
    assert found[1] is None
    for read_line in (found[0], found[2]):
        assert read_line is not None
        assert [word for word, _ in read_line.words] == "The keeper was given an assistant".split()
        assert read_line.confidence > 0.85
        assert read_line.words[0][1].x0 < 0.1 < read_line.words[-1][1].x0


@needs_tesseract
def test_a_command_that_fails_is_told_with_its_own_words() -> None:
    import shutil

    if shutil.which("tesseract") is None:
        pytest.skip("no tesseract command")
    with pytest.raises(RuntimeError, match="tesseract command ended with"):
        tesseract.read_crops([np.full((30, 90), 200, np.uint8)], "xxx", Installed(False, "/nowhere", frozenset()))


def test_every_line_gets_shares_of_all_scripts() -> None:
    line = printed("The keeper was given an assistant", size=16)[40:100, :, 0].copy()
    shares = script_shares([line, np.full((20, 300), 250, np.uint8)])
    assert shares.shape == (2, len(SCRIPTS))
    assert np.allclose(shares.sum(axis=1), 1.0, atol=1e-3)
