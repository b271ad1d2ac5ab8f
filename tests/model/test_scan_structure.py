"""Structure of scanned pages: tables, columns, headings and lists from lines that OCR found."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import numpy as np
import pymupdf
import pytest

from folioscope.model.embedded.drawn_page import Cell
from folioscope.model.embedded.markdown import to_markdown
from folioscope.model.embedded.ocr import Line, Word
from folioscope.model.embedded.paragraphs import to_blocks
from folioscope.model.embedded.rulings import find_rulings
from folioscope.model.embedded.scan import page_blocks
from folioscope.model.embedded.stacked_rows import unstacked
from folioscope.model.embedded.structure import needs_structure
from folioscope.model.protocol import Block, Box, RgbImage

PROSE = "The dredging of the outer harbour should go on through the winter and the cost be met from the reserve. "


def seen(page: pymupdf.Page, dpi: int = 120) -> tuple[RgbImage, list[Line]]:
    """A page as its picture, and its lines as a faultless OCR engine gives them."""
    pixmap = page.get_pixmap(dpi=dpi)
    image = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)
    width, height = page.rect.width, page.rect.height
    lines: list[Line] = []
    rows: dict[tuple[int, int], list[Word]] = {}
    for x0, y0, x1, y1, text, block, line, _ in page.get_text("words"):
        rows.setdefault((block, line), []).append(Word(text, Box(x0 / width, y0 / height, x1 / width, y1 / height)))
    for words in rows.values():
        boxes = [word.box for word in words]
        box = Box(min(b.x0 for b in boxes), boxes[0].y0, max(b.x1 for b in boxes), boxes[0].y1)
        lines.append(Line(" ".join(word.text for word in words), box, 0.99, False, box, tuple(words)))
    return image, lines


def rows_of(block: Block) -> list[list[str]]:
    """The texts of a table's cells, row by row."""
    return [
        [html.unescape(re.sub(r"<br/?>", " ", cell)) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", block.text)
    ]


def draw_table(
    page: pymupdf.Page, rows: Sequence[Sequence[str]], columns: Sequence[float], top: float, *, ruled: bool
) -> float:
    """A table with its columns' left edges given; returns where it ends."""
    height = 22.0
    for number, row in enumerate(rows):
        for left, text in zip(columns, row, strict=False):
            page.insert_text((left + 5, top + number * height + 15), text, fontsize=10)
    bottom = top + len(rows) * height
    if ruled:
        for number in range(len(rows) + 1):
            page.draw_line((columns[0], top + number * height), (columns[-1], top + number * height), width=0.8)
        for left in columns:
            page.draw_line((left, top), (left, bottom), width=0.8)
    return bottom


LABORATORY = [
    ["Test", "Result", "Reference Range", "Flag"],
    ["Glucose", "118 mg/dL", "70-100 mg/dL", "HIGH"],
    ["HDL Cholesterol", "48 mg/dL", ">40 mg/dL", ""],
    ["Triglycerides", "165 mg/dL", "<150 mg/dL", "HIGH"],
    ["Creatinine", "1.1 mg/dL", "0.7-1.3 mg/dL", ""],
]


@pytest.fixture(scope="module")
def report() -> tuple[RgbImage, list[Line], tuple[Block, ...]]:
    page = pymupdf.open().new_page(width=595, height=500)
    page.insert_text((60, 50), "LABORATORY RESULTS", fontsize=16, fontname="hebo")
    bottom = draw_table(page, LABORATORY, [60, 200, 300, 430, 530], 70, ruled=True)
    page.insert_text((60, bottom + 40), "IMAGING STUDIES", fontsize=16, fontname="hebo")
    page.insert_textbox(pymupdf.Rect(60, bottom + 55, 530, 480), PROSE * 4, fontsize=10)
    image, lines = seen(page)
    return image, lines, page_blocks(image, lines)


def test_a_ruled_table_of_a_scan_keeps_its_rows_and_its_empty_cells(
    report: tuple[RgbImage, list[Line], tuple[Block, ...]],
) -> None:
    blocks = report[2]
    [table] = [block for block in blocks if block.kind == "table"]
    assert rows_of(table) == LABORATORY
    assert table.confidence == pytest.approx(0.99)
    kinds = [block.kind for block in blocks]
    assert kinds.index("table") < [block.text for block in blocks].index("IMAGING STUDIES")
    assert [block.text for block in blocks if block.kind == "heading"] == ["LABORATORY RESULTS", "IMAGING STUDIES"]
    assert to_markdown(blocks).count("Glucose") == 1


def test_rulings_are_found_where_they_stand(report: tuple[RgbImage, list[Line], tuple[Block, ...]]) -> None:
    rulings = find_rulings(report[0], lines=[line.box for line in report[1]])
    across = [ruling for ruling in rulings if ruling.across]
    down = [ruling for ruling in rulings if not ruling.across]
    assert len(across) == len(LABORATORY) + 1
    assert len(down) == 5
    assert across[0].box.x0 == pytest.approx(60 / 595, abs=0.01)
    assert down[0].box.y1 == pytest.approx((70 + 22 * len(LABORATORY)) / 500, abs=0.01)


def test_a_leaning_page_is_set_straight_for_its_rulings(report: tuple[RgbImage, list[Line], tuple[Block, ...]]) -> None:
    import cv2

    image = report[0]
    height, width = image.shape[:2]
    lean = 0.03  # radians, clockwise
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -float(np.degrees(lean)), 1.0)
    leaning = cv2.warpAffine(image, turn, (width, height), borderValue=(255, 255, 255))
    assert (
        sum(not ruling.across and ruling.box.y1 - ruling.box.y0 > 0.15 for ruling in find_rulings(leaning, lean)) == 5
    )


