"""Whether a page needs the layout network: a look at how its text is set, its rulings and its fonts, some 4 ms.

Plain prose in one column or in columns with white between them is put in order by rules alone. Whatever may be a table
or a form, which the rules would flatten, goes to the network: cells side by side in several rows, rulings that run
alike, rulings that cross, and writing that is not in level lines from the left.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pymupdf

from folioscope.pipeline.decode.code import has_even_width
from folioscope.pipeline.decode.content import Content
from folioscope.pipeline.decode.paths import Path

MOST_BROKEN = 2  # rows of words set side by side, from which a page may hold a table
BREAK = 1.0  # of the font size: white between two pieces of a row
MARGIN = 0.07  # of the page's sides, where running heads and page numbers stand side by side, and stamps up and down
PROSE_ROWS = 4  # with words on both sides of a gutter
PROSE_CHARS = 20  # in the middle row of a column of prose
FILLED = 0.5  # of a column's rows that reach nearly to its edge
NEARLY = 0.8  # of its width
THIN = 3.0  # points: of a ruling
LONG = 60.0  # points: of a ruling across
MANY_RULINGS = 1000
ALIKE = 3  # rulings
FEWEST_BROKEN = 2  # rows between rulings that run alike
INSIDE = 10.0  # points
_LEVEL = 0.1  # sine of the slope of a level line
_LABEL = re.compile(r"[^\w\s]{1,2}|[(\[]?(?:\d{1,3}(?:\.\d{1,2}){0,3}|[a-zA-Z]|[ivxIVX]{1,5})[.):\]]?")
_CODE = re.compile(r"[{}()=#;<>_]")
_FORMULA = re.compile(r"[=≤≥≠≈≅≡⊆⊂∈∋∉→↦⇒⇔∩∪×∘∀∃∑∏∫√∞∅∂∎■□\ufffd\uf8e0-\uf8ff]")
_BLANKS = re.compile(r"\S {3,}\S")  # columns that were typed

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Words that follow each other in a row with no more than blanks between them."""

    box: Bounds
    text: str
    size: float
    even: bool  # in a font of even width


@dataclass(slots=True)
class _Gutter:
    """White that runs down between pieces of several rows, and what stands nearest to it on both sides."""

    x0: float
    x1: float
    left: list[_Piece] = field(default_factory=list)
    right: list[_Piece] = field(default_factory=list)

    @property
    def is_between_prose(self) -> bool:
        return len(self.left) >= PROSE_ROWS and _is_prose(self.left) and _is_prose(self.right)


def needs_network(page: pymupdf.Page, content: Content, paths: Sequence[Path]) -> bool:
    """False for pages of plain prose, which rules alone put in order. ``paths`` are those that are drawn on it."""
    if _is_turned(page, content):
        return True
    if page.first_widget is not None or any(span.get("rtl") for span in content.spans):
        return True
    height = page.rect.height
    rows = [row for row in _rows(content) if MARGIN * height < row[0].box[1] < (1 - MARGIN) * height]
    columns = [gutter for gutter in _gutters(rows) if gutter.is_between_prose]
    apart = broken_rows(rows, columns)
    return (
        apart > MOST_BROKEN
        or not _is_one_gutter(columns)
        or any(_straddles(block["bbox"], columns) for block in content.blocks)
        or has_grid(paths, apart=apart)
    )


def _is_turned(page: pymupdf.Page, content: Content) -> bool:
    """True where lines run up, down or askew, but for what is stamped along the sides of the paper."""
    margin = MARGIN * page.rect.width
    return any(
        line["wmode"] == 1
        or (abs(line["dir"][1]) > _LEVEL and margin < line["bbox"][2] and line["bbox"][0] < page.rect.width - margin)
        for block in content.blocks
        for line in block["lines"]
    )


def _is_one_gutter(columns: Sequence[_Gutter]) -> bool:
    """True for two columns, however often a title or picture over both parts them."""
    return max((c.x0 for c in columns), default=0.0) <= min((c.x1 for c in columns), default=0.0)


def _straddles(box: Bounds, columns: Sequence[_Gutter]) -> bool:
    """True for a block in which words of two columns were put together."""
    return any(
        box[0] < gutter.x0 < gutter.x1 < box[2]
        and sum(box[1] <= (piece.box[1] + piece.box[3]) / 2 <= box[3] for piece in gutter.left) > 1
        for gutter in columns
    )


