"""Exports, read back with the tools that they are made for."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
import xmlschema
from docling_core.types.doc import DoclingDocument
from hocr_spec.validate import HocrValidator
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.protocol import Block
from folioscope.pipeline.readers.export.chunks import chunks_of
from folioscope.pipeline.readers.export.html_table import parse_table
from folioscope.pipeline.readers.export.names import common_folder, relative_name
from folioscope.pipeline.readers.export.selection import ExportedSegment, Selection
from folioscope.pipeline.readers.export.write import Exported, ExportFormat, export
from folioscope.pipeline.storage.store import OutputStore
from tests.sample_rows import asset, block, page, publish

TABLE = (
    '<table><tr><th>Gauge</th><th colspan="2">Highest</th></tr>'
    "<tr><th>Hythe</th><td>3.12</td><td>m &lt; 4</td></tr></table>"
)
ALTO = {"a": "http://www.loc.gov/standards/alto/ns-v4#"}
SIZE = (1224, 1584)


@pytest.fixture
def archive(tmp_path: Path) -> OutputStore:
    blocks = [
        block("Alder River Authority", kind="header"),
        block("High water", kind="heading", level=1),
        block("The river rose.\nIt fell <again>."),
        block("one", kind="list_item"),
        block("two", kind="list_item"),
        block(TABLE, kind="table"),
        block("x = 1", kind="code"),
        block("", kind="picture"),
    ]
    text = "# High water\n\nThe river rose.\nIt fell <again>."
    rows = {
        "assets": [
            asset("/data/in/a.pdf", "a" * 64, title="High <water>"),
            asset("/data/in/copies/a.pdf", "a" * 64),
            asset("/data/in/b.png", "b" * 64, kind="image", status="partial", page_count=1),
            asset("/data/in/c.mp4", "c" * 64, kind="video"),
            asset("/data/in/gone.pdf", "d" * 64, status="deleted"),
        ],
        "segments": [
            page("a" * 64, 1, text=text, blocks=blocks),
            page("a" * 64, 2, text="", blocks=[], flags=["blank"]),
            page("a" * 64, 1, "read-0", text="of an older recipe"),
            page("b" * 64, 1, text="no \x07 blocks", blocks=[]),
            page("c" * 64, 1, kind="shot", page_number=None, start_s=65.0, end_s=70.5, text="on screen"),
            page("d" * 64, 1, text="deleted"),
        ],
    }
    return OutputStore(str(publish(tmp_path / "tables", rows)))


def write(archive: OutputStore, to: str, folder: Path, **options: Any) -> Exported:
    selection = options.pop("selection", Selection())
    return export(archive, OutputStore(str(folder)), ExportFormat(to), selection, **options)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_markdown_lies_in_the_archives_folders_under_every_path(archive: OutputStore, tmp_path: Path) -> None:
    assert write(archive, "md", tmp_path / "md") == Exported(assets=3, files=4)
    assert names(tmp_path / "md") == ["a.pdf.md", "b.png.md", "c.mp4.md", "copies/a.pdf.md"]
    whole = (tmp_path / "md/a.pdf.md").read_text()
    assert whole == "<!-- page 1 -->\n\n# High water\n\nThe river rose.\nIt fell <again>.\n\n<!-- page 2 -->\n"
    assert (tmp_path / "md/copies/a.pdf.md").read_text() == whole
    assert "<!-- shot 1, 0:01:05 – 0:01:10 -->\n\non screen" in (tmp_path / "md/c.mp4.md").read_text()


def test_a_glob_and_a_status_select(archive: OutputStore, tmp_path: Path) -> None:
    done = write(archive, "md", tmp_path / "glob", selection=Selection("copies/*"))
    assert (done, names(tmp_path / "glob")) == (Exported(1, 1), ["a.pdf.md"])
    done = write(archive, "md", tmp_path / "status", selection=Selection(statuses=("partial",)))
    assert (done, names(tmp_path / "status")) == (Exported(1, 1), ["b.png.md"])
    assert write(archive, "jsonl", tmp_path / "none", selection=Selection("*.doc")) == Exported(0, 1)


def test_json_lines_hold_a_page_or_a_document_each(archive: OutputStore, tmp_path: Path) -> None:
    write(archive, "jsonl", tmp_path / "pages")
    frame = pd.read_json(tmp_path / "pages/part-00000.jsonl", lines=True)
    assert list(frame["number"]) == [1, 2, 1, 1]
    assert frame["blocks"][0][1]["bbox"]["x1"] == pytest.approx(0.9)
    told = pl.read_ndjson(tmp_path / "pages/part-00000.jsonl")
    assert told["text"].to_list() == frame["text"].to_list()
    assert told["blocks"][0].struct.field("kind").to_list()[:2] == ["header", "heading"]
    write(archive, "jsonl", tmp_path / "documents", per="document")
    records = [json.loads(line) for line in (tmp_path / "documents/part-00000.jsonl").read_text().splitlines()]
    assert next(record["uris"] for record in records) == ["/data/in/a.pdf", "/data/in/copies/a.pdf"]
    assert [len(record["segments"]) for record in records] == [2, 1, 1]


def test_csv_has_a_row_a_page(archive: OutputStore, tmp_path: Path) -> None:
    write(archive, "csv", tmp_path / "csv")
    frame = pd.read_csv(tmp_path / "csv/part-00000.csv")
    assert list(frame["flags"].fillna("")) == ["", "blank", "", ""]
    assert frame["text"][0].endswith("It fell <again>.")
    assert frame["start_s"][3] == 65.0
    assert pl.read_csv(tmp_path / "csv/part-00000.csv")["text"].to_list()[0] == frame["text"][0]


def test_lines_go_on_in_another_part(archive: OutputStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folioscope.pipeline.readers.export.write.PART_BYTES", 1)
    assert write(archive, "csv", tmp_path / "csv") == Exported(3, 4)
    rows = [list(csv.reader(io.StringIO(path.read_text()))) for path in sorted((tmp_path / "csv").iterdir())]
    assert all(part[0][0] == "uri" and len(part) == 2 for part in rows)


def test_docling_reads_its_document(archive: OutputStore, tmp_path: Path) -> None:
    write(archive, "docling", tmp_path / "docling")
    document = DoclingDocument.model_validate_json((tmp_path / "docling/a.pdf.docling.json").read_text())
    assert sorted(document.pages) == [1, 2]
    assert "# High water" in document.export_to_markdown()
    [table] = document.tables
    assert [cell.text for cell in table.data.table_cells] == ["Gauge", "Highest", "Hythe", "3.12", "m < 4"]
    assert (table.data.num_rows, table.data.num_cols) == (2, 3)
    box = table.prov[0].bbox
    assert (round(box.l), round(box.t), round(box.r), round(box.b)) == (122, 158, 1102, 317)
    assert "Alder River Authority" not in document.export_to_markdown()


def test_alto_holds_each_word_once_inside_its_block(archive: OutputStore, tmp_path: Path) -> None:
    write(archive, "alto", tmp_path / "alto")
    root = ET.parse(tmp_path / "alto/a.pdf.alto.xml").getroot()
    first, second = root.findall(".//a:Page", ALTO)
    assert (first.get("WIDTH"), first.get("PHYSICAL_IMG_NR"), second.get("ID")) == ("1224", "1", "page_2")
    words = [word.get("CONTENT") for word in first.findall(".//a:String", ALTO)]
    assert words[3:11] == ["High", "water", "The", "river", "rose.", "It", "fell", "<again>."]
    assert words[-3:] == ["x", "=", "1"]
    for blocks in first.findall(".//a:TextBlock", ALTO):
        for word in blocks.findall(".//a:String", ALTO):
            assert _inside(word, blocks)
    lines = first.findall(".//a:TextBlock[@ID='block_1_3']/a:TextLine", ALTO)
    assert [len(line.findall("a:String", ALTO)) for line in lines] == [3, 3]
    assert _words(ET.parse(tmp_path / "alto/b.png.alto.xml").getroot()) == "no \ufffd blocks"


# What ALTO 4.4 says of the elements that are written here: (children in order, required attributes).
ALTO_ELEMENTS = {
    "alto": ("(Description )?(Styles )?(Tags )?(ReadingOrder )?Layout ", ()),
    "Description": ("MeasurementUnit (sourceImageInformation )?(OCRProcessing )*(Processing )*", ()),
    "MeasurementUnit": ("", ()),
    "sourceImageInformation": ("(fileName )?(fileIdentifier )*(documentIdentifier )*", ()),
    "fileName": ("", ()),
    "Layout": ("(Page )+", ()),
    "Page": (
        "(TopMargin )?(LeftMargin )?(RightMargin )?(BottomMargin )?(PrintSpace )?",
        ("ID", "PHYSICAL_IMG_NR"),
    ),
    "PrintSpace": ("(Shape )?((TextBlock|Illustration|GraphicalElement|ComposedBlock) )*", ()),
    "TextBlock": ("(Shape )?(TextLine )*", ("ID",)),
    "TextLine": ("(Shape )?((String|SP) )+(HYP )?", ()),
    "String": ("(Shape )?(ALTERNATIVE )*(Glyph )*", ("CONTENT",)),
    "SP": ("", ()),
}
ALTO_NUMBERS = ("HPOS", "VPOS", "WIDTH", "HEIGHT", "WC", "PHYSICAL_IMG_NR")


def test_alto_keeps_to_the_standards_elements(archive: OutputStore, tmp_path: Path) -> None:
    """The standard's own schema is not among the packages; ``FOLIOSCOPE_ALTO_XSD`` has the next test ask it."""
    write(archive, "alto", tmp_path / "alto")
    seen = set()
    for name in names(tmp_path / "alto"):
        root = ET.parse(tmp_path / "alto" / name).getroot()
        assert root.tag == f"{{{ALTO['a']}}}alto"
        for element in root.iter():
            kind = element.tag.rpartition("}")[2]
            children, required = ALTO_ELEMENTS[kind]
            found = "".join(f"{child.tag.rpartition('}')[2]} " for child in element)
            assert re.fullmatch(children, found), f"{name}: {kind} holds {found}"
            assert set(required) <= set(element.attrib), f"{name}: {kind}"
            assert all(float(element.attrib[key]) >= 0 for key in ALTO_NUMBERS if key in element.attrib)
            assert float(element.get("WC", "0")) <= 1
            seen.add(kind)
        ids = [element.attrib["ID"] for element in root.iter() if "ID" in element.attrib]
        assert len(ids) == len(set(ids))
        assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", identifier) for identifier in ids)
    assert seen == set(ALTO_ELEMENTS)


