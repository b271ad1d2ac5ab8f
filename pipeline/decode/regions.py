"""A page's regions: boxes of the layout network and the tables in them, every span of text claimed by exactly one.

Overlapping boxes would otherwise give words twice, and gaps between them none at all. Tables claim first, then the
smallest box that holds a span; what none holds forms regions of its own. Boxes that run over two columns are parted at
the white between them. About 2 ms a page.
"""

from __future__ import annotations

import html
import re
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pymupdf

from folioscope.pipeline.decode.content import Content
from folioscope.pipeline.decode.tables import Table
from folioscope.pipeline.decode.words import Bounds, hull

Span = dict[str, Any]

MOSTLY = 0.51  # of a span's area that lies in the box that claims it
_DRAWN = pymupdf.mupdf.FZ_STEXT_FILLED | pymupdf.mupdf.FZ_STEXT_STROKED
_WHITE = 245  # of 255 in each colour
_INSIDE = 0.8  # of a table's area that makes it part of a larger one
_GUTTER = 0.9  # of the font size: narrowest white between columns
_STRAIGHT_GUTTER = 0.6  # the same where the lines on its right start one below the other
_STRAIGHT = 1.5  # points
_ROWS_BESIDE = 3  # rows on both sides of a gutter
_PROSE_ROW = 20  # characters in the middle row of a column of prose; labels and values are shorter
_BULLET = re.compile(r"\s*[·•▪●◦‣⁃■□○➢➤✓\uf0b7\uf0a7]\s*\S")
_JUMPS_BACK = 0.05  # of the steps from region to region
_WHOLE = frozenset({"table", "picture"})
_FURNITURE = frozenset({"page-header", "page-footer"})
_PARTED = frozenset({"text", "list-item", "caption", "fallback", "table-fallback", "code"})


@dataclass(slots=True)
class Region:
    """A part of the page in points. ``kind`` is the network's class; ``html`` is a table's."""

    bounds: Bounds
    kind: str
    html: str | None = None
    spans: list[Span] = field(default_factory=list)

    @property
    def area(self) -> float:
        return max(0.0, self.bounds[2] - self.bounds[0]) * max(0.0, self.bounds[3] - self.bounds[1])


def outermost(tables: Sequence[Table]) -> list[Table]:
    """Tables without those that lie in a larger one."""
    kept: list[Table] = []
    for table in sorted(tables, key=lambda table: -_area(table.bounds)):
        if not any(shared(table.bounds, other.bounds) > _INSIDE * _area(table.bounds) for other in kept):
            kept.append(table)
    return kept


def claimed(content: Content, boxes: Sequence[tuple[Bounds, str]], tables: Sequence[Table]) -> list[Region]:
    """Regions with the spans that are theirs; boxes that are left without any are kept where they are pictures."""
    grids = [(Region(table.bounds, "table", table.html), table) for table in tables]
    others = sorted((Region(bounds, kind) for bounds, kind in boxes), key=lambda region: region.area)
    loose: defaultdict[int, list[Span]] = defaultdict(list)
    number = 0
    for block_number, block in enumerate(content.blocks):
        for line in block["lines"]:
            for span in line["spans"]:
                if not span["text"].strip():
                    continue
                number += 1
                own = {**span, "dir": line["dir"], "wmode": line["wmode"], "number": number, "row": line["bbox"]}
                owner = next((region for region, table in grids if _in_table(table, own)), None)
                owner = owner or next((region for region in others if _claims(region.bounds, own["bbox"])), None)
                if owner is not None:
                    owner.spans.append(own)
                elif _is_seen(own):
                    loose[block_number].append(own)
    kept = [region for region, _ in grids] + [region for region in others if region.spans or region.kind == "picture"]
    return kept + [Region(hull([span["bbox"] for span in spans]), "fallback", None, spans) for spans in loose.values()]


def parted(regions: Sequence[Region]) -> list[Region]:
    """The regions, those of prose parted at the tables that lie in them and at white that runs down through them."""
    tables = [region.bounds for region in regions if region.kind == "table"]
    result: list[Region] = []
    for region in regions:
        if region.kind == "table" or len(region.spans) < 2:
            result.append(region)
            continue
        for piece in _around_tables(region, tables):
            if region.kind in _PARTED:
                result.extend(item for column in _columns(piece) for item in _bullets(column))
            else:
                result.append(piece)
    return result


