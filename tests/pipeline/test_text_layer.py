"""Text layers as blocks: order, boxes on turned pages, headings, tables, words and letters put right."""

from __future__ import annotations

import re

import pymupdf
import pytest

from folioscope.model.embedded.markdown import to_markdown
from folioscope.model.embedded.read import read_page
from folioscope.model.plain_text import strip_markup
from folioscope.model.protocol import PageInput
from folioscope.pipeline.decode.lines import clean, join_lines
from folioscope.pipeline.decode.pages import DecodeSettings, Layout
from folioscope.pipeline.decode.pdf import decode_pdf_page
from folioscope.pipeline.decode.regions import Region
from folioscope.pipeline.decode.text_layer import extract_text_layer
from folioscope.pipeline.decode.typed_tables import with_typed_tables
from folioscope.pipeline.failures import Failure, Reason

LEFT = [f"Left column sentence {n} runs along in its narrow column until it ends." for n in range(6)]
RIGHT = [f"Right column sentence {n} comes after all that stands on the left." for n in range(6)]


def two_columns() -> pymupdf.Page:
    page = pymupdf.open().new_page()
    page.insert_textbox(pymupdf.Rect(60, 40, 540, 80), "A title over both columns", fontsize=20)
    page.insert_textbox(pymupdf.Rect(60, 100, 290, 780), "\n\n".join(LEFT), fontsize=10)
    page.insert_textbox(pymupdf.Rect(310, 100, 540, 780), "\n\n".join(RIGHT), fontsize=10)
    return page


@pytest.mark.parametrize("layout", ["auto", "fast", "full"])
def test_columns_are_read_one_after_the_other(layout: Layout) -> None:
    text = to_markdown(extract_text_layer(two_columns(), layout).blocks)
    places = [text.index(part) for part in ("A title", *(s[:22] for s in LEFT), *(s[:23] for s in RIGHT))]
    assert places == sorted(places)
    assert text.lstrip().startswith("#")


@pytest.mark.parametrize("layout", ["auto", "fast", "full"])
@pytest.mark.parametrize("turn", [0, 180])
def test_boxes_are_where_the_words_are_on_the_upright_page(layout: Layout, turn: int) -> None:
    page = pymupdf.open().new_page(width=600, height=800)
    page.insert_text((60, 100), "Only these words stand here, near the top left corner.", fontsize=12)
    page.set_rotation(turn)
    [block] = [block for block in extract_text_layer(page, layout).blocks if block.text]
    assert block.bbox is not None
    middle = ((block.bbox.x0 + block.bbox.x1) / 2, (block.bbox.y0 + block.bbox.y1) / 2)
    expected = (0.36, 0.12) if turn == 0 else (0.64, 0.88)
    assert middle == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("turn", [90, 270])
def test_a_page_whose_words_run_up_or_down_is_turned_upright(turn: int) -> None:
    document = pymupdf.open()
    page = document.new_page(width=600, height=800)
    page.insert_text((60, 100), "Words that would run along the side of the page as it is stored.", fontsize=12)
    page.set_rotation(turn)
    decoded = decode_pdf_page(document, 1, DecodeSettings(layout="fast", dpi=72))
    assert (decoded.width_px, decoded.height_px, decoded.rotation) == (600, 800, 0)
    assert decoded.layer is not None
    box = decoded.layer.blocks[0].bbox
    assert box is not None
    assert box.x1 - box.x0 > box.y1 - box.y0


def accounts(*, pages: int) -> pymupdf.Page:
    """The first of some pages that bear the same line at their head and their number at their foot."""
    document = pymupdf.open()
    for number in range(pages):
        page = document.new_page()
        page.insert_text((60, 30), f"Harbour Board, Accounts {1931 + number}", fontsize=8)
        page.insert_textbox(pymupdf.Rect(60, 80, 540, 120), "Receipts", fontsize=18)
        page.insert_textbox(pymupdf.Rect(60, 120, 540, 200), "The receipts of the year are below. " * 4, fontsize=10)
        rows = [("Quarter", "Dues", "Rents"), ("First", "120", "31"), ("Second", "98", "30"), ("Third", "140", "29")]
        for r, row in enumerate(rows):
            for c, cell in enumerate(row):
                box = pymupdf.Rect(60 + 150 * c, 220 + 20 * r, 210 + 150 * c, 240 + 20 * r)
                page.draw_rect(box)
                page.insert_text((box.x0 + 4, box.y1 - 6), cell, fontsize=10)
        page.insert_text((290, 820), f"{17 + number}", fontsize=8)
    return document[0]


def test_full_layout_finds_tables_and_leaves_furniture_out() -> None:
    page = accounts(pages=3)
    text = to_markdown(extract_text_layer(page, "full").blocks)
    assert "<table>" in text
    assert "140" in text
    assert "# Receipts" in text
    assert "17" not in text.split()
    assert "Harbour Board, Accounts 1931" not in text


