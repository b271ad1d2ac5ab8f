"""Small tables without a ruling, which the network takes for a formula or a paragraph.

Either names over columns of figures: a run of rows of as many pieces each, one below the other, under a row of names,
with figures alone in a column; tables of contents have no names over their page numbers. Or labels in bold beside their
values, as boxes of facts have them; what stands below a value with no label beside it goes on with it. Short cells
only. Costs nothing to speak of.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import pairwise

from folioscope.pipeline.decode.look import is_bold
from folioscope.pipeline.decode.regions import Region, Span, part_of, rows
from folioscope.pipeline.decode.words import Bounds, hull

_KINDS = frozenset({"formula", "text", "fallback", "table-fallback"})
_FEWEST_ROWS = 3
_LONGEST_CELL = 25  # characters
_WHITE = 0.9  # of the font size: white between two cells of a row
_FEWEST_LABELS = 4
_LONGEST_LABEL = 40
_FIGURE = re.compile(r"[-–−+(]?[$€£]?[-–−+]?\d[\d.,]*[%)]?")

Cells = list[list[Span]]  # of one row


def with_typed_tables(regions: Sequence[Region]) -> list[Region]:
    """The regions, with what looks like a table in a paragraph or formula as one, the rows above and below apart."""
    return [part for region in regions for part in (_parts(region) if region.kind in _KINDS else [region])]


def _parts(region: Region) -> list[Region]:
    lines = [_cells(row) for row in rows(region.spans)]
    found, cells_of = _longest_table(lines), _named_columns
    if found is None:
        found, cells_of = _labels_and_values(lines), _labelled_rows
    if found is None:
        return [region]
    start, end = found
    parts = []
    for first, last in ((0, start), (start, end), (end, len(lines))):
        spans = [span for line in lines[first:last] for cell in line for span in cell]
        if not spans:
            continue
        if first == start:
            parts.append(
                Region(hull([span["bbox"] for span in spans]), "table", _html(cells_of(lines[start:end])), spans)
            )
        else:
            parts.append(part_of(region, spans, "text"))
    return parts


def _cells(row: Sequence[Span]) -> Cells:
    """The spans of a row, those that follow each other with no more than a blank between them together."""
    ordered = sorted(row, key=lambda span: span["bbox"][0])
    cells = [[ordered[0]]]
    for before, span in pairwise(ordered):
        if span["bbox"][0] - before["bbox"][2] > _WHITE * span["size"]:
            cells.append([])
        cells[-1].append(span)
    return cells


def _longest_table(lines: Sequence[Cells]) -> tuple[int, int] | None:
    """(first row, end) of the longest run of rows that are a table."""
    best: tuple[int, int] | None = None
    for start in range(len(lines)):
        end = start + 1
        while end < len(lines) and len(lines[end]) == len(lines[start]):
            end += 1
        if (best is None or end - start > best[1] - best[0]) and _is_table(lines[start:end]):
            best = (start, end)
    return best


def _is_table(lines: Sequence[Cells]) -> bool:
    if len(lines) < _FEWEST_ROWS or len(lines[0]) < 2:
        return False
    columns = list(zip(*lines, strict=True))
    boxes = [_box([span for cell in column for span in cell]) for column in columns]
    if any(left[2] > right[0] for left, right in pairwise(boxes)):
        return False
    texts = [[_text(cell) for cell in column] for column in columns]
    if any(len(text) > _LONGEST_CELL for column in texts for text in column):
        return False
    named = not any(_FIGURE.fullmatch(column[0]) for column in texts)
    return named and any(all(map(_FIGURE.fullmatch, column[1:])) for column in texts[1:])


def _labels_and_values(lines: Sequence[Cells]) -> tuple[int, int] | None:
    """(first row, end) of labels in bold that stand beside their values, one below the other."""
    labelled = [number for number, line in enumerate(lines) if _is_labelled(line)]
    if len(labelled) < _FEWEST_LABELS:
        return None
    start, end = labelled[0], labelled[-1] + 1
    reach = max(_box(lines[number][0])[2] for number in labelled)
    left = min(_box(lines[number][1])[0] for number in labelled)
    while end < len(lines) and _goes_on(lines[end], left):
        end += 1
    others = [line for number, line in enumerate(lines[start:end], start) if number not in labelled]
    whole = reach < left and all(_goes_on(line, left) for line in others)
    return (start, end) if whole and len(others) <= 2 * len(labelled) else None


def _is_labelled(line: Cells) -> bool:
    if len(line) != 2 or len(_text(line[0])) > _LONGEST_LABEL:
        return False
    return all(map(is_bold, line[0])) and not any(is_bold(span) for span in line[1])


def _goes_on(line: Cells, left: float) -> bool:
    return len(line) == 1 and _box(line[0])[0] >= left - 1


def _box(cell: Sequence[Span]) -> Bounds:
    return hull([span["bbox"] for span in cell])


def _text(cell: Sequence[Span]) -> str:
    return " ".join("".join(span["text"] for span in cell).split())


def _named_columns(lines: Sequence[Cells]) -> list[list[tuple[str, list[str]]]]:
    """The rows as (tag, lines of text) of each cell."""
    return [[("td" if number else "th", [_text(cell)]) for cell in line] for number, line in enumerate(lines)]


def _labelled_rows(lines: Sequence[Cells]) -> list[list[tuple[str, list[str]]]]:
    found: list[list[tuple[str, list[str]]]] = []
    for line in lines:
        if len(line) == 2:
            found.append([("th", [_text(line[0])]), ("td", [])])
        found[-1][1][1].append(_text(line[-1]))
    return found


def _html(rows_: Sequence[Sequence[tuple[str, list[str]]]]) -> str:
    def cell(tag: str, texts: Sequence[str]) -> str:
        return f"<{tag}>{'<br/>'.join(html.escape(text, quote=False) for text in texts)}</{tag}>"

    body = "".join(f"<tr>{''.join(cell(*one) for one in row)}</tr>" for row in rows_)
    return f"<table>{body}</table>"
