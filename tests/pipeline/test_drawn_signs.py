"""Boxes to tick that are drawn, not written, and signs of fonts whose codes are those of letters."""

from __future__ import annotations

import re
from collections.abc import Callable

import pymupdf
import pytest

from folioscope.model.embedded.markdown import to_markdown
from folioscope.model.plain_text import strip_markup
from folioscope.pipeline.decode.pages import Layout
from folioscope.pipeline.decode.symbol_fonts import signs_of
from folioscope.pipeline.decode.text_layer import extract_text_layer


def boxes_to_tick(page: pymupdf.Page) -> None:
    """Boxes as forms draw them: empty, filled, ticked with a stroke, crossed, and outlined after they were filled."""
    for number, label in enumerate(["Insured", "Abroad", "Married", "Retired", "Deceased"]):
        y = 100 + 30 * number
        page.insert_text((80, y + 9), label, fontsize=11)
        box = pymupdf.Rect(60, y, 71, y + 11)
        page.draw_rect(box, color=0, fill=(0, 0, 0) if label == "Abroad" else None)
        if label == "Married":
            page.draw_polyline([(62, y + 6), (65, y + 9), (70, y + 2)], color=0)
        if label == "Retired":
            page.draw_line(box.tl, box.br, color=0)
            page.draw_line(box.tr, box.bl, color=0)
        if label == "Deceased":
            page.draw_rect(box, color=None, fill=(1, 1, 1))
            page.draw_rect(box, color=0)


@pytest.mark.parametrize("layout", ["fast", "full"])
def test_drawn_boxes_stand_before_their_labels(layout: Layout) -> None:
    page = pymupdf.open().new_page()
    boxes_to_tick(page)
    words = " ".join(strip_markup(to_markdown(extract_text_layer(page, layout).blocks)).split())
    assert re.search("☐ Insured ☑ Abroad ☑ Married ☑ Retired ☐ Deceased", words), words


def test_drawn_boxes_stand_in_the_cells_and_lines_that_they_lie_in() -> None:
    page = pymupdf.open().new_page()
    for row, label in enumerate(["Is it insured?", "Is it kept abroad?", "Is it for sale?"]):
        y = 100 + 24 * row
        for x0, x1 in ((60, 260), (260, 400)):
            page.draw_rect(pymupdf.Rect(x0, y, x1, y + 24), color=0)
        page.insert_text((66, y + 16), label, fontsize=11)
        page.insert_text((284, y + 16), "yes", fontsize=11)
        page.insert_text((340, y + 16), "no", fontsize=11)
        page.draw_rect(pymupdf.Rect(270, y + 6, 280, y + 16), color=0, fill=(0, 0, 0) if row == 1 else None)
        page.draw_rect(pymupdf.Rect(326, y + 6, 336, y + 16), color=0, fill=None if row == 1 else (0, 0, 0))
    text = strip_markup(to_markdown(extract_text_layer(page, "auto").blocks))
    assert re.search(
        r"insured\?\W*☐ yes ☑ no\W*Is it kept abroad\?\W*☑ yes ☐ no\W*Is it for sale\?\W*☐ yes ☑ no", text
    ), text


def legend(page: pymupdf.Page) -> None:
    for number, fill in enumerate([None, (0, 0, 0), (0.5, 0.5, 0.5)]):
        page.draw_rect(pymupdf.Rect(60, 100 + 20 * number, 68, 108 + 20 * number), color=0, fill=fill)


def bullets(page: pymupdf.Page) -> None:
    for number in range(3):
        page.draw_rect(pymupdf.Rect(60, 100 + 20 * number, 66, 106 + 20 * number), color=None, fill=(0, 0, 0))


def cells_for_letters(page: pymupdf.Page) -> None:
    for number in range(3):
        for cell in range(4):
            x, y = 20 + 12 * cell, 98 + 20 * number
            page.draw_rect(pymupdf.Rect(x, y, x + 12, y + 12), color=0)


def frame_of_tiles(page: pymupdf.Page) -> None:
    for number in range(8):
        page.draw_rect(pymupdf.Rect(54, 90 + 14 * number, 68, 104 + 14 * number), color=0)


@pytest.mark.parametrize("draw", [legend, bullets, cells_for_letters, frame_of_tiles])
def test_other_small_squares_are_no_boxes_to_tick(draw: Callable[[pymupdf.Page], None]) -> None:
    page = pymupdf.open().new_page()
    draw(page)
    for number, label in enumerate(["Graduates", "Undergraduates", "Both"]):
        page.insert_text((74, 107 + 20 * number), label, fontsize=10)
    text = to_markdown(extract_text_layer(page, "fast").blocks)
    assert "Graduates" in text
    assert not re.search("[☐☑]", text)


@pytest.mark.parametrize(
    ("font", "codes", "signs"),
    [
        ("ABCDEF+Wingdings-Regular", "þ¨\uf0fc\uf0d8à§", "☑☐✓➢→▪"),
        ("Wingdings 2", "PRT£", "✓☑☒□"),
        ("Wingdings3", "pu", "▲▶"),
        ("Webdings", "a4", "✔▶"),
        ("Dingbats", "\x13\x17", "✓✗"),
        ("Helvetica", "þ¨à§", "þ¨à§"),
    ],
)
def test_fonts_of_signs_give_signs(font: str, codes: str, signs: str) -> None:
    known = signs_of(font) or {}
    assert "".join(known.get(code, code) for code in codes) == signs


def test_signs_of_a_font_are_read_as_signs() -> None:
    """ZapfDingbats is the one font of signs that every reader has; a file that calls it Wingdings is read by that name."""
    page = pymupdf.open().new_page()
    page.insert_text((60, 100), "J", fontsize=11, fontname="zadb")
    page.insert_text((80, 100), "insured against fire", fontsize=11)
    data = page.parent.tobytes(no_new_id=True).replace(b"/BaseFont/ZapfDingbats", b"/BaseFont/Wingdings   ")
    with pymupdf.open(stream=data, filetype="pdf") as document:
        text = to_markdown(extract_text_layer(document[0], "fast").blocks)
    assert "☺ insured against fire" in " ".join(text.split())