@pytest.mark.parametrize("layout", ["auto", "fast", "full"])
def test_a_line_at_the_head_of_one_page_alone_is_part_of_it(layout: Layout) -> None:
    text = to_markdown(extract_text_layer(accounts(pages=1), layout).blocks)
    assert "Harbour Board, Accounts 1931" in text
    assert "17" not in text.split(), "a page number is one on a single page, too"


def test_a_page_that_says_but_one_line_at_its_foot_is_not_blank() -> None:
    document = pymupdf.open()
    document.new_page().insert_text((60, 820), "KEY INFORMATION FOR INVESTORS", fontsize=9)
    layer = extract_text_layer(document[0], "full")
    reading = read_page(PageInput(1, 600, 800, None, layer))
    assert (reading.text_source, reading.flags) == ("text_layer", ())
    assert "KEY INFORMATION FOR INVESTORS" in reading.text


def test_hidden_layers_are_no_text() -> None:
    for turn in (0, 90):
        document = pymupdf.open()
        page = document.new_page()
        hidden, shown = document.add_ocg("draft", on=False), document.add_ocg("final", on=True)
        page.insert_text((72, 300), "A draft that nobody was meant to read any more.", oc=hidden)
        page.insert_text((72, 400), "The final wording of the agreement stands here.", oc=shown)
        page.set_rotation(turn)
        with pymupdf.open(stream=document.tobytes(), filetype="pdf") as saved:
            text = to_markdown(extract_text_layer(saved[0], "full").blocks)
        assert "final wording" in text
        assert "draft" not in text


def test_states_of_fields_stand_beside_their_labels_and_comments_apart() -> None:
    document = pymupdf.open()
    page = document.new_page()
    for y, (label, kind, value) in enumerate(
        [("Insured", pymupdf.PDF_WIDGET_TYPE_CHECKBOX, True), ("Abroad", pymupdf.PDF_WIDGET_TYPE_CHECKBOX, False)]
    ):
        page.insert_text((60, 100 + 40 * y), label, fontsize=11)
        widget = pymupdf.Widget()
        widget.field_name, widget.field_type, widget.field_value = label, kind, value
        widget.rect = pymupdf.Rect(120, 90 + 40 * y, 134, 104 + 40 * y)
        page.add_widget(widget)
    choice = pymupdf.Widget()
    choice.field_name, choice.field_type = "Port", pymupdf.PDF_WIDGET_TYPE_LISTBOX
    choice.choice_values, choice.field_value = ["Hythe", "Sallow", "Carrow"], "Sallow"
    choice.rect = pymupdf.Rect(120, 180, 220, 240)
    page.add_widget(choice)
    page.add_text_annot((400, 100), "Ask the treasurer about this.")
    with pymupdf.open(stream=document.tobytes(), filetype="pdf") as saved:
        layer = extract_text_layer(saved[0], "full")
    text = to_markdown(layer.blocks)
    assert re.search(r"Insured\W*☑", strip_markup(text))
    assert re.search(r"Abroad\W*☐", strip_markup(text))
    assert re.search(r"☐ Hythe\W*☑ Sallow\W*☐ Carrow", strip_markup(text))
    assert "treasurer" not in text
    assert [block.text for block in layer.blocks if block.kind == "comment"] == ["Ask the treasurer about this."]
    assert "comments" in layer.flags


def test_a_note_in_the_margin_is_no_part_of_the_lines_beside_it() -> None:
    page = pymupdf.open().new_page()
    body = "Larger figures are usually placed in a float, so that a page can be broken well, and further lines follow."
    for number in range(6):
        page.insert_text((150, 100 + 14 * number), f"{number} {body[:70]}", fontsize=10)
    for number, words in enumerate(["Marginal", "notes are", "placed in", "the outer", "margin."]):
        page.insert_text((70, 100 + 11.2 * number), words, fontsize=10)
    text = to_markdown(extract_text_layer(page, "full").blocks)
    assert "Marginal notes are placed in the outer margin." in text


def test_a_small_table_that_was_typed_into_a_paragraph_is_a_table() -> None:
    words = [("Port", "Ships"), ("Hythe", "11"), ("Sallow", "2"), ("Carrow", "1,204")]
    spans = [
        {"text": text, "bbox": (100.0 + 60 * column, 12.0 * row, 100.0 + 60 * column + 6 * len(text), 12.0 * row + 10)}
        | {"size": 10.0, "number": 2 * row + column, "origin": (0.0, 12.0 * row + 8)}
        for row, line in enumerate(words)
        for column, text in enumerate(line)
    ]
    above = {"text": "Example", "bbox": (110.0, -14.0, 150.0, -4.0), "size": 10.0, "number": -1, "origin": (0.0, -6.0)}
    for span in (above, *spans):
        span |= {"flags": 0, "font": "Helvetica"}
    region = Region((100.0, -14.0, 190.0, 46.0), "formula", None, [above, *spans])
    before, found = with_typed_tables([region])
    assert [span["text"] for span in before.spans] == ["Example"]
    assert (found.kind, found.html) == (
        "table",
        "<table><tr><th>Port</th><th>Ships</th></tr><tr><td>Hythe</td><td>11</td></tr>"
        "<tr><td>Sallow</td><td>2</td></tr><tr><td>Carrow</td><td>1,204</td></tr></table>",
    )
    contents = Region((100.0, 0.0, 190.0, 46.0), "text", None, spans[2:])
    assert with_typed_tables([contents]) == [contents], "rows of figures without names are no table"