def broken_rows(rows: Sequence[Sequence[_Piece]], columns: Sequence[_Gutter]) -> int:
    """Rows of pieces side by side that are no columns of prose, parts of formulas, nor an item's label and its text."""
    gaps = [(number, left, right) for number, row in enumerate(rows) for left, right in pairwise(row)]
    held = {(id(left), id(right)) for gutter in columns for left, right in zip(gutter.left, gutter.right, strict=True)}
    apart = {
        number
        for number, left, right in gaps
        if (id(left), id(right)) not in held
        and not _LABEL.fullmatch(left.text.strip())
        and not (_FORMULA.search(left.text) or _FORMULA.search(right.text))
        and not (left.even and right.even and _CODE.search(left.text + right.text))
    }
    return len(apart | {number for number, row in enumerate(rows) if any(_BLANKS.search(p.text) for p in row)})


def has_grid(paths: Sequence[Path], *, apart: int) -> bool:
    """True where rulings part a framed area, or run alike around the rows of words set ``apart``.

    A frame alone is drawn around listings and notes, too.
    """
    across: list[Bounds] = []
    down: list[Bounds] = []
    for kind, (x0, y0, x1, y1) in paths:
        if y1 - y0 <= THIN and x1 - x0 >= LONG:
            across.append((x0, y0, x1, y1))
        elif x1 - x0 <= THIN and y1 - y0 > THIN:
            down.append((x0, y0, x1, y1))
        elif kind == "stroke-path":  # of a frame that is drawn at one go, the upper edge
            across.append((x0, y0, x1, y0))
    if len(across) > MANY_RULINGS or len(down) > MANY_RULINGS:
        return True
    ends = Counter((round(box[0] / THIN), round(box[2] / THIN)) for box in across)
    alike = max(ends.values(), default=0)
    return (apart >= FEWEST_BROKEN and alike >= ALIKE) or any(_parts(ruling, across) for ruling in down)


def _parts(ruling: Bounds, across: Sequence[Bounds]) -> bool:
    """True for a ruling that goes down from one across, well within its ends."""
    x, top = (ruling[0] + ruling[2]) / 2, ruling[1]
    return any(
        other[0] + INSIDE < x < other[2] - INSIDE and abs((other[1] + other[3]) / 2 - top) <= THIN for other in across
    )


def _rows(content: Content) -> list[list[_Piece]]:
    """The page's pieces side by side, from the top."""
    pieces = []
    for block in content.blocks:
        for line in block["lines"]:
            text = "".join(span["text"] for span in line["spans"])
            if text.strip() and abs(line["dir"][1]) <= _LEVEL:
                size = max(span["size"] for span in line["spans"])
                even = all(has_even_width(span) for span in line["spans"] if span["text"].strip())
                pieces.append(_Piece(tuple(line["bbox"]), text, size, even))
    rows: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda piece: (piece.box[1] + piece.box[3]) / 2):
        middle = (piece.box[1] + piece.box[3]) / 2
        if rows and rows[-1][0].box[1] < middle < rows[-1][0].box[3]:
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [_joined(sorted(row, key=lambda piece: piece.box[0])) for row in rows]


def _joined(row: list[_Piece]) -> list[_Piece]:
    result = row[:1]
    for piece in row[1:]:
        last = result[-1]
        if piece.box[0] - last.box[2] < BREAK * max(piece.size, last.size):
            a, b = last.box, piece.box
            box = (a[0], min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
            result[-1] = _Piece(box, f"{last.text} {piece.text}", max(last.size, piece.size), last.even and piece.even)
        else:
            result.append(piece)
    return result


def _gutters(rows: Sequence[Sequence[_Piece]]) -> list[_Gutter]:
    done: list[_Gutter] = []
    open_: list[_Gutter] = []
    for row in rows:
        for gutter in list(open_):
            if any(piece.box[0] < gutter.x0 and piece.box[2] > gutter.x1 for piece in row):
                open_.remove(gutter)
                done.append(gutter)
        for left, right in pairwise(row):
            x0, x1 = left.box[2], right.box[0]
            for gutter in open_:
                if min(x1, gutter.x1) - max(x0, gutter.x0) >= THIN:
                    gutter.x0, gutter.x1 = max(x0, gutter.x0), min(x1, gutter.x1)
                    break
            else:
                gutter = _Gutter(x0, x1)
                open_.append(gutter)
            gutter.left.append(left)
            gutter.right.append(right)
    return done + open_


def _is_prose(pieces: Sequence[_Piece]) -> bool:
    if statistics.median(len(piece.text.strip()) for piece in pieces) < PROSE_CHARS:
        return False
    widths = sorted(piece.box[2] - piece.box[0] for piece in pieces)
    widest = widths[int(0.9 * (len(widths) - 1))]
    return sum(width >= NEARLY * widest for width in widths) >= FILLED * len(widths)
