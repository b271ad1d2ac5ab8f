"""Pages cut into lines: each line once, in order, at a size that small eyes can read."""

from __future__ import annotations

import numpy as np
import pymupdf
import pytest

from examples.nano.lines import CELL, MOST_LINES, MOST_WIDTH, cut_page
from folioscope.model.protocol import RgbImage


def printed(lines: list[str], size: float = 16, dpi: int = 144, pitch: float = 1.6) -> RgbImage:
    document = pymupdf.open()
    page = document.new_page(width=500, height=60 + pitch * size * len(lines))
    for number, line in enumerate(lines):
        page.insert_text((30, 40 + pitch * size * number), line, fontname="helv", fontsize=size)
    pixmap = page.get_pixmap(dpi=dpi)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


def test_short_lines_are_shown_together_and_paragraphs_apart() -> None:
    found = cut_page(printed(["The meadow below", "the weir is let.", "", "A new paragraph.", "Its second line."]))
    assert [(cut.first, cut.last) for cut in found.cuts] == [(0, 1), (2, 3)]
    assert found.paragraphs == {0, 2}
    assert len(found.boxes) == 4
    assert all(upper.y1 <= lower.y0 for upper, lower in zip(found.boxes, found.boxes[1:], strict=False))


@pytest.mark.parametrize(("size", "dpi"), [(9, 144), (16, 72), (16, 200), (30, 144)])
def test_pictures_have_whole_tokens_and_letters_of_one_height(size: float, dpi: int) -> None:
    found = cut_page(printed(["Repairs to the gate", "are shared by all."], size, dpi))
    for cut in found.cuts:
        height, width, _ = cut.image.shape
        assert (height % CELL, width % CELL) == (0, 0)
        assert width <= MOST_WIDTH
        assert height <= MOST_LINES * CELL
        ink = np.flatnonzero((cut.image.mean(axis=2) < 128).any(axis=1))
        assert 12 * (cut.last - cut.first + 1) <= ink[-1] - ink[0] <= 28 * (cut.last - cut.first + 1)


def test_a_wide_line_is_cut_between_words_and_nothing_is_lost() -> None:
    line = "The quick brown fox jumps over the lazy dog and runs away from it"
    found = cut_page(printed([line], size=14))
    assert len(found.boxes) == 1
    assert len(found.cuts) >= 2
    assert {(cut.first, cut.last) for cut in found.cuts} == {(0, 0)}
    ink = sum(int((cut.image.mean(axis=2) < 128).sum()) for cut in found.cuts)
    narrow = cut_page(printed([line[:20]], size=14)).cuts[0].image
    assert ink > 2.5 * int((narrow.mean(axis=2) < 128).sum())


def test_dots_and_accents_stay_with_their_line() -> None:
    found = cut_page(printed(["Äpfel, Öl, ijij.", "Été à Nîmes: ça?"]))
    assert len(found.boxes) == 2


@pytest.mark.parametrize("shade", [255, 128])
def test_an_empty_page_gives_no_pictures(shade: int) -> None:
    assert cut_page(np.full((300, 200, 3), shade, np.uint8)).cuts == ()
