"""The tables of a page: PyMuPDF's table finder, put right where its grid and the words on it disagree.

Cells take whole words of the mended text. What has one column is no table. A row of column names that stands above the
grid joins it, a title that was taken for a row leaves it (``table_grid.py``, ``table_seams.py``), lines of one stripe
are one row (``table_stripes.py``). The finder costs about 0.3 s a page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pymupdf

from folioscope.pipeline.decode.content import Content
from folioscope.pipeline.decode.lines import clean
from folioscope.pipeline.decode.table_grid import join_phrases, names_above, spread_names, stacked, with_phrases_whole
from folioscope.pipeline.decode.table_rows import (
    join_labels,
    join_units,
    split_numbers,
    unfolded,
    without_leaders,
    without_notes,
)
from folioscope.pipeline.decode.table_seams import Row, box_of, split_columns, split_spans
from folioscope.pipeline.decode.table_stripes import Stripe, joined_by_stripes, stripes_of
from folioscope.pipeline.decode.words import Bounds, Word, holds, hull, page_words, text_of

__all__ = ["Bounds", "Table", "page_tables"]

_ROW_OF_ONE = 0.8  # of a table's rows with a single cell filled, from which it is no table
_RULE = re.compile(r"[\s\-–—_=]+")


@dataclass(frozen=True, slots=True)
class Table:
    """``cells`` are the boxes of its cells: text of its area that lies in none of them is not in ``html``."""

    bounds: Bounds
    html: str
    cells: tuple[Bounds, ...]


def page_tables(page: pymupdf.Page, content: Content) -> list[Table]:
    """The page's tables, whose page holds its layout already."""
    found = page.find_tables(use_layout=True, union=True, refine=True).tables
    if not found:
        return []
    words, stripes = page_words(page, content), stripes_of(page)
    return [table for raw in found for table in _tables_in(raw, words, stripes, mended=content.mended)]


def _tables_in(
    raw: Any, words: Sequence[Word], stripes: Sequence[tuple[Bounds, list[Stripe]]], *, mended: bool
) -> list[Table]:
    bounds: Bounds = tuple(float(value) for value in raw.bbox)  # type: ignore[assignment]
    if raw.placements is None:
        return [Table(bounds, _plain_html(raw.extract()), (bounds,))]
    rows: list[Row] = raw.placements
    sections = [rows[number] for number in raw.section_rows or ()]
    own = [word for word in words if holds(bounds, word.box)]
    if mended:
        for row in rows:
            for cell in row:
                if cell.bbox is not None:
                    cell.text = text_of([word for word in own if holds(cell.bbox, word.box)])
    filled = [sum(bool((cell.text or "").strip()) for cell in row) for row in rows]
    if not rows or sum(cells <= 1 for cells in filled) >= _ROW_OF_ONE * len(filled):
        return []
    rows = with_phrases_whole(joined_by_stripes(rows, own, stripes), own)
    for row in rows:
        join_phrases(row, own)
    split_spans(rows, own)
    rows = without_notes(join_labels(rows, own), own)
    parts = stacked(rows, own)
    whole = bounds if len(parts) == 1 else None
    return [table for part in parts for table in _finished(raw, part, own, sections, whole)]


def _finished(
    raw: Any, rows: list[Row], words: Sequence[Word], sections: Sequence[Row], bounds: Bounds | None
) -> list[Table]:
    """The tables of some rows of what the finder found; ``bounds`` is None where they are not all of them."""
    whole = bounds is not None
    rows = [row for row in rows if not _is_rule(row)] or rows
    split_numbers(rows, words)
    split_columns(rows, words)
    join_units(rows)
    spread_names(rows, words)
    names = names_above(rows, words) if whole else None
    if names is not None:
        for cell in rows[0]:
            cell.tag = "td"
        rows.insert(0, names)
    parts = unfolded(rows)
    if len(parts) > 1:
        return [_table(raw, part, set(), None) for part in parts]
    return [_table(raw, rows, {i for i, row in enumerate(rows) if any(row is one for one in sections)}, bounds)]


def _table(raw: Any, rows: list[Row], sections: set[int], bounds: Bounds | None) -> Table:
    for row in rows:
        for cell in row:
            text = without_leaders(cell.text or "").replace("\u00ad\n", "")
            cell.text = "\n".join(clean(line) for line in text.split("\n"))
    raw.placements, raw.section_rows = rows, sections
    cells = tuple(box_of(cell) for row in rows for cell in row if cell.bbox is not None)
    if bounds is None:
        bounds = hull(cells)
    return Table(bounds, raw.to_html(), cells)


def _is_rule(row: Row) -> bool:
    """True for a line of dashes, drawn with letters."""
    text = "".join(cell.text or "" for cell in row)
    return len(text) > 2 and _RULE.fullmatch(text) is not None


def _plain_html(rows: Sequence[Sequence[str | None]]) -> str:
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape((cell or '').strip())}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{body}</table>" if body else ""
