"""Which pages go to the layout network: tables and forms all, plain prose none."""

from __future__ import annotations

import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folioscope.model.embedded.markdown import to_markdown
from folioscope.pipeline.decode.content import page_content
from folioscope.pipeline.decode.page_shape import needs_network
from folioscope.pipeline.decode.paths import drawn_paths
from folioscope.pipeline.decode.text_layer import extract_text_layer

PROSE = "The dredging of the outer harbour went on through the winter, and its cost was met from the reserve. "
WORDS = ("Dues", "Rents", "Total of the year", "1,204", "98.5", "Hythe", "not yet known", "31 March", "£", "12")


def blank() -> pymupdf.Page:
    return pymupdf.open().new_page()


def wants(page: pymupdf.Page) -> bool:
    return needs_network(page, page_content(page), drawn_paths(page))


def write(page: pymupdf.Page, left: float, top: float, right: float, bottom: float, text: str, **how: object) -> None:
    page.insert_textbox(pymupdf.Rect(left, top, right, bottom), text, fontsize=10, **how)


def one_column(page: pymupdf.Page) -> None:
    page.insert_text((60, 60), "Of the harbour", fontsize=16)
    for n in range(5):
        write(page, 60, 80 + 100 * n, 540, 180 + 100 * n, PROSE * 4)
    page.insert_text((60, 30), "Harbour Board", fontsize=8)
    page.insert_text((500, 30), "17", fontsize=8)


def two_columns(page: pymupdf.Page) -> None:
    write(page, 60, 80, 290, 600, PROSE * 12)
    write(page, 312, 80, 540, 600, PROSE * 12)


def numbered_items(page: pymupdf.Page) -> None:
    for n in range(8):
        page.insert_text((60, 80 + 60 * n), f"{n + 1}.", fontsize=10)
        write(page, 90, 71 + 60 * n, 540, 130 + 60 * n, PROSE * 2)


def contents(page: pymupdf.Page) -> None:
    for n in range(12):
        page.insert_text((60, 80 + 20 * n), f"{n + 1} Of the part with this number {'. ' * 40}{3 * n + 1}", fontsize=10)


def listing(page: pymupdf.Page) -> None:
    write(page, 60, 80, 540, 180, PROSE * 3)
    page.draw_rect((60, 185, 540, 245))
    for n, line in enumerate(["port 1/1/1", "    ethernet", "        mode access", "    exit"]):
        page.insert_text((72, 200 + 12 * n), line, fontsize=9, fontname="cour")


def a_rule_over_a_note(page: pymupdf.Page) -> None:
    one_column(page)
    page.draw_line((60, 700), (200, 700))
    write(page, 60, 705, 540, 750, "1 " + PROSE)


@pytest.mark.parametrize(
    "draw", [one_column, two_columns, numbered_items, contents, listing, a_rule_over_a_note], ids=lambda f: f.__name__
)
def test_plain_prose_needs_no_network(draw: object) -> None:
    page = blank()
    draw(page)  # type: ignore[operator]
    assert not wants(page)


def cells(page: pymupdf.Page, columns: int, rows: int, wide: float) -> None:
    for row in range(rows):
        for column in range(columns):
            word = WORDS[(3 * row + 7 * column) % len(WORDS)]
            page.insert_text((60 + wide * column, 300 + 15 * row), word, fontsize=10)


@settings(max_examples=30, deadline=None)
@given(columns=st.integers(2, 5), rows=st.integers(3, 20), wide=st.floats(95, 105))
def test_cells_side_by_side_need_it(columns: int, rows: int, wide: float) -> None:
    page = blank()
    write(page, 60, 80, 540, 280, PROSE * 4)
    cells(page, columns, rows, wide)
    assert wants(page)