STAFF = [
    ["Name", "Department", "Salary", "Years"],
    ["John Smith", "Engineering", "85,000", "5"],
    ["Jane Doe", "Marketing", "72,000", "3"],
    ["Bob Johnson", "Sales", "68,000", "7"],
]


def test_a_small_table_without_rulings_is_one_table() -> None:
    page = pymupdf.open().new_page(width=450, height=150)
    draw_table(page, STAFF, [20, 150, 280, 380, 440], 20, ruled=False)
    blocks = page_blocks(*seen(page))
    assert [block.kind for block in blocks] == ["table"]
    assert rows_of(blocks[0]) == STAFF


def test_columns_of_a_scan_are_read_one_after_the_other() -> None:
    page = pymupdf.open().new_page(width=595, height=700)
    page.insert_textbox(pymupdf.Rect(50, 60, 280, 660), "Left column begins. " + PROSE * 12 + "Left ends.", fontsize=10)
    page.insert_textbox(pymupdf.Rect(315, 60, 545, 660), "Right one begins. " + PROSE * 12 + "Right ends.", fontsize=10)
    text = to_markdown(page_blocks(*seen(page)))
    order = [text.index(words) for words in ("Left column", "Left ends", "Right one", "Right ends")]
    assert order == sorted(order)


def test_plain_prose_needs_no_network() -> None:
    page = pymupdf.open().new_page(width=595, height=700)
    page.insert_textbox(pymupdf.Rect(50, 60, 545, 660), PROSE * 25, fontsize=10)
    image, lines = seen(page)
    assert not needs_structure(lines, find_rulings(image), 595 / 700)
    assert page_blocks(image, lines) == to_blocks(lines)


def test_a_forms_title_line_with_a_date_is_no_running_head() -> None:
    page = pymupdf.open().new_page(width=595, height=500)
    page.insert_text((60, 35), "BOOKING ORDER", fontsize=10)
    page.insert_text((380, 35), "Print Date 12/15/2024", fontsize=10)
    draw_table(page, STAFF, [60, 200, 300, 430, 530], 90, ruled=True)
    text = to_markdown(page_blocks(*seen(page)))
    assert "BOOKING ORDER" in text
    assert "12/15/2024" in text


def test_words_of_any_script_come_through_as_they_were_read() -> None:
    page = pymupdf.open().new_page(width=595, height=500)
    draw_table(page, LABORATORY, [60, 200, 300, 430, 530], 70, ruled=True)
    image, lines = seen(page)
    cyrillic = [
        Line("".join(chr(0x430 + ord(c) % 32) if c.isalpha() else c for c in line.text), *_rest(line)) for line in lines
    ]
    [table] = [block for block in page_blocks(image, cyrillic) if block.kind == "table"]
    assert [row[1] for row in rows_of(table)][1].startswith("118 ")
    assert all("\u0430" <= c <= "\u044f" for c in rows_of(table)[0][0])


def _rest(line: Line) -> tuple[Box, float, bool, Box | None]:
    return line.box, line.confidence, line.tall, line.straight


def ruled_row(*columns: Sequence[str], row: int = 0) -> list[Cell]:
    """Cells of one row, each with lines one below the other; "" leaves a line out."""
    cells = []
    for number, texts in enumerate(columns):
        box = Box(0.1 * number, 0.1 * row, 0.1 * number + 0.09, 0.1 * row + 0.02 * len(texts))
        pieces = [
            Line(text, Box(box.x0, box.y0 + 0.02 * n, box.x0 + 0.05, box.y0 + 0.02 * n + 0.015), 0.9, tall=False)
            for n, text in enumerate(texts)
            if text
        ]
        cells.append(Cell(row, number, 1, 1, head=False, box=box, pieces=pieces))
    return cells


def texts_of(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    return [[" ".join(piece.text for piece in cell.pieces) for cell in row] for row in rows]


def test_rows_between_two_rulings_are_parted_by_their_figures() -> None:
    stacked = ruled_row(
        ["All ages", "With a very long", "disability", "Severe"],
        ["291,099", "", "54,425", "34,947"],
        ["(X)", "", "18.7", "12.0"],
        ["", "", "*0.3", ""],
    )
    assert texts_of(unstacked([stacked])) == [
        ["All ages", "291,099", "(X)", ""],
        ["With a very long disability", "54,425", "18.7", "*0.3"],
        ["Severe", "34,947", "12.0", ""],
    ]


@pytest.mark.parametrize(
    "row",
    [
        ruled_row(["A label of", "two lines"], ["12"], ["13"]),
        ruled_row(["Port"], ["Hythe and", "Sallow"], ["ships that come", "every day"]),
        ruled_row(["Port", "Bay"], ["a first line of words", "and a second one of 12"], ["3", "4"], ["5", "6"]),
        ruled_row(["Port", "Bay"], ["3", "4"]),
    ],
)
def test_lines_of_one_row_stay_together(row: list[Cell]) -> None:
    assert texts_of(unstacked([row])) == texts_of([row])
