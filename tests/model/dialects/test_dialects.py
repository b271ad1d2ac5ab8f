"""Dialects on outputs written here from the published formats: text, blocks, boxes, and what is cut off or odd."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.choice import ModelChoice
from folioscope.model.dialects.base import RegionDialect, Transcript
from folioscope.model.dialects.choice import DIALECTS, UnknownDialectError, by_name, dialect_of, load_dialect
from folioscope.model.dialects.otsl import to_html
from folioscope.model.protocol import Block, Box


def parse(name: str, said: str, width: int = 1000, height: int = 1000) -> Transcript:
    return load_dialect(name).parse(said, width, height)


def kinds(found: Transcript) -> list[str]:
    return [block.kind for block in found.blocks]


# Any of them


@pytest.mark.parametrize("name", DIALECTS)
@given(said=st.text() | st.from_regex(r"(<\|?(ref|det|box_start|fcel|div|nl)\|?>|[\[\]{}\d,:\"<>|-]){0,30}"))
def test_nothing_that_a_model_writes_breaks_a_dialect(name: str, said: str) -> None:
    dialect = load_dialect(name)
    found = dialect.parse(said, 700, 900)
    if isinstance(dialect, RegionDialect):
        regions = dialect.regions(said)
        found = dialect.assemble(regions, [said] * len(regions))
    for block in found.blocks:
        if block.bbox is not None:
            assert 0 <= block.bbox.x0 < block.bbox.x1 <= 1
            assert 0 <= block.bbox.y0 < block.bbox.y1 <= 1


@given(width=st.integers(20, 6000), height=st.integers(20, 6000))
def test_pictures_are_sent_within_each_models_limits(width: int, height: int) -> None:
    wide, high = load_dialect("dots-ocr").fit(width, height)
    assert (wide % 28, high % 28) == (0, 0)
    assert wide * high <= 11_289_600
    assert max(load_dialect("olmocr").fit(width, height)) <= 1288
    assert load_dialect("mineru").fit(width, height) == (1036, 1036)
    assert load_dialect("markdown").fit(width, height) == (width, height)


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("https://h/v1#allenai/olmOCR-2-7B-1025-FP8", "olmocr"),
        ("https://h/v1#rednote-hilab/dots.ocr", "dots-ocr"),
        ("https://h/v1#rednote-hilab/dots.mocr", "dots-ocr"),
        ("https://h/v1#datalab-to/chandra-ocr-2", "chandra"),
        ("https://h/v1#deepseek-ai/DeepSeek-OCR-2", "deepseek-ocr"),
        ("https://h/v1#PaddlePaddle/PaddleOCR-VL-1.5", "paddleocr-vl"),
        ("https://h/v1#opendatalab/MinerU2.5-2509-1.2B", "mineru"),
        ("https://h/v1#moonshotai/Kimi-VL-A3B-Thinking-2506", "kimi-vl"),
        ("https://h/v1#moonshotai/kimi-k2.6", "markdown"),
        ("https://olmocr.example.com/v1#Qwen3-VL-8B-Instruct", "markdown"),
    ],
)
def test_a_dialect_is_told_from_the_models_name(model: str, dialect: str) -> None:
    assert by_name(model) == dialect
    assert dialect_of(ModelChoice(model)).name == dialect
    assert dialect_of(ModelChoice(model, dialect="chandra")).name == "chandra"


def test_an_unknown_dialect_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownDialectError, match="choose one of kimi-vl, markdown, olmocr"):
        dialect_of(ModelChoice("m", dialect="klingon"))


# One by one


def test_markdown_loses_the_fence_around_it_and_keeps_those_within() -> None:
    assert parse("markdown", "```markdown\n# Weirs\n\nThe weir.\n```").text == "# Weirs\n\nThe weir."
    code = "Run this:\n\n```\nmake\n```"
    assert parse("markdown", code).text == code
    assert kinds(parse("kimi-vl", "# A\n\n<table><tr><td>1</td></tr></table>\n\nb")) == ["heading", "table", "text"]


OLMOCR = """---
primary_language: de
is_rotation_valid: {valid}
rotation_correction: {turn}
is_table: False
is_diagram: False
---
# Das Wehr

Die Höhe ist \\(h = 2\\) m. Es gilt \\[ E = mc^2 \\]

