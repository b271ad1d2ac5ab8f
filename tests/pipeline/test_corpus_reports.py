"""Files behind public bug reports of other readers: what each must give. Skipped where the corpus is not beside."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pymupdf
import pytest

from folioscope.model.embedded.markdown import to_markdown
from folioscope.model.protocol import TextLayer
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.decode.text_layer import extract_text_layer

pytestmark = pytest.mark.slow


def layer_of(corpus: Path, name: str, page: int = 1) -> TextLayer:
    with pymupdf.open(corpus / "reports" / name) as document:
        return extract_text_layer(document[page - 1], DecodeSettings().layout)


def text_of(corpus: Path, name: str, page: int = 1) -> str:
    return to_markdown(layer_of(corpus, name, page).blocks)


def rows_of(text: str) -> list[list[str]]:
    """The rows of the tables in a text, cells without markup."""
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    return [
        [re.sub("<[^>]*>", " ", cell).strip() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)] for row in rows
    ]


def in_order(text: str, *parts: str) -> bool:
    places = [text.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


def test_a_single_line_is_no_footer(corpus: Path) -> None:
    assert "KEY INVESTOR INFORMATION" in text_of(corpus, "header-eats-page/issue4402_reduced.pdf")


def test_a_form_keeps_its_title_and_its_columns(corpus: Path) -> None:
    text = text_of(corpus, "header-eats-page/movie-theater-booking-2024.pdf")
    assert re.match(r"#+ BOOKING ORDER\b", text)
    assert "Print Date 12/15/2024 14:30:22" in text
    rows = rows_of(text)
    assert ["Start Date", "End Date", "# Shows", "Gross Amount", "Net Amount"] in rows
    assert ["12/20/24", "12/31/24", "48", "$12,500.00", "$11,250.00"] in rows
    assert re.search(r"(?m)^#+ Show Schedule Details$", text)


def test_fourfold_text_counts_once(corpus: Path) -> None:
    text = text_of(corpus, "double-strike/issue-842-example.pdf")
    assert in_order(
        text,
        "安徽安利合成革股份有限公司",
        "ANHUI ANLI ARTIFICIAL LEATHER CO.,LTD.",
        "2011 年年度报告",
        "股票代码：300218",
        "股票简称：安利股份",
        "披露日期：2012 年3 月27 日",
    )
    assert text.count("ANHUI") == 1


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (2, ["hyperventilation", "hypoventilation", "acidose"]),
        (10, ["acido-basique"]),
        (14, ["déshydrogénase", "desoxycorticostérone"]),
        (15, ["orthostatisme"]),
    ],
)
def test_arrows_and_hyphens_leave_words_whole(corpus: Path, page: int, words: list[str]) -> None:
    text = text_of(corpus, "double-strike/issue-71-duplicate-chars-2.pdf", page)
    assert [word for word in words if word not in text] == []


def test_vertical_columns_from_the_right(corpus: Path) -> None:
    text = text_of(corpus, "vertical-japanese/jo.pdf")
    assert in_order(
        text,
        "序",
        "わたくしといふ現象は",
        "假定された有機交流電燈の",
        "みんなのおのおののなかのすべてですから",
        "けれどもこれら新世代沖積世の",
        "第四次延長のなかで主張されます",
        "大正十三年一月廿日宮澤賢治",
    )


def plain_arabic(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(str.maketrans("يكى", "یکی"))


def test_persian_cells_once_and_in_order(corpus: Path) -> None:
    text = plain_arabic(text_of(corpus, "right-to-left/right_to_left_03.pdf"))
    for words in (
        "امیدنامه پذیرش در بازار اصلی - کالای داخلی",
        "نام استاندارد",
        "شمشه و شمشال تولید شده به روش ریخته گری",
    ):
        assert text.count(words) == 1
    assert "2-5- استاندارد کالا" in text
    assert "3- پذیرش در بورس" in text
    assert text.count("☐ بلی ☑ خیر") == 2


def test_arabic_cells_in_logical_order_and_plain_letters(corpus: Path) -> None:
    rows = rows_of(text_of(corpus, "right-to-left/arabic.pdf"))
    cells = [cell for row in rows for cell in row]
    for words in ("من اين انت؟", "انا من ولاية كارولينا الشمال", "عندي 47 قطط", "1234", "اسمي Jeremy في الانجليزية"):
        assert words in cells
    assert "Jeremy is جرمي in Arabic" in cells
    assert not re.search("[\ufb50-\ufdff\ufe70-\ufefc]", " ".join(cells))


def test_narrow_gutters_and_tables_of_contents(corpus: Path) -> None:
    text = text_of(corpus, "column-order/bug1997343.pdf")
    assert in_order(
        text, "Abstract", "Contents", "1 Introduction", "This document shows", "just uses standard", "### 2.2 Lists"
    )
    assert "including titles" in text
    assert "correctly follow the flow" in text
    assert text.count(". 1\n") + text.count(". 2\n") >= 5, "page numbers stand in their lines"


def test_a_note_in_the_margin_and_a_small_table_are_apart_from_the_prose(corpus: Path) -> None:
    text = text_of(corpus, "column-order/bug1997343.pdf", 2)
    assert "\nMarginal notes are usually placed in the outer margin.\n" in text
    assert "Larger figures such as Figure 1 are usually placed in a float" in text
    assert rows_of(text) == [["Name", "Value"], ["This", "11"], ["That", "2"]]


def test_three_columns_each_under_its_heading(corpus: Path) -> None:
    text = text_of(corpus, "column-order/test_2645_1.pdf")
    assert in_order(
        text,
        "Provided by",
        "The Victim Care Service is delivered",
        "Our Teams",
        "highly trained team of caseworkers",
        "How we can help",
        "Developing coping strategies",
        "Help to re-integrate back into schools and the community",
    )
    assert len(re.findall(r"(?m)^- ", text)) == 12


def test_a_form_of_boxes_gives_every_line_once(corpus: Path) -> None:
    text = text_of(corpus, "overlapping-tables/bug1669099.pdf")
    for words in ("Bezahlung des Mitgliedsbeitrags", "Datum", "Unterschrift", "Bemerkung", "zu finden."):
        assert text.count(words) == 1
    assert re.search(r"(?m)^#+ Antrag auf Mitgliedschaft$", text)


def test_no_blank_inside_a_number(corpus: Path) -> None:
    rows = rows_of(text_of(corpus, "split-numbers/12s0324.pdf"))
    total = next(row for row in rows if row[0] == "Total")
    assert total[1:] == "11,062.6 1,540.0 9,522.6 8,263.3 1,071.6 7,191.7 2,799.2 468.3 2,330.9".split()
    assert not [cell for row in rows for cell in row if re.search(r"\d\. \d", cell)]


def test_tex_codes_are_letters_and_quotes(corpus: Path) -> None:
    text = text_of(corpus, "tex-control-codes/issue918.pdf")
    for words in ("signifier", "signified", "suffice", "signification", "“Workers of the World, Unite!”"):
        assert words in text
    assert "“excusatory function of ideology”" in text


def test_glyph_numbers_are_letters_and_names_head_their_columns(corpus: Path) -> None:
    rows = rows_of(text_of(corpus, "mojibake-line/offense.pdf"))
    assert [cell.replace(" ", "") for cell in rows[0]][:2] == ["COMAR#", "OffenseLiteral"]
    terms = {row[0]: row[5] for row in rows[1:] if len(row) > 5}
    assert [terms[code] for code in ("1", "2", "2-1", "3")] == ["40Y ♦", "25Y ♦", "15Y", "25Y ♦♦"]


def test_a_list_of_firms_is_taken_from_its_text_layer(corpus: Path) -> None:
    layer = layer_of(corpus, "false-garbled/m27.pdf", 2)
    assert layer.verdict == "usable"
    assert [block.kind for block in layer.blocks].count("table") == 1
    rows = [" ".join(" ".join(row).split()) for row in rows_of(to_markdown(layer.blocks))]
    assert "632426 BAW BELLAROMA LLC BELLAROMA LLC 1831 NORTHWEST CACHE ROAD LAWTON OK 73507 - 2014/05/16" in rows
    assert sum(row[:1].isdigit() for row in rows) == len(rows) - 2, "a row for each licence, below the names"


def test_a_vertical_font_on_upright_lines(corpus: Path) -> None:
    layer = layer_of(corpus, "spaced-letters/PDFBOX-3127-RAU4G6QMOVRYBISJU7R6MOVZCRFUO7P4-VFont.pdf")
    text = to_markdown(layer.blocks)
    assert layer.language == "en"
    for words in ("NOTICE OF PUBLIC HEARING", "The South Carolina Department of Insurance will hold a public hearing"):
        assert words in text
    assert "(5) Thursday, April 29, 2010" in text
    assert "843-477-2042" in text


def test_a_tilde_beside_a_letter_is_none_of_its_accents(corpus: Path) -> None:
    text = text_of(corpus, "accent-joined/fr_olap.pdf", 12)
    assert re.search(r"univ-tours\.fr/[~˜]aligon", text)


def test_comments_and_attachments_are_told(corpus: Path) -> None:
    commented = layer_of(corpus, "attachments/commented.pdf")
    notes = [block.text for block in commented.blocks if block.kind == "comment"]
    assert notes[0] == "Note in second paragraph"
    assert "Umlaut: äöüß" in notes[1]
    assert "comments" in commented.flags
    assert "attachments" in layer_of(corpus, "attachments/testPDFPackage.pdf").flags


def test_states_of_a_form(corpus: Path) -> None:
    rows = dict(row for row in rows_of(text_of(corpus, "form-state/AcroForm_TEST_compiled.pdf")) if len(row) == 2)
    assert rows["CHECKBOX"] == "☑"
    assert rows["RADIO BUTTON"] == "◉"
    assert rows["DROPDOWN"] == "2"
    assert rows["TEXT"] == "AcroForm tests"
    assert rows["LIST"].split(" ☑ ")[1] == "f"


def test_a_listing_keeps_its_lines(corpus: Path) -> None:
    blocks = layer_of(corpus, "code-lines/interface-config-guide-p93.pdf").blocks
    [code] = [block for block in blocks if block.kind == "code"]
    lines = [line.strip() for line in code.text.split("\n")]
    assert len(lines) == 15
    assert lines[0] == "A:node-2>config>port-xc# info"
    assert lines[2:7] == ["pxc 1 create", "port 1/x1/1/c1/1", "no shutdown", "exit", "pxc 2 create"]


def test_a_page_of_very_many_lines_is_read_without_its_layout(corpus: Path) -> None:
    layer = layer_of(corpus, "slow-vectors/issue-301.pdf")
    assert "layout_timeout" in layer.flags
    assert layer.blocks
