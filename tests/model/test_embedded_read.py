"""Reading pictures of pages: words, order, direction, and what is blank."""

from __future__ import annotations

import numpy as np
import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.embedded.markdown import to_markdown
from folioscope.model.embedded.ocr import Line
from folioscope.model.embedded.paragraphs import to_blocks
from folioscope.model.embedded.read import read_page
from folioscope.model.flow import mend_flow
from folioscope.model.protocol import Block, Box, PageInput, RgbImage, TextLayer
from folioscope.model.reading_order import reading_order


def picture(words: str, size: float = 13) -> RgbImage:
    page = pymupdf.open().new_page(width=420, height=200)
    page.insert_textbox(pymupdf.Rect(20, 20, 400, 190), words, fontsize=size)
    pixmap = page.get_pixmap(dpi=144)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


def page_of(image: RgbImage | None, layer: TextLayer | None = None) -> PageInput:
    height, width = image.shape[:2] if image is not None else (100, 100)
    return PageInput(1, width, height, image, layer)


WORDS = "The dredging should go on through the winter.\nThe keeper was given an assistant.\nNobody voted against it."


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_picture_is_read_upright_whichever_way_it_lies(turn: int) -> None:
    lying = np.ascontiguousarray(np.rot90(picture(WORDS), k=turn // 90))  # turned against the clock
    reading = read_page(page_of(lying))
    assert reading.turned == turn
    assert "dredging should go on through the winter" in reading.text
    assert "Nobody voted against it" in reading.text
    assert reading.text_source == "model"
    assert reading.language == "en"
    assert all(block.confidence is not None and block.confidence > 0.8 for block in reading.blocks)


def test_paper_without_ink_is_blank_and_a_picture_without_words_has_none() -> None:
    paper = np.full((300, 300, 3), 240, np.uint8) + np.random.default_rng(1).integers(0, 3, (300, 300, 3), np.uint8)
    assert read_page(page_of(paper)).flags == ("blank",)
    shade = np.tile(np.linspace(0, 255, 300).astype(np.uint8)[:, None, None], (1, 300, 3))
    reading = read_page(page_of(shade))
    assert (reading.text, reading.flags) == ("", ("no_words",))


def test_a_usable_layer_is_taken_as_it_is_and_a_garbled_one_is_not() -> None:
    blocks = (Block("heading", "Title", level=1), Block("text", "Body."), Block("footer", "Page 3"))
    usable = read_page(page_of(None, TextLayer("usable", "", blocks, "en")))
    assert (usable.text, usable.text_source) == ("# Title\n\nBody.", "text_layer")
    garbled = read_page(page_of(picture(WORDS), TextLayer("garbled", "", (Block("text", "Uif esfehjoh"),))))
    assert "dredging" in garbled.text
    assert "garbled_layer" in garbled.flags


def test_hidden_ocr_is_compared_with_what_is_read() -> None:
    reading = read_page(page_of(picture(WORDS), TextLayer("hidden_ocr", "", (Block("text", WORDS),))))
    assert reading.layer_agreement is not None
    assert reading.layer_agreement > 0.95


def test_words_in_a_picture_join_a_usable_layer_once() -> None:
    layer = TextLayer("usable", "", (Block("text", "The keeper was given an assistant."),), needs_image=True)
    text = read_page(page_of(picture(WORDS), layer)).text
    assert text.count("keeper was given") == 1
    assert "dredging" in text


@given(
    st.lists(st.tuples(*[st.floats(0, 0.9) for _ in range(2)], *[st.floats(0.01, 0.3) for _ in range(2)]), max_size=25)
)
def test_an_order_holds_every_box_once(spots: list[tuple[float, float, float, float]]) -> None:
    boxes = [Box(x, y, x + w, y + h) for x, y, w, h in spots]
    assert sorted(reading_order(boxes)) == list(range(len(boxes)))


def test_columns_under_a_title_are_not_interleaved() -> None:
    title = Box(0.1, 0.05, 0.9, 0.1)
    left = [Box(0.1, y, 0.48, y + 0.08) for y in (0.15, 0.25, 0.35)]
    right = [Box(0.52, y, 0.9, y + 0.08) for y in (0.16, 0.26, 0.36)]
    assert reading_order([right[1], left[0], title, right[0], left[2], right[2], left[1]]) == [2, 1, 6, 4, 3, 0, 5]


def test_a_running_head_stays_out_of_the_text() -> None:
    head = [
        Line("400", Box(0.15, 0.08, 0.2, 0.1), 1.0, False),
        Line("BRITISH HUSBANDRY", Box(0.38, 0.08, 0.62, 0.1), 1.0, False),
    ]
    body = [
        Line(f"line {n} of the body text, long enough", Box(0.15, y, 0.87, y + 0.02), 1.0, False)
        for n, y in enumerate((0.11, 0.132, 0.154))
    ]
    blocks = to_blocks([*body, *head])
    assert [block.kind for block in blocks[:2]] == ["header", "header"]
    assert "HUSBANDRY" not in to_markdown(blocks)


def test_a_paragraph_torn_by_a_note_is_put_together() -> None:
    truncated = Block("text", "This paper examines whether a company that says so should be judged as a")
    note = Block("text", "Correspondence to: Dr Bell, Quay Street.")
    rest = Block("text", "corporate entity along standards of business ethics.")
    assert mend_flow([truncated, note, rest]) == (truncated, rest, note)
    assert "judged as a corporate entity" in to_markdown(mend_flow([truncated, note, rest]))


def test_numbered_headings_decide_between_rows_and_columns() -> None:
    def heading(number: int, x: float, y: float) -> Block:
        return Block("heading", f"{number}. Part", Box(x, y, x + 0.35, y + 0.05), level=2)

    by_rows = [heading(1, 0.1, 0.1), heading(3, 0.55, 0.1), heading(2, 0.1, 0.5), heading(4, 0.55, 0.5)]
    assert [block.text[0] for block in mend_flow(by_rows)] == ["1", "2", "3", "4"]


def test_words_of_a_small_picture_stand_where_the_picture_stands() -> None:
    page = pymupdf.open().new_page(width=420, height=600)
    page.insert_text((40, 305), "Serial Number SN-001", fontsize=14)
    pixmap = page.get_pixmap(dpi=144)
    image = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)
    before = Block("text", "First paragraph of the layer.", Box(0.1, 0.1, 0.9, 0.15))
    after = Block("text", "Last paragraph of the layer.", Box(0.1, 0.8, 0.9, 0.85))
    picture_box = Box(0.08, 0.47, 0.6, 0.53)  # 1.6 % of the page
    layer = TextLayer("usable", "", (before, after), "en", needs_image=True, pictures=(picture_box,))
    text = read_page(page_of(image, layer)).text
    assert text == "First paragraph of the layer.\n\nSerial Number SN-001\n\nLast paragraph of the layer."