@pytest.mark.skipif("FOLIOSCOPE_ALTO_XSD" not in os.environ, reason="wants the path of alto-4-4.xsd and its xlink.xsd")
def test_alto_is_valid_against_its_schema(archive: OutputStore, tmp_path: Path) -> None:
    schema = xmlschema.XMLSchema(os.environ["FOLIOSCOPE_ALTO_XSD"])
    write(archive, "alto", tmp_path / "alto")
    for name in names(tmp_path / "alto"):
        schema.validate(str(tmp_path / "alto" / name))


def test_hocr_is_valid_and_holds_the_words(archive: OutputStore, tmp_path: Path) -> None:
    write(archive, "hocr", tmp_path / "hocr")
    for name in names(tmp_path / "hocr"):
        root = ET.parse(tmp_path / "hocr" / name).getroot()
        places = [element.get("title", "") for element in root.iter() if (element.get("class") or "").startswith("ocr")]
        assert places
        assert all("bbox " in place for place in places)
        report = HocrValidator("standard").validate(str(tmp_path / "hocr" / name))
        assert report.is_valid(), report.format("text")
    root = ET.parse(tmp_path / "hocr/a.pdf.hocr.html").getroot()
    words = [element.text for element in root.iter() if element.get("class") == "ocrx_word"]
    assert words[:5] == ["Alder", "River", "Authority", "High", "water"]


