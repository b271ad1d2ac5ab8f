"""A page's text layer: its blocks with boxes in reading order, and the gate's verdict. Runs inside a decode child.

``fast`` takes MuPDF's blocks, orders them by white space and tells headings by their size: about 5 ms a page. ``full``
hands pages that pass the gate to PyMuPDF's layout network and table finder (``layout.py``): about a second.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pymupdf

from model.flow import mend_flow
from model.plain_text import strip_markup
from model.protocol import Block, Box, TextLayer
from model.reading_order import reading_order
from pipeline.decode.gate import LayerFacts, judge
from pipeline.decode.lines import block_text, heading_level, respaced_spans
from pipeline.decode.pages import Layout

_FLAGS = pymupdf.TEXTFLAGS_DICT & ~pymupdf.TEXT_PRESERVE_IMAGES
_DRAWN = pymupdf.mupdf.FZ_STEXT_FILLED | pymupdf.mupdf.FZ_STEXT_STROKED
_TURNS = {(1, 0): 0, (0, -1): 90, (-1, 0): 180, (0, 1): 270}  # a line's direction → the turn at which it stands
_MOST = 0.8  # of the letters
HEADING_SIZE = 1.15  # times the page's body size
MARGIN = 0.08  # where running headers and footers stand
KEPT_SHARE = 0.6  # of the layer's characters that full layout must keep
PICTURE_WITH_WORDS = 0.08  # share of the page from which a picture is worth reading


def extract_text_layer(page: pymupdf.Page, layout: Layout) -> TextLayer:
    """The text layer of a page. Boxes are shares of the upright page.

    A page whose words run up or down it, as exports of landscape tables do, is turned upright first, in memory.
    """
    content = page.get_text("dict", flags=_FLAGS)
    _turn_upright(page, content)
    spans = [span for block in content["blocks"] for line in block.get("lines", ()) for span in line["spans"]]
    text = "\n".join(
        "".join(span["text"] for span in line["spans"])
        for block in content["blocks"]
        for line in block.get("lines", ())
    )
    hidden = sum(_solid(span["text"]) for span in spans if not span["char_flags"] & _DRAWN or span["alpha"] == 0)
    coverage = picture_coverage(page)
    judgement = judge(LayerFacts(text, sum(_solid(span["text"]) for span in spans) - hidden, hidden, coverage))
    blocks: tuple[Block, ...] = ()
    if layout == "full" and judgement.verdict == "usable":
        from pipeline.decode.layout import layout_blocks

        blocks = layout_blocks(page)
    if sum(_solid(strip_markup(block.text)) for block in blocks) < KEPT_SHARE * _solid(text):
        # Also where the network took words for a picture or for nothing: better plain than lost.
        blocks = _fast_blocks(page, content, respaced_spans(page, text))
    needs_image = judgement.verdict == "usable" and coverage >= PICTURE_WITH_WORDS
    return TextLayer(judgement.verdict, judgement.reason, blocks, judgement.language, needs_image)


def _turn_upright(page: pymupdf.Page, content: dict[str, Any]) -> None:
    quarter: Counter[int] = Counter()
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            direction = (round(line["dir"][0]), round(line["dir"][1]))
            if line["wmode"] == 0 and direction in _TURNS:
                quarter[_TURNS[direction]] += sum(len(span["text"]) for span in line["spans"])
    if not quarter:
        return
    wanted, letters = quarter.most_common(1)[0]
    if letters >= _MOST * quarter.total() and (wanted - page.rotation) % 180 == 90:
        page.set_rotation(wanted)


def picture_coverage(page: pymupdf.Page) -> float:
    """Share of the page under its pictures, 0..1; overlapping pictures count once at the most."""
    if not page.get_images():
        return 0.0
    whole = page.rect * page.derotation_matrix
    area = 0.0
    for image in page.get_image_info():
        shown = pymupdf.Rect(image["bbox"]) & whole
        area += max(0.0, shown.get_area()) if not shown.is_empty else 0.0
    return float(min(1.0, area / whole.get_area())) if whole.get_area() else 0.0


def share_box(page: pymupdf.Page, bbox: Any) -> Box:
    """A box in the page's own points as shares of the upright page, cut to it."""
    rect = pymupdf.Rect(bbox) * page.rotation_matrix
    width, height = page.rect.width or 1.0, page.rect.height or 1.0
    x0, x1 = sorted((_unit(rect.x0 / width), _unit(rect.x1 / width)))
    y0, y1 = sorted((_unit(rect.y0 / height), _unit(rect.y1 / height)))
    return Box(x0, y0, x1, y1)


def _unit(value: float) -> float:
    return min(1.0, max(0.0, float(value)))


def _solid(text: str) -> int:
    return sum(not c.isspace() for c in text)


def _fast_blocks(page: pymupdf.Page, content: dict[str, Any], respaced: dict[str, str]) -> tuple[Block, ...]:
    body = _body_size(content)
    found = [(raw, _block(page, raw, body, respaced)) for raw in content["blocks"] if raw.get("lines")]
    blocks = [block for _, block in found if block is not None]
    boxes = [block.bbox for block in blocks if block.bbox is not None]
    arabic = sum(any(line["dir"][0] < 0 for line in raw["lines"]) for raw, _ in found) > len(found) / 2
    return mend_flow([blocks[i] for i in reading_order(boxes, right_to_left=arabic)])


def _body_size(content: dict[str, Any]) -> float:
    """The font size of most of the page's characters."""
    sizes: Counter[float] = Counter()
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            for span in line["spans"]:
                sizes[round(span["size"], 1)] += len(span["text"])
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _block(page: pymupdf.Page, raw: dict[str, Any], body: float, respaced: dict[str, str]) -> Block | None:
    lines = [line["spans"] for line in raw["lines"]]
    text = block_text(lines, respaced)
    if not text:
        return None
    box = share_box(page, raw["bbox"])
    if box.y1 < MARGIN or box.y0 > 1 - MARGIN:
        furniture = len(text) < 120 and len(lines) <= 2
        if furniture and re.fullmatch(
            r"[\W\d]*(page|seite|p\.)?\s*[\divxlc]{1,6}\W*(of|/|von|de)?\s*\d{0,5}\W*", text, re.I
        ):
            return Block("header" if box.y1 < MARGIN else "footer", text, box)
    sizes = [span["size"] for spans in lines for span in spans if span["text"].strip()]
    size = max(sizes, default=body)
    short = len(text) < 200 and len(lines) <= 3
    if body and short and size >= HEADING_SIZE * body and any(c.isalpha() for c in text):
        return Block("heading", text, box, level=heading_level(size / body))
    return Block("text", text, box)
