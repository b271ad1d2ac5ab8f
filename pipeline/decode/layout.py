"""Full layout: PyMuPDF's layout network, reading order and table finder over one page, as our blocks.

A page that is stored turned is laid out as a copy in a document of its own, since the layout code turns pages in place.
About two seconds and 300 MB the first time, a second a page from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pymupdf
import pymupdf4llm
from pymupdf4llm.helpers import document_layout, get_text_lines, utils

from folioscope.model.flow import mend_flow
from folioscope.model.protocol import Block, BlockKind, Box
from folioscope.pipeline.decode.beside import with_states
from folioscope.pipeline.decode.bidi import is_rtl
from folioscope.pipeline.decode.code import code_text, is_code
from folioscope.pipeline.decode.content import Content, page_content, without_hidden
from folioscope.pipeline.decode.deadline import LayoutTimeoutError, limited
from folioscope.pipeline.decode.furniture import mark_furniture
from folioscope.pipeline.decode.lines import block_text, heading_level, respaced_spans
from folioscope.pipeline.decode.look import BULLET, Look
from folioscope.pipeline.decode.paths import Path, drawn_paths
from folioscope.pipeline.decode.regions import (
    Region,
    claimed,
    in_content_order,
    is_tagged,
    outermost,
    parted,
    reads_on,
    shared,
)
from folioscope.pipeline.decode.tables import page_tables
from folioscope.pipeline.decode.typed_tables import with_typed_tables

pymupdf4llm.use_layout(True)

__all__ = ["LAYOUT_SECONDS", "LayoutTimeoutError", "PageLayout", "page_layout"]

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
MOST_VECTORS = 6000  # 20 s; 18,000 take minutes
LAYOUT_SECONDS = 12.0  # of processor time; a page takes one, the first of a process two
_REBUILT = 0.5  # of the area where the network saw a table
_LEAST_SIDE = 2.0  # points; smaller boxes are specks


@dataclass(frozen=True, slots=True)
class PageLayout:
    """A page's blocks in reading order. ``lost_table``: a table was seen that could not be rebuilt as rows."""

    blocks: tuple[Block, ...]
    lost_table: bool


def page_layout(page: pymupdf.Page, content: Content, paths: Sequence[Path]) -> PageLayout:
    """The blocks of a page in reading order: headings with levels, lists, tables as HTML, headers and footers.

    ``content`` and ``paths`` are the page's; one that is stored turned is laid out as an upright copy.

    Raises:
        LayoutTimeoutError: it takes more than LAYOUT_SECONDS of the processor, or would.
    """
    if len(paths) > MOST_VECTORS:  # MuPDF compares each with all before it, in one step that nothing can end
        raise LayoutTimeoutError(f"more than {MOST_VECTORS} lines and areas are drawn on it")
    with limited(LAYOUT_SECONDS):
        if page.rotation == 0:
            return _laid_out(page, page, content)
        with pymupdf.open() as single:
            single.insert_pdf(page.parent, from_page=page.number, to_page=page.number)
            copy = single[0]
            copy.remove_rotation()
            return _laid_out(
                page, copy, without_hidden(with_states(copy, page_content(copy), drawn_paths(copy)), content)
            )


def _laid_out(page: pymupdf.Page, upright: pymupdf.Page, content: Content) -> PageLayout:
    raw = upright.get_textpage(flags=document_layout.FLAGS, clip=pymupdf.INFINITE_RECT()).extractDICT()["blocks"]
    regions, lost_table = _regions(upright, content, raw)
    as_written = in_content_order(regions) if is_tagged(page.parent) else []
    tagged = bool(as_written) and reads_on(as_written)
    if tagged:
        regions = as_written
    blocks = _blocks(page, upright, content, regions)
    order = range(len(regions)) if tagged else _order(upright.rect, raw, regions, blocks, rtl=is_rtl(content.text))
    ordered = [block for i in order if (block := blocks[i]) is not None]
    head = [block for block in ordered if block.kind == "header"]
    foot = [block for block in ordered if block.kind == "footer"]
    body = mend_flow([block for block in ordered if block.kind not in ("header", "footer")])
    return PageLayout((*head, *body, *foot), lost_table)


def _regions(page: pymupdf.Page, content: Content, raw: list[Any]) -> tuple[list[Region], bool]:
    """The page's regions, and whether the network saw a table where the finder rebuilt none."""
    document_layout.get_layout_locked(page, return_raw=True)
    network = page.layout_information
    tables = outermost(page_tables(page, content))
    page.layout_information = [
        *(
            (*(float(value) for value in box["group_bbox"]), box["class_name"])
            for box in network
            if box["class_name"] != "table" and min(_sides(box["group_bbox"])) > _LEAST_SIDE
        ),
        *((*table.bounds, "table") for table in tables),
    ]
    utils.clean_pictures(page, raw)
    utils.add_image_orphans(page, raw)
    found = [((box[0], box[1], box[2], box[3]), box[4]) for box in page.layout_information if box[4] != "table"]
    seen = [box["group_bbox"] for box in network if box["class_name"] == "table"]
    lost = any(all(shared(box, table.bounds) < _REBUILT * _area(box) for table in tables) for box in seen)
    return with_typed_tables(parted(claimed(content, found, tables))), lost


