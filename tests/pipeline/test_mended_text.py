"""Text layers that say something else than the page shows: each kind of fault, redrawn, comes out as people would type it."""

from __future__ import annotations

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.pipeline.decode import bidi, fontmaps, repeats, upright
from folioscope.pipeline.decode.content import close_numbers, set_accents
from folioscope.pipeline.decode.lines import clean, join_lines
from folioscope.pipeline.decode.text_layer import extract_text_layer

SIZE = 10.0


def glyphs(text: str, x: float = 0.0, *, step: float = 5.0, y: float = 100.0) -> list[dict[str, object]]:
    """Glyphs side by side from the left, in the order in which they are seen."""
    return [
        {"c": c, "bbox": (x + i * step, y - 8, x + (i + 1) * step, y + 2), "origin": (x + i * step, y)}
        for i, c in enumerate(text)
    ]


def span_of(chars: list[dict[str, object]], **more: object) -> dict[str, object]:
    return {"chars": chars, "size": SIZE, "font": "F", "char_flags": 16, "flags": 0, **more}


def blocks_of(*spans: dict[str, object]) -> list[dict[str, object]]:
    return [{"lines": [{"spans": list(spans), "wmode": 0, "dir": (1.0, 0.0), "bbox": (0, 90, 500, 102)}]}]


def text_of(blocks: list[dict[str, object]]) -> str:
    lines = (line for block in blocks for line in block["lines"])  # type: ignore[attr-defined]
    return " ".join("".join(c["c"] for span in line["spans"] for c in span["chars"]) for line in lines)


@pytest.mark.parametrize("copies", [2, 4])
def test_words_drawn_several_times_count_once(copies: int) -> None:
    page = pymupdf.open().new_page()
    for copy in range(copies):
        page.insert_text((60 + 0.3 * copy, 100), "Annual balance", fontsize=16)
    page.insert_text((60, 130), "A hall full of bookkeepers.", fontsize=11)
    words = " ".join(block.text for block in extract_text_layer(page, "fast").blocks).split()
    assert words == ["Annual", "balance", "A", "hall", "full", "of", "bookkeepers."]


@given(st.text("ablIi. 10", min_size=1, max_size=30))
def test_no_letter_is_lost_that_stands_beside_another(text: str) -> None:
    blocks = blocks_of(span_of(glyphs(text)))
    repeats.drop_repeats(blocks)
    assert text_of(blocks).strip() == text.strip()


def test_blanks_under_a_decimal_point_go_and_those_between_numbers_stay() -> None:
    point, blank = glyphs(".", 20, step=0.0), glyphs(" ", 20, step=1.6)  # the blank has the width of the point
    number = span_of([*glyphs("1062", 0), *point, *blank, *glyphs("6", 21.6)])
    close_numbers(number)
    assert text_of(blocks_of(number)) == "1062.6"
    prose = span_of([*glyphs("in 7. 12 came", 0)])
    close_numbers(prose)
    assert text_of(blocks_of(prose)) == "in 7. 12 came"


def test_an_accent_goes_onto_the_letter_that_it_is_drawn_over_and_onto_no_other() -> None:
    text = clean("www.example.org/˜aligon and na¨ıve, but a ¨hyper arrow")
    assert text == "www.example.org/˜aligon and naïve, but a ¨hyper arrow"
    over = span_of([*glyphs("´", 60), *glyphs("E", 60), *glyphs("tat", 65)])
    set_accents(over)
    assert text_of(blocks_of(over)) == "État"
    beside = span_of(glyphs("/˜a", 60))
    set_accents(beside)
    assert text_of(blocks_of(beside)) == "/˜a"


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["in\u00ad", "cluding titles"], "including titles"),
        (["Déshy\u00ad", "drogénase"], "Déshydrogénase"),
        (["acido\u00adbasique"], "acido-basique"),
        (["the \ufb01rst e\ufb03cient \ufb02ow"], "the first efficient flow"),
        (["\ufefb\ufee7\ufea0"], "لانج"),
        (["signi\x02fies"], "signifies"),
    ],
)
def test_hyphens_ligatures_and_presentation_forms_are_plain_letters(lines: list[str], joined: str) -> None:
    assert clean(join_lines(lines)) == joined