def rows(spans: Sequence[Span]) -> list[list[Span]]:
    """Spans that stand side by side, from the top."""
    result: list[list[Span]] = []
    for span in sorted(spans, key=lambda span: (span["bbox"][1] + span["bbox"][3]) / 2):
        middle = (span["bbox"][1] + span["bbox"][3]) / 2
        if result and result[-1][0]["bbox"][1] < middle < result[-1][0]["bbox"][3]:
            result[-1].append(span)
        else:
            result.append([span])
    return result


def shared(a: Sequence[float], b: Sequence[float]) -> float:
    """The area that two boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _area(box: Sequence[float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _claims(bounds: Bounds, box: Sequence[float]) -> bool:
    """The middle decides: boxes of fonts are often taller than their letters, those of the network are not."""
    area = _area(box)
    return _holds(bounds, box) or (area > 0 and shared(bounds, box) > MOSTLY * area)


def _in_table(table: Table, span: Span) -> bool:
    """True where a table has the words of a span: they lie in one of its cells, or its text has them."""
    if not _claims(table.bounds, span["bbox"]):
        return False
    if any(_holds(cell, span["bbox"]) for cell in table.cells):
        return True
    return html.escape(" ".join(span["text"].split()), quote=False) in table.html


def _is_seen(span: Span) -> bool:
    """False for text that is drawn invisibly, or white, which no box of the page's layout holds."""
    if not span["char_flags"] & _DRAWN or span["alpha"] == 0:
        return False
    colour = int(span["color"])
    return min(colour >> 16, colour >> 8 & 255, colour & 255) < _WHITE


def _holds(bounds: Bounds, box: Sequence[float]) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return bounds[0] <= x <= bounds[2] and bounds[1] <= y <= bounds[3]


def _around_tables(region: Region, tables: Sequence[Bounds]) -> list[Region]:
    """The region in pieces above, between and below the tables that lie in it."""
    inner = sorted((t for t in tables if shared(t, region.bounds) > 0.5 * _area(t)), key=lambda t: t[1])
    if not inner:
        return [region]
    pieces: defaultdict[int, list[Span]] = defaultdict(list)
    for span in region.spans:
        pieces[sum(span["bbox"][1] >= table[1] for table in inner)].append(span)
    kind = "fallback" if region.kind == "picture" else region.kind
    return [part_of(region, spans, kind) for _, spans in sorted(pieces.items())]


def _columns(region: Region) -> list[Region]:
    """The region parted where white runs down between rows of words on both sides."""
    size = statistics.median(span["size"] for span in region.spans)
    for cut in _gutters([span["bbox"] for span in region.spans], size):
        left = [span for span in region.spans if span["bbox"][2] <= cut]
        right = [span for span in region.spans if span["bbox"][0] >= cut]
        if _is_column(left) and _is_column(right):
            return [piece for side in (left, right) for piece in _columns(part_of(region, side))]
        if _is_margin_note(left, right) or _is_margin_note(right, left):
            return [part_of(region, left), part_of(region, right)]
    return [region]


def _is_margin_note(note: Sequence[Span], body: Sequence[Span]) -> bool:
    """True for rows that stand beside prose, written at one go, half of them on lines of their own."""
    if not note or not _is_column(body) or len(rows(note)) < 2:
        return False
    first, last = min(span["number"] for span in note), max(span["number"] for span in note)
    if any(first < span["number"] < last for span in body):
        return False
    lines = [span["origin"][1] for span in body]
    level = sum(any(abs(span["origin"][1] - line) < 1.0 for line in lines) for span in note)
    return level <= len(note) / 2


def part_of(region: Region, spans: list[Span], kind: str | None = None) -> Region:
    """A part of a region, no taller than it was."""
    x0, y0, x1, y1 = hull([span["bbox"] for span in spans])
    top, bottom = max(y0, region.bounds[1]), min(y1, region.bounds[3])
    return Region((x0, top, x1, bottom) if top < bottom else (x0, y0, x1, y1), kind or region.kind, None, spans)