def test_html_shows_text_and_tables_and_nothing_else(archive: OutputStore, tmp_path: Path) -> None:
    write(archive, "html", tmp_path / "html")
    page_ = (tmp_path / "html/a.pdf.html").read_text()
    assert "<title>High &lt;water&gt;</title>" in page_
    assert page_.count("<ul>") == page_.count("</ul>") == 1
    [frame] = pd.read_html(io.StringIO(page_))
    assert frame.to_numpy().tolist() == [["Hythe", 3.12, "m < 4"]]


def test_markup_of_a_document_does_not_reach_a_browser(tmp_path: Path) -> None:
    evil = '<table><tr><td><script>alert(1)</script><img src=x onerror="alert(2)">7</td></tr></table>'
    rows = {
        "assets": [asset("a.pdf", "A")],
        "segments": [page("A", 1, blocks=[block(evil, kind="table"), block("<script>alert(3)</script>")])],
    }
    store = OutputStore(str(publish(tmp_path / "tables", rows)))
    write(store, "html", tmp_path / "html")
    text = (tmp_path / "html/a.pdf.html").read_text()
    assert "<script" not in text
    assert "<img" not in text


BLOCKS = st.builds(
    Block,
    st.sampled_from(["heading", "text", "table", "header"]),
    st.text("ab ", min_size=0, max_size=30),
    level=st.integers(1, 3),
)