def test_labels_in_bold_beside_their_values_are_a_table() -> None:
    page = pymupdf.open().new_page()
    facts = [
        ("Reign", ["959 to 975"]),
        ("Predecessor", ["Eadwig"]),
        ("Issue", ["Edward", "Edith of Wilton"]),
        ("House", ["Wessex"]),
        ("Father", ["Edmund"]),
    ]
    y = 300.0
    for label, values in facts:
        page.insert_text((330, y), label, fontsize=10.5, fontname="hebo")
        for value in values:
            page.insert_text((430, y), value, fontsize=10.5)
            y += 18
    prose = "Edgar was King of the English from 959 until his death in 975, and of all of them on his brother's death."
    page.insert_textbox(pymupdf.Rect(60, 100, 300, 700), " ".join([prose] * 6), fontsize=10.5)
    text = to_markdown(extract_text_layer(page, "full").blocks)
    assert "<tr><th>Predecessor</th><td>Eadwig</td></tr>" in text
    assert "<tr><th>Issue</th><td>Edward<br/>Edith of Wilton</td></tr>" in text


def test_a_page_too_slow_to_lay_out_is_read_by_the_fast_rules() -> None:
    page = two_columns()
    shape = page.new_shape()
    for i in range(7000):
        shape.draw_line((10 + i % 500, 10), (10 + i % 500, 12 + i % 7))
        shape.finish(width=0.1)
    shape.commit()
    layer = extract_text_layer(page, "full")
    assert "layout_timeout" in layer.flags
    assert "Left column sentence 3" in to_markdown(layer.blocks)


def test_listings_keep_their_lines_and_indents() -> None:
    page = pymupdf.open().new_page()
    prose = "The settings of a port are shown below, and what each of them means is told after them. "
    page.insert_textbox(pymupdf.Rect(60, 60, 540, 160), prose * 4, fontsize=11)
    listing = ["port 1/1/1", "    ethernet", "        mode access", "    exit", "    no shutdown"]
    for n, line in enumerate(listing):
        page.insert_text((72, 200 + 12 * n), line, fontsize=9, fontname="cour")
    page.insert_textbox(pymupdf.Rect(60, 300, 540, 400), prose * 4, fontsize=11)
    [code] = [block for block in extract_text_layer(page, "full").blocks if block.kind == "code"]
    assert code.text.split("\n") == listing


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("We thank J´an Min´aˇc", "We thank Ján Mináč"),
        ("‘‘responsibility’’", "“responsibility”"),
        ("na¨ıve", "naïve"),
        ("a ˆ b", "a ˆ b"),
    ],
)
def test_letters_are_put_right(raw: str, text: str) -> None:
    assert clean(raw) == text


def test_words_broken_at_line_ends_are_made_whole() -> None:
    assert join_lines(["a transna-", "tional com-", "pany"]) == "a transnational company"
    assert join_lines(["North-", "South"]) == "North- South"
    assert join_lines(["水位上涨", "通知"]) == "水位上涨通知"


def test_a_drop_cap_goes_before_its_word() -> None:
    page = pymupdf.open().new_page()
    page.insert_text((60, 128), "O", fontsize=34)
    for n, line in enumerate(
        ["ver the past three decades the pressure has grown,", "and with it the number of those", "who feel it."]
    ):
        page.insert_text((90, 106 + 11 * n), line, fontsize=10)
    text = " ".join(block.text for block in extract_text_layer(page, "full").blocks)
    assert "Over the past three decades" in text


def test_a_torn_page_is_lost_not_blank() -> None:
    document = pymupdf.open()
    for n in range(2):
        document.new_page().insert_text((60, 100), f"Page {n} with words.")
    whole = document.tobytes(no_new_id=True)
    content = document[1].get_contents()[0]
    start = whole.index(f"{content} 0 obj".encode())
    truncated = (
        whole[:start] + whole[whole.index(b"endobj", start) + 6 :]
    )  # the object is gone, the cross references lie
    with pymupdf.open(stream=truncated, filetype="pdf") as damaged:
        first = decode_pdf_page(damaged, 1, DecodeSettings(layout="fast"))
        assert first.layer is not None
        assert first.layer.blocks[0].text == "Page 0 with words."
        with pytest.raises(Failure) as told:
            decode_pdf_page(damaged, 2, DecodeSettings(layout="fast"))
        assert told.value.reason is Reason.DAMAGED_FILE
