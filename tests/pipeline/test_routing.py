"""Which reader a page goes to: each rule by a page drawn for it, and the rules as part of the recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from folioscope.model.blocks import Block, Box, TextLayer
from folioscope.model.choice import ModelChoice
from folioscope.model.load import describe_replica
from folioscope.pipeline.config import parse_config
from folioscope.pipeline.decode import routing
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings, Routed
from folioscope.pipeline.decoding import decode_settings
from folioscope.pipeline.planning.route_sample import RoutedFile, share_of
from folioscope.pipeline.tables.recipes import make_recipes

AUTO = DecodeSettings(thumbnail_px=0, route="auto", layout="auto")
PROSE = (
    "The keeper of the lighthouse wrote down every ship that passed, its flag and the hour, in a book of its own. " * 6
)
Draw = Callable[[pymupdf.Page], None]


@pytest.fixture(scope="module")
def children() -> Iterator[DecodeChildren]:
    pool = DecodeChildren(1, ChildLimits())
    yield pool
    pool.close()


def prose(page: pymupdf.Page) -> None:
    page.insert_textbox(pymupdf.Rect(60, 60, 540, 240), PROSE, fontsize=11)


def nothing(page: pymupdf.Page) -> None:
    pass


def scan(page: pymupdf.Page) -> None:
    page.insert_image(page.rect, stream=picture_of("A page that was scanned", (1200, 1600)))


def hidden_text_over_a_scan(page: pymupdf.Page) -> None:
    scan(page)
    page.insert_textbox(pymupdf.Rect(60, 60, 540, 240), PROSE, fontsize=11, render_mode=3)


def garbled(page: pymupdf.Page) -> None:
    cipher = str.maketrans("abcdefghijklmnoprstuvwxyz", "xqzjkvbpywgfmhdulcntorsie")
    page.insert_textbox(pymupdf.Rect(60, 60, 540, 240), PROSE.translate(cipher), fontsize=11)


def formula(page: pymupdf.Page) -> None:
    prose(page)
    writer = pymupdf.TextWriter(page.rect)
    writer.append((80, 300), "∑ α ≤ ∫ β, ∀ γ ∈ ∞", pymupdf.Font("symbol"), 14)
    writer.write_text(page)


def form(page: pymupdf.Page) -> None:
    prose(page)
    field = pymupdf.Widget()
    field.field_type, field.field_name = pymupdf.PDF_WIDGET_TYPE_TEXT, "name"
    field.rect = pymupdf.Rect(60, 300, 300, 320)
    page.add_widget(field)


def printed_form(page: pymupdf.Page) -> None:
    prose(page)
    for number, label in enumerate(("Name", "Street", "Town")):
        page.insert_text((60, 300 + 30 * number), f"{label} ______________________")


def unnamed_signs(page: pymupdf.Page) -> None:
    prose(page)
    writer = pymupdf.TextWriter(page.rect)
    writer.append((80, 300), "\ue001\ue002\ue003\ue004\ue005\ue006\ue007\ue008", pymupdf.Font("helv"), 11)
    writer.write_text(page)


def picture_with_words(page: pymupdf.Page) -> None:
    prose(page)
    page.insert_image(pymupdf.Rect(100, 300, 500, 500), stream=picture_of("Tide at the pier", (800, 400)))


def picture_without_words(page: pymupdf.Page) -> None:
    prose(page)
    shades = np.linspace(60, 220, 800).astype(np.uint8)
    pixels = np.repeat(shades[None, :, None], 400, axis=0).repeat(3, axis=2)
    page.insert_image(pymupdf.Rect(100, 300, 500, 500), stream=png(Image.fromarray(pixels)))


def plain_table(page: pymupdf.Page) -> None:
    prose(page)
    table(
        page, [["Ship", "Flag", "Hour"], ["Anna", "Danish", "4"], ["Boreas", "Dutch", "6"], ["Clara", "British", "9"]]
    )


def merged_table(page: pymupdf.Page) -> None:
    prose(page)
    rows = [
        ["", "Cargo", "", "Crew"],
        ["Ship", "coal", "grain", "men"],
        ["Anna", "4", "7", "12"],
        ["Boreas", "6", "1", "9"],
    ]
    table(page, rows, merged=(1, 0))


def table(page: pymupdf.Page, rows: list[list[str]], merged: tuple[int, int] | None = None) -> None:
    """A ruled table; ``merged``: column and row of a cell without the line on its right."""
    left, top, wide, high = 80, 300, 100, 24
    for line in range(len(rows) + 1):
        page.draw_line((left, top + line * high), (left + wide * len(rows[0]), top + line * high))
    for column in range(len(rows[0]) + 1):
        for row in range(len(rows)):
            if merged != (column - 1, row):
                page.draw_line((left + column * wide, top + row * high), (left + column * wide, top + (row + 1) * high))
    for row, cells in enumerate(rows):
        for column, text in enumerate(cells):
            place = left + column * wide + 8 + (40 if merged == (column, row) else 0)
            page.insert_text((place, top + row * high + 16), text, fontsize=11)


def picture_of(words: str, size: tuple[int, int]) -> bytes:
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).text((60, 150), words, fill="black", font=ImageFont.load_default(60))
    return png(image)


def png(image: Image.Image) -> bytes:
    import io

    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()


def decoded(children: DecodeChildren, folder: Path, draw: Draw, settings: DecodeSettings = AUTO) -> DecodedPage:
    path = folder / "page.pdf"
    with pymupdf.open() as document:
        draw(document.new_page(width=600, height=800))
        document.save(path)
    [page] = children.decode(path, "pdf", 1, 1, settings)
    assert isinstance(page, DecodedPage), page.failure
    return page


@pytest.mark.parametrize(
    ("draw", "reader", "reason"),
    [
        (prose, "layer", "usable_layer"),
        (plain_table, "layer", "usable_layer"),
        (picture_without_words, "layer", "usable_layer"),
        (nothing, "layer", "blank"),
        (scan, "model", "no_layer"),
        (hidden_text_over_a_scan, "model", "hidden_ocr"),
        (garbled, "model", "garbled_layer"),
        (formula, "model", "formula"),
        (form, "model", "form"),
        (printed_form, "model", "form"),
        (unnamed_signs, "model", "low_confidence"),
        (picture_with_words, "model", "figure"),
        (merged_table, "model", "table"),
    ],
)
def test_each_rule_by_a_page_drawn_for_it(
    children: DecodeChildren, tmp_path: Path, draw: Draw, reader: str, reason: str
) -> None:
    page = decoded(children, tmp_path, draw)
    assert page.routed == Routed(reader, reason)  # type: ignore[arg-type]
    assert (page.reading is not None, page.image is None) == ((True, True) if reader == "layer" else (False, False))


def test_a_page_for_no_model_is_read_as_the_embedded_replica_reads_it(children: DecodeChildren, tmp_path: Path) -> None:
    page = decoded(children, tmp_path, prose)
    assert page.reading is not None
    assert page.reading.text_source == "text_layer"
    assert page.reading.text.split() == PROSE.split()
    assert page.reading.blocks[0].bbox is not None


@pytest.mark.parametrize("draw", [formula, form, merged_table, picture_with_words])
def test_route_layer_leaves_the_model_pages_without_a_usable_layer_alone(
    children: DecodeChildren, tmp_path: Path, draw: Draw
) -> None:
    by_layer = DecodeSettings(thumbnail_px=0, route="layer", layout="fast")
    assert decoded(children, tmp_path, draw, by_layer).routed == Routed("layer", "usable_layer")
    assert decoded(children, tmp_path, scan, by_layer).routed == Routed("model", "no_layer")


def test_route_model_sends_every_page_to_it_with_its_picture(children: DecodeChildren, tmp_path: Path) -> None:
    page = decoded(children, tmp_path, prose, DecodeSettings(route="model", layout="fast", render="always"))
    assert (page.routed, page.reading) == (Routed("model", "all_pages"), None)
    assert page.image is not None


def test_a_picture_file_has_no_layer(children: DecodeChildren, tmp_path: Path) -> None:
    for name, words, routed in (
        ("a.png", "Words", Routed("model", "no_layer")),
        ("b.png", "", Routed("layer", "blank")),
    ):
        (tmp_path / name).write_bytes(picture_of(words, (400, 300)))
        [page] = children.decode(tmp_path / name, "image", 1, 1, AUTO)
        assert isinstance(page, DecodedPage)
        assert page.routed == routed


def recipe_of(model: str, **settings: object) -> str:
    config = parse_config(inputs=("in",), output="out", model=model, **settings)
    replica = describe_replica(ModelChoice(model))
    return make_recipes(replica, decode_settings(config, replica), {}, "cut").read.documents


def test_the_route_is_part_of_a_models_recipe_and_of_no_others() -> None:
    routes = ("auto", "model", "layer")
    assert len({recipe_of("nano", route=route) for route in routes}) == 3
    assert len({recipe_of("embedded", route=route) for route in routes}) == 1
    assert recipe_of("nano") == recipe_of("nano", route="auto")


def test_other_rules_make_another_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe_of("nano"), recipe_of("nano", route="model")
    monkeypatch.setattr("folioscope.pipeline.decoding.RULES", "another")
    assert recipe_of("nano") != before[0]
    assert recipe_of("nano", route="model") == before[1]


CELL = "<td>{}</td>"


def grid(*rows: str) -> str:
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


@pytest.mark.parametrize(
    ("table", "plain"),
    [
        (grid("<th>a</th><th>b</th>", "<td>1</td><td>2</td>"), True),
        (grid("<th>a</th><th></th>", "<td>1</td><td>2</td>"), True),
        (grid("<th>a</th><th>b</th>"), False),
        (grid("<th>a</th>", "<td>1</td>"), False),
        (grid('<th colspan="2">a</th>', "<td>1</td><td>2</td>"), False),
        (grid('<td rowspan="2">a</td><td>b</td>', "<td>1</td><td>2</td>"), False),
        (grid("<th>a</th><th></th>", "<td>1</td><td></td>"), False),
        (grid("<th>a</th><th>b</th>", "<td></td><td></td>"), False),
        (grid("<th>a</th><th>b</th>", "<td>1<br>2<br>3</td><td>x</td>"), False),
        (grid("<th>a</th><th>b</th>", "<td>two<br>lines</td><td>x</td>"), True),
        ("", False),
    ],
)
def test_a_table_is_rebuilt_beyond_doubt_where_it_is_a_plain_grid(table: str, plain: bool) -> None:
    assert routing.is_plain_grid(table) is plain


@given(st.lists(st.lists(st.text("abc1. ", min_size=1), min_size=2, max_size=4), min_size=2, max_size=5))
def test_rows_of_different_length_are_no_plain_grid(rows: list[list[str]]) -> None:
    made = grid(*("".join(map(CELL.format, row)) for row in rows))
    if len({len(row) for row in rows}) > 1:
        assert not routing.is_plain_grid(made)


@pytest.mark.parametrize(
    ("font", "text", "counted"),
    [
        ("CMMI10", "xyz", 3),
        ("ABCDEF+CMSY10", "•·−", 0),
        ("CambriaMath", "𝑥=𝑦", 2),
        ("CMR10", "xyz", 0),
        ("Mathias-Bold", "xyz", 0),
        ("KaTeX_Main-Regular", "xyz", 0),
        ("KaTeX_Math-Italic", "xyz", 3),
    ],
)
def test_letters_in_fonts_for_formulas_are_counted_without_bullets(font: str, text: str, counted: int) -> None:
    assert routing.Looks(text, {font: text}).signs_of_formulas == counted


@pytest.mark.parametrize(
    ("blocks", "flags", "reason"),
    [
        ([Block("text", "x<sup>2</sup> + y<sup>2</sup>")], (), "formula"),
        ([Block("text", "the 19<sup>th</sup> of May, as told<sup>4</sup>")], (), None),
        ([Block("picture", "0 10 20 metres")], (), "figure"),
        ([Block("picture", "")], (), None),
        ([Block("text", "words")], ("lost_table",), "table"),
        ([Block("text", "words")], ("layout_timeout",), "low_confidence"),
        ([Block("text", "words")], ("layout_lost_words",), "low_confidence"),
    ],
)
def test_rules_that_look_at_blocks(blocks: list[Block], flags: tuple[str, ...], reason: str | None) -> None:
    found = routing.after_layout(TextLayer("usable", "", tuple(blocks), flags=flags))
    assert found == (None if reason is None else Routed("model", reason))


def test_a_drawing_without_words_in_the_layer_is_looked_over_once() -> None:
    drawn, shown = Box(0.1, 0.1, 0.4, 0.4), Box(0.5, 0.5, 0.9, 0.9)
    layer = TextLayer("usable", "", (Block("picture", "", drawn), Block("picture", "", shown)), pictures=(shown,))
    assert set(routing.pictures_to_look_over(layer)) == {drawn, shown}


@given(st.lists(st.builds(RoutedFile, st.integers(1, 500), st.floats(0, 1)), max_size=12))
def test_the_share_of_a_sample_lies_in_its_range(files: list[RoutedFile]) -> None:
    found = share_of(files)
    if not files:
        assert found is None
        return
    assert found is not None
    share = found.from_layer
    assert 0 <= share.low <= share.expected <= share.high <= 1