@given(pages=st.lists(st.lists(BLOCKS, max_size=6), max_size=4), limit=st.integers(1, 60))
def test_every_block_is_in_one_chunk_under_its_headings(pages: list[list[Block]], limit: int) -> None:
    segments = [segment(number, blocks) for number, blocks in enumerate(pages, start=1)]
    chunks = list(chunks_of(segments, limit))
    shown = [
        block.text.strip() for blocks in pages for block in blocks if block.kind != "header" and block.text.strip()
    ]
    assert "\n\n".join(chunk.text for chunk in chunks) == "\n\n".join(shown)
    for chunk in chunks:
        assert (chunk.first, chunk.last) == (chunk.boxes[0].number, chunk.boxes[-1].number)
        assert len(chunk.boxes) == 1 or len(chunk.text) <= limit + 2 * len(chunk.boxes)


def test_a_chunk_knows_the_headings_above_it() -> None:
    blocks = [
        Block("heading", "A", level=1),
        Block("heading", "B", level=2),
        Block("text", "under b"),
        Block("text", "long enough to stand alone"),
        Block("heading", "C", level=1),
    ]
    chunks = list(chunks_of([segment(1, blocks)], limit=12))
    assert [(chunk.text, chunk.headings) for chunk in chunks] == [
        ("A", ()),
        ("B\n\nunder b", ("A",)),
        ("long enough to stand alone", ("A", "B")),
        ("C", ()),
    ]


def test_cells_know_their_places_under_spans() -> None:
    grid = parse_table(
        "<table><tr><td rowspan=2>a</td><td>b</td></tr><tr><td>c<br>d</td></tr><tr><td colspan='2'>e</td></tr></table>"
    )
    assert (grid.rows, grid.columns) == (3, 2)
    assert [(cell.text, cell.row, cell.column) for cell in grid.cells] == [
        ("a", 0, 0),
        ("b", 0, 1),
        ("c\nd", 1, 1),
        ("e", 2, 0),
    ]


@given(st.text(max_size=300))
def test_any_text_parses_as_a_table(text: str) -> None:
    grid = parse_table(text)
    assert all(cell.row_end <= grid.rows and cell.column_end <= grid.columns for cell in grid.cells)


URIS = st.lists(st.text(st.sampled_from("ab./\\ \x01"), min_size=1, max_size=12), min_size=1, max_size=5)


@given(URIS, st.sampled_from(["", "/", "s3://bucket/"]))
def test_names_stay_below_the_target(paths: list[str], root: str) -> None:
    uris = [root + path for path in paths]
    folder = common_folder(uris)
    for uri in uris:
        parts = relative_name(uri, folder).split("/")
        assert all(part and part not in (".", "..") for part in parts)
        assert not {"\\", "\x01"} & set("".join(parts))


def segment(number: int, blocks: list[Block]) -> ExportedSegment:
    return ExportedSegment("page", number, "", "model", tuple(blocks), *SIZE, None, (), None, None)


def _inside(word: ET.Element, block: ET.Element) -> bool:
    x, y, width, height = (float(word.get(name, "-1")) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    left, top, across, down = (float(block.get(name, "-1")) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    return left <= x and top <= y and x + width <= left + across + 1 and y + height <= top + down + 1


def _words(root: ET.Element) -> str:
    return " ".join(word.get("CONTENT", "") for word in root.findall(".//a:String", ALTO))