def ruled(page: pymupdf.Page) -> None:
    write(page, 60, 80, 540, 280, PROSE * 4)
    for n in range(3):
        page.draw_line((60, 300 + 20 * n), (540, 300 + 20 * n))
    cells_at = ((60, "Port"), (300, "Dues"), (60, "Hythe"), (300, "1,204"))
    for n, (x, word) in enumerate(cells_at):
        page.insert_text((x, 314 + 20 * (n // 2)), word, fontsize=10)


def grid(page: pymupdf.Page) -> None:
    write(page, 60, 80, 540, 280, PROSE * 4)
    page.draw_rect((60, 300, 540, 400))
    page.draw_line((200, 300), (200, 400))
    write(page, 65, 305, 195, 400, PROSE)
    write(page, 205, 305, 535, 400, PROSE)


def three_columns(page: pymupdf.Page) -> None:
    for n in range(3):
        write(page, 60 + 165 * n, 80, 205 + 165 * n, 700, PROSE * 10)


def typed_columns(page: pymupdf.Page) -> None:
    for n in range(5):
        page.insert_text((60, 80 + 12 * n), f"{n / 10:4.2f}       {100 * n:5d}       {7 * n:5d}", fontname="cour")


def form(page: pymupdf.Page) -> None:
    write(page, 60, 80, 540, 280, PROSE)
    widget = pymupdf.Widget()
    widget.field_name, widget.field_type = "Insured", pymupdf.PDF_WIDGET_TYPE_CHECKBOX
    widget.rect = pymupdf.Rect(120, 300, 134, 314)
    page.add_widget(widget)


@pytest.mark.parametrize("draw", [ruled, grid, three_columns, typed_columns, form], ids=lambda f: f.__name__)
def test_more_than_prose_needs_it(draw: object) -> None:
    page = blank()
    draw(page)  # type: ignore[operator]
    assert wants(page)


def test_auto_is_full_on_tables_and_fast_on_prose() -> None:
    table, prose = blank(), blank()
    write(table, 60, 80, 540, 280, PROSE * 4)
    cells(table, 4, 6, 100)
    one_column(prose)
    assert extract_text_layer(table, "auto") == extract_text_layer(table, "full")
    assert any(block.kind == "table" for block in extract_text_layer(table, "auto").blocks)
    assert extract_text_layer(prose, "auto") == extract_text_layer(prose, "fast")


def test_rules_tell_headings_items_listings_and_captions_apart() -> None:
    page = blank()
    page.insert_text((60, 80), "Of the dues", fontsize=10, fontname="hebo")
    write(page, 60, 84, 540, 130, PROSE * 2)
    for n, item in enumerate(["the dues of ships", "the rents of sheds"]):
        page.insert_text((60, 150 + 13 * n), f"• {item}", fontsize=10)
    for n, line in enumerate(["port 1", "", "    exit"]):
        page.insert_text((72, 200 + 12 * n), line, fontsize=9, fontname="cour")
    page.insert_text((60, 300), "Figure 2. The harbour from the sea", fontsize=10)
    write(page, 60, 320, 540, 400, PROSE * 3)
    blocks = extract_text_layer(page, "fast").blocks
    assert [(block.kind, block.text[:34]) for block in blocks] == [
        ("heading", "Of the dues"),
        ("text", PROSE[:34]),
        ("list_item", "the dues of ships"),
        ("list_item", "the rents of sheds"),
        ("code", "port 1\n    exit"),
        ("caption", "Figure 2. The harbour from the sea"),
        ("text", PROSE[:34]),
    ]


def test_lines_that_wide_leading_parts_are_one_paragraph() -> None:
    page = blank()
    for paragraph in range(3):
        for n in range(4):
            words = PROSE[:60].ljust(60, "x") if n < 3 else "and there it ended."
            page.insert_text((60, 80 + 24 * n + 110 * paragraph), words, fontsize=10)
    blocks = extract_text_layer(page, "fast").blocks
    assert [block.kind for block in blocks] == ["text"] * 3
    assert to_markdown(blocks).count("and there it ended.") == 3