def _gutters(boxes: Sequence[Sequence[float]], size: float) -> list[float]:
    """Middles of the white that no box crosses and that is wide enough, the widest first."""
    ordered = sorted(tuple(float(value) for value in box) for box in boxes)
    found: list[tuple[float, float]] = []
    reach = ordered[0][2]
    for place, (x0, _, x1, _) in enumerate(ordered[1:], start=1):
        white = x0 - reach
        if white > _STRAIGHT_GUTTER * size:
            starts = [box[0] for box in ordered[place:]]
            straight = sum(abs(start - x0) <= _STRAIGHT for start in starts) >= len(starts) / 2
            if straight or white > _GUTTER * size:
                found.append((white, (x0 + reach) / 2))
        reach = max(reach, x1)
    return [middle for _, middle in sorted(found, reverse=True)]


def _is_column(spans: Sequence[Span]) -> bool:
    """True for rows of prose."""
    if not spans:
        return False
    lengths = [sum(len(span["text"].strip()) for span in row) for row in rows(spans)]
    return len(lengths) >= _ROWS_BESIDE and statistics.median(lengths) >= _PROSE_ROW


def _bullets(region: Region) -> list[Region]:
    """A box of text with bullets in it as its items, what goes before them by itself."""
    lines = rows(region.spans)
    starts = [i for i, row in enumerate(lines) if _BULLET.match(min(row, key=lambda span: span["bbox"][0])["text"])]
    if len(starts) < 2:
        return [region]
    cuts = sorted({0, *starts, len(lines)})
    pieces = []
    for start, end in pairwise(cuts):
        spans = [span for row in lines[start:end] for span in row]
        pieces.append(part_of(region, spans, "list-item" if start in starts else None))
    return pieces


def is_tagged(document: pymupdf.Document) -> bool:
    """True where the file says that its content is tagged, hence written in the order in which it is to be read."""
    if not document.is_pdf:
        return False
    catalog = document.pdf_catalog()
    kind, marked = document.xref_get_key(catalog, "MarkInfo/Marked")
    return (kind, marked) == ("bool", "true") and document.xref_get_key(catalog, "StructTreeRoot")[0] != "null"


def in_content_order(regions: Sequence[Region]) -> list[Region]:
    """Regions in the order of their text in the file. A box whose spans are far apart in it is parted.

    Text that goes on in the line of the piece before it stays with that piece, whatever box it was put in.
    """
    owner = {id(span): region for region in regions for span in region.spans}
    spans = sorted((span for region in regions for span in region.spans), key=lambda span: span["number"])
    pieces: list[tuple[Region, list[Span]]] = []
    placed: set[int] = set()
    for span in spans:
        region = owner[id(span)]
        last = pieces[-1] if pieces else None
        if region.kind in _WHOLE:
            if id(region) not in placed:
                placed.add(id(region))
                pieces.append((region, region.spans))
        elif last is not None and last[0].kind not in _WHOLE and (last[0] is region or _goes_on(last, region, span)):
            last[1].append(span)
        else:
            pieces.append((region, [span]))
    return [region if len(own) == len(region.spans) else part_of(region, own) for region, own in pieces] + [
        region for region in regions if not region.spans
    ]


def reads_on(regions: Sequence[Region]) -> bool:
    """True where an order goes down the page and over to the next column, and hardly ever back up.

    Not all tagged files are written in the order of their tags.
    """
    body = [region.bounds for region in regions if region.kind not in _FURNITURE and region.spans]
    back = sum(b[3] <= a[1] and (min(a[2], b[2]) > max(a[0], b[0]) or b[2] <= a[0]) for a, b in pairwise(body))
    return back <= _JUMPS_BACK * len(body)


def _goes_on(last: tuple[Region, list[Span]], region: Region, span: Span) -> bool:
    """True where a span stands right of the last one in the same line of the file."""
    if _FURNITURE & {last[0].kind, region.kind}:
        return False
    before = last[1][-1]
    if before["row"] == span["row"]:
        return True
    return bool(abs(before["origin"][1] - span["origin"][1]) < 1 and span["bbox"][0] >= before["bbox"][2] - 1)