def as_seen(text: str, *, rtl: bool) -> str:
    """A line as it stands on paper, from left to right: letters of right-to-left words turned round, and the words."""
    words = [word[::-1] if bidi.RTL_LETTER.search(word) else word for word in text.split(" ")]
    return " ".join(reversed(words) if rtl else words)


@pytest.mark.parametrize(
    ("text", "rtl"),
    [
        ("عندي 47 قطط", True),
        ("اسمي Jeremy في الانجليزية", True),
        ("تاريخ 1403/09/19", True),
        ("שלום עולם", True),
        ("Jeremy is جرمي in Arabic", False),
    ],
)
def test_a_line_from_right_to_left_is_set_in_logical_order(text: str, rtl: bool) -> None:
    assert bidi.logical_text(glyphs(as_seen(text, rtl=rtl)), SIZE, rtl=rtl) == text


@given(st.text("ابتثجحخدذرزسشصضطظعغفقكلمنهوي ", min_size=1, max_size=40).filter(lambda text: text.strip() == text))
def test_a_line_of_arabic_letters_alone_is_turned_round(text: str) -> None:
    text = " ".join(text.split())
    if text:
        assert bidi.logical_text(glyphs(text[::-1]), SIZE, rtl=True) == text


def test_the_letters_of_a_lam_alef_ligature_keep_their_order() -> None:
    # One glyph that stands for two letters: MuPDF lists the second, without a width, at its right edge and before it.
    lam_alef = [
        {"c": "ا", "bbox": (10.0, 92, 10.0, 102), "origin": (10.0, 100)},
        {"c": "ل", "bbox": (5.0, 92, 10.0, 102), "origin": (5.0, 100)},
    ]
    word = [*glyphs("ك", 15), *glyphs("ا", 10), *lam_alef]
    assert bidi.logical_text(word, SIZE, rtl=True) == "كالا"


def test_brackets_are_turned_where_they_would_close_before_they_open() -> None:
    assert bidi.logical_text(glyphs("(ب) ا"), SIZE, rtl=True) == "ا (ب)"


def test_letters_of_a_vertical_font_on_an_upright_line_are_words() -> None:
    def letter(c: str, x: float) -> dict[str, object]:
        return {"c": c, "bbox": (x, 90.0, x + 14, 104.0), "origin": (x + 7, 90.0)}

    lines = [
        {"spans": [span_of([letter(c, 50 + 8 * i)], size=14.0)], "wmode": 1, "dir": (0.0, 1.0), "bbox": (0, 90, 9, 104)}
        for i, c in enumerate("A public hearing")
    ]
    blocks = [{"lines": lines}]
    upright.straighten(blocks)
    assert text_of(blocks) == "A public hearing"


def test_letter_spaced_words_are_put_together() -> None:
    chars = [char for i, c in enumerate("NOTICE") for char in glyphs(c, 10 * i)]
    chars += [char for i, c in enumerate("HERE") for char in glyphs(c, 75 + 10 * i)]
    spaced = [chars[0]]
    for char in chars[1:]:
        spaced += [{"c": " ", "bbox": char["bbox"], "origin": char["origin"], "synthetic": True}, char]
    line = {"spans": [span_of(spaced)]}
    upright.close_spaced_letters(line)
    assert "".join(c["c"] for c in line["spans"][0]["chars"]) == "NOTICE HERE"  # type: ignore[index, attr-defined]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (
            b"the signi\x1cer is \x10ordinary\x11 and will su\x1ece",
            "the signi\ufb01er is “ordinary” and will su\ufb03ce",
        ),
        (
            b"the signi\x0cer is \x5cordinary\x22 and will su\x0ece",
            "the signi\ufb01er is “ordinary” and will su\ufb03ce",
        ),
    ],
)
def test_codes_of_tex_fonts_are_read_in_the_encoding_that_the_page_speaks_for(written: bytes, text: str) -> None:
    blocks = blocks_of(span_of(glyphs(written.decode("latin-1"))))
    [span] = blocks[0]["lines"][0]["spans"]  # type: ignore[index]
    table = fontmaps.tex_table([span])
    assert table is not None
    assert "".join(table.get(char["c"], char["c"]) for char in span["chars"]) == text