<table><tr><td>1987</td></tr></table>"""


def test_olmocr_gives_language_turn_and_markdown() -> None:
    found = parse("olmocr", OLMOCR.format(valid="True", turn=0))
    assert (found.language, found.turned) == ("de", 0)
    assert found.text.startswith("# Das Wehr\n\nDie Höhe ist $h = 2$ m. Es gilt $$\nE = mc^2\n$$")
    assert kinds(found) == ["heading", "text", "table"]
    assert parse("olmocr", OLMOCR.format(valid="False", turn=270)).turned == 270
    assert parse("olmocr", OLMOCR.format(valid="False", turn=45)).turned == 0


def test_olmocr_without_words_or_without_its_front_matter() -> None:
    nothing = "---\nprimary_language: null\nis_rotation_valid: True\nrotation_correction: 0\n---\nnull"
    assert parse("olmocr", nothing) == Transcript("")
    assert parse("olmocr", "---\nprimary_language: en\nis_rot") == Transcript("")
    assert parse("olmocr", "Only words.").text == "Only words."
    assert parse("olmocr", "---\nprimary_language: [\n---\nwords").text == "words"


DOTS = [
    {"bbox": [56, 28, 980, 84], "category": "Page-header", "text": "Sallow Gazette"},
    {"bbox": [56, 112, 980, 196], "category": "Title", "text": "# The weir"},
    {"bbox": [56, 224, 980, 420], "category": "Text", "text": "It was rebuilt\nin 1987."},
    {"bbox": [56, 448, 980, 560], "category": "List-item", "text": "- one\n- two"},
    {"bbox": [56, 588, 980, 700], "category": "Formula", "text": "$$E = mc^2$$"},
    {"bbox": [56, 728, 980, 812], "category": "Table", "text": "<table><tr><td>1</td></tr></table>"},
    {"bbox": [56, 840, 980, 952], "category": "Picture"},
]


def test_dots_ocr_gives_boxes_in_shares_of_the_page() -> None:
    found = parse("dots-ocr", json.dumps(DOTS), 1036, 1120)
    assert kinds(found) == ["header", "heading", "text", "list_item", "list_item", "formula", "table", "picture"]
    assert found.blocks[1] == Block("heading", "The weir", Box(56 / 1036, 0.1, 980 / 1036, 196 / 1120), level=1)
    assert found.text == (
        "# The weir\n\nIt was rebuilt\nin 1987.\n\n- one\n\n- two\n\n$$\nE = mc^2\n$$\n\n"
        "<table><tr><td>1</td></tr></table>"
    )


def test_dots_ocr_that_was_cut_off_keeps_its_whole_elements() -> None:
    whole = json.dumps(DOTS)
    assert kinds(parse("dots-ocr", whole[: whole.index("Formula")])) == kinds(parse("dots-ocr", json.dumps(DOTS[:4])))
    assert parse("dots-ocr", '[{"bbox": [1, 2').text == ""
    assert kinds(parse("dots-ocr", json.dumps({"layout": DOTS[:2]}))) == ["header", "heading"]
    assert (
        parse("dots-ocr", json.dumps([{"bbox": [1, "x", 3, 4], "category": "Text", "text": "w"}])).blocks[0].bbox
        is None
    )


CHANDRA = """<div data-bbox="[50, 20, 950, 60]" data-label="Page-Header">Sallow Gazette</div>
<div data-bbox="[50, 80, 950, 140]" data-label="Section-Header"><h2>The weir</h2></div>
<div data-bbox="[50, 150, 950, 300]" data-label="Text"><p>It was <b>rebuilt</b> in 1987, <math>h=2</math> m high.</p></div>
<div data-bbox="50 310 950 400" data-label="Form"><p><input type="checkbox" checked/>yes <input type="checkbox"/>no</p></div>
<div data-bbox="[50, 410, 950, 600]" data-label="Table"><table><tr><td colspan="2">1</td></tr></table></div>
<div data-bbox="[50, 610, 950, 700]" data-label="Image"><img alt="A weir in flood."/></div>
<div data-bbox="[50, 710, 950, 800]" data-label="Equation-Block"><math display="block">E = mc^2</math></div>"""


def test_chandra_gives_labels_boxes_and_markdown() -> None:
    found = parse("chandra", CHANDRA)
    assert kinds(found) == ["header", "heading", "text", "text", "table", "picture", "formula"]
    assert found.blocks[1] == Block("heading", "The weir", Box(0.05, 0.08, 0.95, 0.14), level=2)
    assert found.blocks[2].text == "It was **rebuilt** in 1987, $h=2$ m high."
    assert found.blocks[3] == Block("text", "☑ yes ☐ no", Box(0.05, 0.31, 0.95, 0.4))
    assert found.blocks[4].text == '<table><tr><td colspan="2">1</td></tr></table>'
    assert "![A weir in flood.]()" in found.text
    assert "Gazette" not in found.text


def test_chandra_without_layout_is_read_as_a_page_of_html() -> None:
    found = parse("chandra", "<h1>The weir</h1><p>It was rebuilt.</p>")
    assert found.text == "# The weir\n\nIt was rebuilt."
    assert kinds(found) == ["heading", "text"]


DEEPSEEK = """<|ref|>title<|/ref|><|det|>[[99, 99, 899, 149]]<|/det|>
# The weir

<|ref|>text<|/ref|><|det|>[[99, 199, 499, 299], [500, 199, 899, 249]]<|/det|>
It was rebuilt in 1987, \\(h = 2\\) m.