def _area(box: Sequence[float]) -> float:
    wide, high = _sides(box)
    return max(0.0, wide) * max(0.0, high)


def _sides(box: Sequence[float]) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


def _blocks(page: pymupdf.Page, copy: pymupdf.Page, content: Content, regions: Sequence[Region]) -> list[Block | None]:
    """The block of each region, None where it has no words; running headers and footers marked as such."""
    size = (copy.rect.width or 1.0, copy.rect.height or 1.0)
    respaced = respaced_spans(copy, " ".join(span["text"] for span in content.spans))
    look = _look(regions)
    blocks = [_block(region, size, respaced, look) for region in regions]
    present = [(region, block) for region, block in zip(regions, blocks, strict=True) if block is not None]
    titles = frozenset(
        i
        for i, (region, block) in enumerate(present)
        if block.kind in ("header", "footer") and look.is_title(region.spans, block.text)
    )
    marked = iter(mark_furniture(page, [block for _, block in present], titles))
    return [next(marked) if block is not None else None for block in blocks]


def _order(
    whole: pymupdf.Rect, raw: list[Any], regions: Sequence[Region], blocks: Sequence[Block | None], *, rtl: bool
) -> list[int]:
    """Positions in reading order: the layout code's, of the page's mirror image where it is read from the right."""
    boxes: list[tuple[float, float, float, float, str]] = []
    for region, block in zip(regions, blocks, strict=True):
        x0, y0, x1, y1 = region.bounds
        if block is not None and block.kind in ("header", "footer"):
            kind = f"page-{block.kind}"
        else:  # among the body, whatever the network took it for
            kind = "text" if region.kind.startswith("page-") else region.kind
        boxes.append((whole.width - x1, y0, whole.width - x0, y1, kind) if rtl else (x0, y0, x1, y1, kind))
    order = [tuple(box) for box in utils.find_reading_order(whole, raw, list(boxes))]
    places = {box: place for place, box in reversed(list(enumerate(order)))}

    def rank(i: int) -> tuple[float, float]:
        place = places.get(boxes[i])
        if place is None:  # it lies in another one, after which it is read
            around = max(order, key=lambda other: shared(other[:4], boxes[i][:4]), default=None)
            return (places[around] + 0.5 if around is not None else float(len(order))), boxes[i][1]
        return float(place), boxes[i][1]

    return sorted(range(len(boxes)), key=rank)


def _look(regions: Sequence[Region]) -> Look:
    tables = [span for region in regions if region.kind == "table" for span in region.spans]
    return Look.of([span for region in regions if region.kind != "table" for span in region.spans], tables)


def _block(region: Region, size: tuple[float, float], respaced: dict[str, str], look: Look) -> Block | None:
    kind = _KINDS.get(region.kind, "text")
    where = Box(*(_unit(value / size[i % 2]) for i, value in enumerate(region.bounds)))
    if kind == "table":
        return Block("table", region.html, where) if region.html else None
    lines = text_lines(region.spans)
    code = kind in ("text", "code", "list_item")
    if code and is_code(lines, said=kind == "code", page_is_monospaced=look.monospaced):
        return Block("code", code_text(lines), where)
    text = block_text(lines, respaced)
    if kind == "list_item":
        text = BULLET.sub("", text)
    if not text:
        return Block("picture", "", where) if kind == "picture" else None
    if kind == "heading" or (region.kind == "fallback" and len(lines) == 1 and look.is_title(region.spans, text)):
        largest = max((span["size"] for line in lines for span in line), default=look.body)
        return Block("heading", text, where, level=heading_level(largest / look.body if look.body else 1.0))
    return Block("text" if kind == "code" else kind, text, where)


def text_lines(spans: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The lines of a region, each from the side where it is read."""
    if not spans:
        return []
    if any(span.get("rtl") for span in spans):
        return _rtl_lines(spans)
    level = [span for span in spans if span["wmode"] == 0]
    if len(level) < len(spans):
        return [[span] for span in sorted(spans, key=lambda span: span["number"])]
    lines = [{"bbox": span["row"], "dir": span["dir"], "spans": [dict(span)]} for span in level]
    raw = get_text_lines.get_raw_lines(
        blocks=[{"bbox": pymupdf.INFINITE_RECT(), "lines": lines}],
        clip=pymupdf.INFINITE_RECT(),
        ignore_invisible=False,
        only_horizontal=False,
    )
    return [line for _, line in raw]


def _rtl_lines(spans: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    rows: list[list[dict[str, Any]]] = []
    for span in sorted(spans, key=lambda span: span["bbox"][3]):
        middle = (span["bbox"][1] + span["bbox"][3]) / 2
        if rows and rows[-1][0]["bbox"][1] < middle < rows[-1][0]["bbox"][3]:
            rows[-1].append(span)
        else:
            rows.append([span])
    result = []
    for row in rows:
        row.sort(key=lambda span: -span["bbox"][2])
        result.append([{**row[0], "text": " ".join(span["text"].strip() for span in row)}])
    return result


def _unit(value: float) -> float:
    return min(1.0, max(0.0, float(value)))
