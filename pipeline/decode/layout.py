"""Full layout: PyMuPDF's layout network, reading order and table finder over one page, as our blocks.

Runs on a copy of the page in a document of its own: the layout code turns pages upright in place and walks whole
documents for form fields. About a second and 300 MB the first time, a second a page from then on.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from typing import Any

import pymupdf
import pymupdf4llm
from pymupdf4llm.helpers import document_layout

from model.flow import mend_flow
from model.protocol import Block, BlockKind, Box
from pipeline.decode.lines import block_text, heading_level, respaced_spans

pymupdf4llm.use_layout(True)

_KINDS: dict[str, BlockKind] = {
    "title": "heading",
    "section-header": "heading",
    "text": "text",
    "list-item": "list_item",
    "table": "table",
    "formula": "formula",
    "caption": "caption",
    "code": "code",
    "picture": "picture",
    "footnote": "footnote",
    "page-header": "header",
    "page-footer": "footer",
    "fallback": "text",
    "table-fallback": "text",
}
_BULLET = re.compile(r"^\s*[-*•◦▪●○■□‣⁃–—\uf0b7\uf0a7]\s+")


def layout_blocks(page: pymupdf.Page) -> tuple[Block, ...]:
    """The blocks of a page in reading order: headings with levels, lists, tables as HTML, headers and footers."""
    with pymupdf.open() as single:
        single.insert_pdf(page.parent, from_page=page.number, to_page=page.number)
        parsed = document_layout.parse_document(
            single,
            use_ocr=document_layout.OCRMode.NEVER,
            render_html_tables=True,
            force_text=True,
        )
        layout = parsed.pages[0]
        spans = (span for box in layout.boxes for line in box.textlines or () for span in line["spans"])
        respaced = respaced_spans(single[0], " ".join(span["text"] for span in spans))
    size = (layout.width or 1.0, layout.height or 1.0)
    body = _body_size(layout)
    blocks = (_block(box, size, body, respaced) for box in layout.boxes)
    return mend_flow([block for block in blocks if block is not None])


def _block(box: Any, size: tuple[float, float], body: float, respaced: dict[str, str]) -> Block | None:
    kind = _KINDS.get(box.boxclass, "text")
    where = Box(*(_unit(value / size[i % 2]) for i, value in enumerate((box.x0, box.y0, box.x1, box.y1))))
    if kind == "table":
        table = box.table or {}
        text = table.get("html") or _html_table(table.get("extract") or [])
        return Block("table", text, where) if text else None
    lines = box.textlines or []
    text = block_text([line["spans"] for line in lines], respaced)
    if kind == "list_item":
        text = _BULLET.sub("", text)
    if not text:
        return Block("picture", "", where) if kind == "picture" else None
    if kind == "heading":
        largest = max((span["size"] for line in lines for span in line["spans"]), default=body)
        return Block("heading", text, where, level=heading_level(largest / body if body else 1.0))
    return Block(kind, text, where)


def _body_size(layout: Any) -> float:
    """The font size of most characters in the text blocks."""
    sizes: Counter[float] = Counter()
    for box in layout.boxes:
        for line in box.textlines or ():
            for span in line["spans"]:
                sizes[round(span["size"], 1)] += len(span["text"])
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _html_table(rows: list[list[str | None]]) -> str:
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape((cell or '').strip())}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{body}</table>" if body else ""


def _unit(value: float) -> float:
    return min(1.0, max(0.0, float(value)))
