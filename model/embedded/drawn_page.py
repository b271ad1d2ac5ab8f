"""A scan's page drawn anew for the layout network: its words where they stood, its rulings, and nothing else.

So PyMuPDF's layout network, reading order and table finder see a scan as they see a born-digital page. What is drawn
tells them places, digits and bullets; what they find are places alone. About a second of CPU a page, and 200 MB once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from typing import Any, Final

from folioscope.model.embedded.ocr import Line, Word
from folioscope.model.embedded.places import height_of, spaced, union
from folioscope.model.embedded.rulings import Ruling
from folioscope.model.protocol import BlockKind, Box

FONT_SHARE = 0.8  # of a line's box is its font size
DESCENT = 0.22  # of a line's box lies under the base line
RUN_GAP = 0.8  # line heights of white up to which words are drawn as one
RULING_POINTS = 0.7

_KINDS: Final[dict[str, BlockKind]] = {
    "title": "heading",
    "section-header": "heading",
    "list-item": "list_item",
    "table": "table",
    "formula": "formula",
    "caption": "caption",
    "code": "code",
    "footnote": "footnote",
    "page-header": "header",
    "page-footer": "footer",
}


@dataclass(slots=True)
class Region:
    """A place that the network found, and the pieces of lines in it. A table's cells are places, too."""

    kind: BlockKind
    box: Box
    cells: list[Cell] = field(default_factory=list)
    pieces: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class Cell:
    row: int
    column: int
    rows: int
    columns: int
    head: bool
    box: Box
    pieces: list[Line] = field(default_factory=list)


def find_regions(lines: Sequence[Line], rulings: Sequence[Ruling], size: tuple[float, float]) -> list[Region]:
    pymupdf, document_layout = _layout()
    width, height = size
    with pymupdf.open() as document:
        page = document.new_page(width=width, height=height)
        _draw(pymupdf, page, lines, rulings)
        parsed = document_layout.parse_document(
            document, use_ocr=document_layout.OCRMode.NEVER, render_html_tables=True, force_text=True
        )
        return [_region(box, width, height) for box in parsed.pages[0].boxes if box.boxclass != "picture"]


@cache
def _layout() -> tuple[Any, Any]:
    """PyMuPDF and its layout network, loaded when the first page needs them."""
    import pymupdf
    import pymupdf4llm
    from pymupdf4llm.helpers import document_layout

    pymupdf4llm.use_layout(True)
    return pymupdf, document_layout


def _draw(pymupdf: Any, page: Any, lines: Sequence[Line], rulings: Sequence[Ruling]) -> None:
    width, height = page.rect.width, page.rect.height
    for ruling in rulings:
        x0, y0, x1, y1 = _scaled(ruling.box, width, height)
        ends = (
            ((x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2)) if ruling.across else (((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1))
        )
        page.draw_line(*ends, width=RULING_POINTS)
    font = _font(pymupdf)
    for line in lines:
        x0, y0, x1, y1 = _scaled(line.place, width, height)
        size = FONT_SHARE * (y1 - y0)
        for word in _runs(line, width / height):
            left, _, right, _ = _scaled(word.box, width, height)
            text = _drawable(word.text)
            natural = font.text_length(text, size)
            if not natural or right <= left:
                continue
            foot = pymupdf.Point(left, y1 - DESCENT * (y1 - y0))
            stretch = pymupdf.Matrix((right - left) / natural, 0, 0, 1, 0, 0)
            page.insert_text(foot, text, fontsize=size, fontname="helv", morph=(foot, stretch))


def _runs(line: Line, aspect: float) -> Iterable[Word]:
    """The words of a line as they are drawn: together, as print is, up to white too wide to be a blank.

    The table finder takes what is drawn in one run across its columns for one cell.
    """
    least = RUN_GAP * height_of(line) / aspect
    run: list[Word] = []
    for word in line.words or (Word(line.text, line.place),):
        if run and word.box.x0 - run[-1].box.x1 > least:
            yield Word(spaced([part.text for part in run]), union([part.box for part in run]))
            run = []
        run.append(word)
    if run:
        yield Word(spaced([part.text for part in run]), union([part.box for part in run]))


@cache
def _font(pymupdf: Any) -> Any:
    return pymupdf.Font("helv")


def _drawable(text: str) -> str:
    """A word in letters that the drawing font has: the network looks at places, digits and bullets, not at words."""
    text = text.replace("•", "·").replace("–", "-").replace("—", "-")
    return "".join(c if c.isascii() or "\xa1" <= c <= "\xff" else "W" if c >= "\u2e80" else "x" for c in text)


def _region(box: Any, width: float, height: float) -> Region:
    where = Box(box.x0 / width, box.y0 / height, box.x1 / width, box.y1 / height)
    if box.boxclass != "table" or not box.table:
        return Region(_KINDS.get(box.boxclass, "text"), where)
    cells = [
        Cell(*place, box=Box(x0 / width, y0 / height, x1 / width, y1 / height))
        for place, (x0, y0, x1, y1) in _placed_cells(box.table)
    ]
    return Region("table" if cells else "text", where, cells)


def _placed_cells(table: Any) -> Iterable[tuple[tuple[int, int, int, int, bool], Sequence[float]]]:
    """((row, column, rows, columns, head), box in points) of a table's cells."""
    spans = _Spans()
    for part in table.get("html_tables") or [table]:
        spans.feed(part.get("html") or "")
    boxes = [row or [] for row in table.get("cells") or []]
    taken: set[tuple[int, int]] = set()
    for row, cells in enumerate(spans.rows):
        column = 0
        for rows, columns, head in cells:
            while (row, column) in taken:
                column += 1
            taken.update((row + down, column + right) for down in range(rows) for right in range(columns))
            box = boxes[row][column] if row < len(boxes) and column < len(boxes[row]) else None
            if box is not None:
                yield (row, column, rows, columns, head), box
            column += columns


class _Spans(HTMLParser):
    """(rows, columns, is it a head) of each cell, row by row."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[int, int, bool]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            known = dict(attrs)
            self.rows[-1].append((int(known.get("rowspan") or 1), int(known.get("colspan") or 1), tag == "th"))


def _scaled(box: Box, width: float, height: float) -> tuple[float, float, float, float]:
    return box.x0 * width, box.y0 * height, box.x1 * width, box.y1 * height