def test_glyph_numbers_are_believed_where_the_widths_fit_and_no_further() -> None:
    def widths_of(text: str, font: str) -> dict[str, float]:
        base = pymupdf.Font(font)
        return {chr(ord(c) - 29): base.glyph_advance(ord(c)) for c in text}

    assert fontmaps.widths_speak_for(fontmaps.standard_letter, widths_of("40Y Wim", "tiro"))
    assert not fontmaps.widths_speak_for(fontmaps.standard_letter, dict.fromkeys(widths_of("40Y Wim", "tiro"), 0.91))
    assert [fontmaps.standard_letter(chr(gid)) for gid in (3, 23, 60, 98, 226, 391)] == [" ", "4", "Y", "Ä", "Ł", "♦"]


def test_a_list_of_names_in_capitals_is_no_cipher() -> None:
    rows = [
        "632426 BAW BELLAROMA LLC 1831 NORTHWEST CACHE ROAD LAWTON OK 73507",
        "641387 BAW BLUE BELLE SALOON LLC 224 WEST HARRISON GUTHRIE OK 73044",
        "648765 AAA ALLEGIANT AIR LLC 7100 TERMINAL DRIVE OKLAHOMA CITY OK 73159",
        "082030 AAA AMERICAN AIRLINES INC 7777 EAST APACHE STREET TULSA OK 74115",
    ]
    page = pymupdf.open().new_page()
    page.insert_textbox(pymupdf.Rect(40, 60, 560, 780), "\n".join(rows * 6), fontsize=9)
    assert extract_text_layer(page, "fast").verdict == "usable"


def test_columns_of_vertical_writing_are_read_from_the_right() -> None:
    document = pymupdf.open()
    page = document.new_page(width=300, height=300)
    descriptor, inner, font = (document.get_new_xref() for _ in range(3))
    document.update_object(
        descriptor,
        "<</Type/FontDescriptor/FontName/Ryumin-Light/Flags 39/FontBBox[-170 -331 1024 903]/ItalicAngle 0/Ascent 723"
        "/Descent -241/CapHeight 709/StemV 69>>",
    )
    document.update_object(
        inner,
        "<</Type/Font/Subtype/CIDFontType0/BaseFont/Ryumin-Light/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)"
        f"/Supplement 2>>/DW 1000/FontDescriptor {descriptor} 0 R>>",
    )
    document.update_object(
        font,
        f"<</Type/Font/Subtype/Type0/BaseFont/Ryumin-Light-V/Encoding/UniJIS-UCS2-V/DescendantFonts[{inner} 0 R]>>",
    )
    document.xref_set_key(page.xref, "Resources", f"<</Font<</F1 {font} 0 R>>>>")
    columns = ["これは序文です", "一行目の文がここにあります", "二行目の文がつづきます"]
    drawn = "".join(  # the last column first: the file's own order is not the reader's
        f"1 0 0 1 {250 - 40 * i} 260 Tm <{column.encode('utf-16-be').hex()}> Tj "
        for i, column in reversed(list(enumerate(columns)))
    )
    stream = document.get_new_xref()
    document.update_object(stream, "<<>>")
    document.update_stream(stream, f"BT /F1 12 Tf {drawn} ET".encode())
    document.xref_set_key(page.xref, "Contents", f"{stream} 0 R")
    upright_page = pymupdf.open(stream=document.tobytes(), filetype="pdf")[0]
    assert [block.text for block in extract_text_layer(upright_page, "full").blocks] == columns