<|ref|>equation<|/ref|><|det|>[[99, 310, 899, 350]]<|/det|>
\\[E = mc^2\\]

<|ref|>table<|/ref|><|det|>[[99, 400, 899, 500]]<|/det|>
<table><tr><td>1</td></tr></table>

<|ref|>image<|/ref|><|det|>[[99, 510, 899, 700]]<|/det|>
<｜end▁of▁sentence｜>"""


def test_deepseek_ocr_gives_boxes_from_its_groundings() -> None:
    found = parse("deepseek-ocr", DEEPSEEK)
    assert kinds(found) == ["heading", "text", "formula", "table", "picture"]
    assert found.blocks[0] == Block("heading", "The weir", Box(99 / 999, 99 / 999, 899 / 999, 149 / 999), level=1)
    assert found.blocks[1].bbox == Box(99 / 999, 199 / 999, 899 / 999, 299 / 999)
    assert found.blocks[1].text == "It was rebuilt in 1987, $h = 2$ m."
    assert found.blocks[2].text == "E = mc^2"
    assert "<|" not in found.text
    assert "｜" not in found.text
    assert load_dialect("deepseek-ocr").keeps_special_tokens


def test_deepseek_ocr_whose_server_left_the_marks_out_still_has_its_text() -> None:
    assert parse("deepseek-ocr", "# The weir\n\nIt was rebuilt.").text == "# The weir\n\nIt was rebuilt."


def test_paddleocr_vl_gives_text_and_tables() -> None:
    found = parse("paddleocr-vl", "The weir\n\n<fcel>Year<fcel>Salmon<nl><fcel>1987<ecel><nl>\n\nEnd")
    assert kinds(found) == ["text", "table", "text"]
    assert found.blocks[1].text == "<table><tr><td>Year</td><td>Salmon</td></tr><tr><td>1987</td><td></td></tr></table>"


MINERU = (
    "<|box_start|>050 050 950 100<|box_end|><|ref_start|>title<|ref_end|><|rotate_up|>\n"
    "<|box_start|>050 120 950 300<|box_end|><|ref_start|>text<|ref_end|><|rotate_up|>\n"
    "<|box_start|>050 310 950 500<|box_end|><|ref_start|>table<|ref_end|><|rotate_right|>\n"
    "<|box_start|>050 510 950 700<|box_end|><|ref_start|>image<|ref_end|><|rotate_up|>\n"
    "<|box_start|>050 710 950 750<|box_end|><|ref_start|>equation<|ref_end|>\n"
    "<|box_start|>050 760 950 900<|box_end|><|ref_start|>list<|ref_end|><|rotate_up|>\n"
    "<|box_start|>500 760 500 900<|box_end|><|ref_start|>text<|ref_end|><|rotate_up|>\n"
)


def test_mineru_finds_regions_and_puts_their_words_together() -> None:
    dialect = load_dialect("mineru")
    assert isinstance(dialect, RegionDialect)
    regions = dialect.regions(MINERU)
    assert [(region.label, region.prompt, region.turned) for region in regions] == [
        ("title", "\nText Recognition:", 0),
        ("text", "\nText Recognition:", 0),
        ("table", "\nTable Recognition:", 270),
        ("image", "", 0),
        ("equation", "\nFormula Recognition:", 0),
    ]
    found = dialect.assemble(regions, ["The weir", "Rebuilt in 1987.", "<fcel>1<nl>", "", "\\[E = mc^2\\]"])
    assert kinds(found) == ["heading", "text", "table", "picture", "formula"]
    assert found.blocks[0] == Block("heading", "The weir", Box(0.05, 0.05, 0.95, 0.1), level=1)
    assert found.text.startswith("# The weir\n\nRebuilt in 1987.\n\n<table><tr><td>1</td></tr></table>")


@pytest.mark.parametrize(
    ("otsl", "html"),
    [
        ("<fcel>a<lcel><nl><fcel>b<fcel>c<nl>", '<tr><td colspan="2">a</td></tr><tr><td>b</td><td>c</td></tr>'),
        ("<fcel>a<fcel>b<nl><ucel><fcel>c<nl>", '<tr><td rowspan="2">a</td><td>b</td></tr><tr><td>c</td></tr>'),
        ("<fcel>a<lcel><nl><ucel><xcel><nl>", '<tr><td colspan="2" rowspan="2">a</td></tr><tr></tr>'),
        ("<fcel>1 < 2 & 3<nl>", "<tr><td>1 &lt; 2 &amp; 3</td></tr>"),
        ("<ched>h<nl><fcel>cut off", "<tr><th>h</th></tr><tr><td>cut off</td></tr>"),
    ],
)
def test_tables_in_otsl_become_html(otsl: str, html: str) -> None:
    assert to_html(otsl) == f"<table>{html}</table>"
