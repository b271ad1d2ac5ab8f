"""Running headers and footers: what stands near an edge of the page and comes again on pages nearby.

One page alone cannot tell a title from a running head. So a block near an edge is one where it is a page number or a
stamp outside the margins, where it comes again on a neighbouring page at the same height (numbers aside), or where it
shares its row with a page number in a document of several pages. Everything else is body, whatever a network says. A
look at a neighbour costs its text, some 3 ms; each page's edges are kept while its document is open.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pymupdf
from rapidfuzz import fuzz

from folioscope.model.protocol import Block, BlockKind, Box

MARGIN = 0.13  # of the page's height: where running heads and feet may stand
_SURE_MARGIN = 0.09  # where those stand that no network has named
_LONGEST = 200  # characters
_ALIKE = 85.0  # of 100: likeness of two pages' running heads, numbers aside
_TELLING = 8  # characters that are enough to be found inside a longer line
_SAME_HEIGHT = 0.01  # of the page's height
_NO_MANS_LAND = 0.035
_LONE_FROM = 4  # blocks of a page that may end in a lone page number
_STAMP = re.compile(
    r"downloaded (?:from|by|on)|https?://|www\.|©|\(c\) \d{4}|copyright|all rights reserved|printed on", re.I
)
_SAME_ROW = 0.012
_NEIGHBOURS = (-1, 1, -2, 2)  # two away: left and right pages may have heads of their own
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b", re.I)
_ROMAN = re.compile(r"m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})", re.I)
_PAGE_NUMBER = re.compile(
    r"[\W_]*(?:(?:page|seite|pagina|página|p|pg|s|стр|صفحه|صفحة|第)[\s.:]*)?"
    r"(?P<number>\d{1,4}|[ivxlc]{1,7})"
    r"(?:\s*(?:of|/|von|de|di|sur|из|من|از)\s*\d{1,5}|\s*[页頁])?[\W_]*",
    re.I,
)


_KEPT_AS = "_folioscope_edges"  # on the open document, which cannot be weakly referred to, and with which they go


@dataclass(frozen=True, slots=True)
class _Edge:
    box: Box
    text: str


def is_page_number(text: str) -> bool:
    """True for a page number by itself, in figures or in Roman numerals, with what is usually written around it."""
    match = _PAGE_NUMBER.fullmatch(text.strip())
    return match is not None and (match["number"].isdigit() or _ROMAN.fullmatch(match["number"]) is not None)


def mark_furniture(
    page: pymupdf.Page, blocks: Sequence[Block], headings: frozenset[int] = frozenset()
) -> tuple[Block, ...]:
    """The blocks with running headers and footers marked as such, and all others not.

    ``headings`` are the positions of blocks that are headings where they are no running heads.
    """
    titles = [block for block in blocks if block.kind == "heading"]
    numbers = [block for block in blocks if _edge(block) is not None and is_page_number(block.text)]
    stamps = [block for block in blocks if _outermost(block) and _STAMP.search(block.text)]
    lone = _lone_number(blocks)
    marked: list[Block] = []
    for i, block in enumerate(blocks):
        edge = _edge(block)
        if block is lone:
            marked.append(replace(block, kind="footer", level=0))
        elif (
            edge is not None
            and _may_be(block)
            and (_is_furniture(page, block, numbers) or (_outermost(block) and any(_in_row(block, s) for s in stamps)))
        ):
            marked.append(replace(block, kind=edge, level=0))
        elif block.kind not in ("header", "footer"):
            marked.append(block)
        elif i in headings or any(_in_row(block, title) for title in titles):
            marked.append(replace(block, kind="heading", level=3))
        else:
            marked.append(replace(block, kind="text"))
    return tuple(marked)


def _may_be(block: Block) -> bool:
    return block.kind in ("header", "footer", "text", "heading", "list_item", "caption") and len(block.text) <= _LONGEST


def _is_furniture(page: pymupdf.Page, block: Block, numbers: Sequence[Block]) -> bool:
    named = block.kind in ("header", "footer")
    box = block.bbox
    if box is None:
        return False
    if not (named or box.y1 < _SURE_MARGIN or box.y0 > 1 - _SURE_MARGIN):
        return False
    if is_page_number(block.text) or _recurs(page, box, block.text):
        return True
    return named and page.parent.page_count > 1 and any(_in_row(block, number) for number in numbers)


def _outermost(block: Block) -> bool:
    """True for what stands outside the margins that printers keep."""
    return block.bbox is not None and (block.bbox.y1 < _NO_MANS_LAND or block.bbox.y0 > 1 - _NO_MANS_LAND)


def _lone_number(blocks: Sequence[Block]) -> Block | None:
    """A page number by itself below everything else, however far up the page ends."""
    placed = [(block.bbox, block) for block in blocks if block.bbox is not None and block.text.strip()]
    if len(placed) < _LONE_FROM:
        return None
    box, last = max(placed, key=lambda item: item[0].y0)
    above = max(other.y1 for other, block in placed if block is not last)
    alone = box.y0 - above > 1.5 * (box.y1 - box.y0) > 0
    return last if alone and last.kind != "table" and is_page_number(last.text) else None


def _in_row(a: Block, b: Block) -> bool:
    return a.bbox is not None and b.bbox is not None and abs(a.bbox.y0 - b.bbox.y0) < _SAME_ROW


def _edge(block: Block) -> BlockKind | None:
    """header or footer by where the block stands; None where it is far from both edges."""
    box = block.bbox
    if box is None or not block.text.strip():
        return None
    return "header" if box.y1 < MARGIN else "footer" if box.y0 > 1 - MARGIN else None


def _recurs(page: pymupdf.Page, box: Box, text: str) -> bool:
    """True where a page nearby has the same text, numbers aside, at the same place."""
    wanted = _without_numbers(text)
    for step in _NEIGHBOURS:
        number = page.number + step
        if not 0 <= number < page.parent.page_count:
            continue
        level = [e for e in _edges_of(page.parent, number) if _at_height(e.box, box)]
        if not level:
            continue
        beside = [edge for edge in level if edge.box.x1 > box.x0 and edge.box.x0 < box.x1]
        for edges in (beside, level):
            found = _without_numbers(" ".join(edge.text for edge in edges))
            if fuzz.token_sort_ratio(wanted, found) >= _ALIKE or (len(wanted) >= _TELLING and wanted in found):
                return True
    return False


def _at_height(edge: Box, box: Box) -> bool:
    middle = (edge.y0 + edge.y1) / 2
    return box.y0 - _SAME_HEIGHT < middle < box.y1 + _SAME_HEIGHT


def _edges_of(document: pymupdf.Document, number: int) -> tuple[_Edge, ...]:
    """Lines near the edges of a page, by their top."""
    known: dict[int, tuple[_Edge, ...]] = vars(document).setdefault(_KEPT_AS, {})
    if number not in known:
        known[number] = _look(document, number)
    return known[number]


def _look(document: pymupdf.Document, number: int) -> tuple[_Edge, ...]:
    try:
        page = document[number]
        content = page.get_text("dict", flags=pymupdf.TEXTFLAGS_TEXT)
    except (RuntimeError, ValueError, pymupdf.mupdf.FzErrorBase):
        return ()  # a damaged neighbour is told of when its own turn comes
    height = page.rect.height or 1.0
    width = page.rect.width or 1.0
    found: list[_Edge] = []
    for block in content["blocks"]:
        for line in block.get("lines", ()):
            rect = pymupdf.Rect(line["bbox"]) * page.rotation_matrix
            y0, y1 = rect.y0 / height, rect.y1 / height
            if y1 < MARGIN or y0 > 1 - MARGIN:
                box = Box(rect.x0 / width, y0, rect.x1 / width, y1)
                found.append(_Edge(box, "".join(span["text"] for span in line["spans"])))
    return tuple(sorted(found, key=lambda edge: (round(edge.box.y0, 2), edge.box.x0)))


def _without_numbers(text: str) -> str:
    return " ".join(_DIGITS.sub("#", text).casefold().split())
