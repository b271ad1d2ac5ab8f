"""Reading order of boxes on a page, by recursive cuts along white space (XY-cut, Nagy and Seth 1984).

A page is cut into bands where white runs right across it, and a band into columns where white runs right down it, until
nothing can be cut. Columns are read one after the other, never line by line across. Costs n log n a level of cuts.
"""

from __future__ import annotations

from collections.abc import Sequence

from folioscope.model.protocol import Box

MIN_GUTTER = 0.012  # narrower white down the page is a space between words, not between columns


def reading_order(boxes: Sequence[Box], *, right_to_left: bool = False) -> list[int]:
    """Indices of ``boxes`` in the order in which they are read."""
    return _order(list(range(len(boxes))), boxes, right_to_left)


def _order(items: list[int], boxes: Sequence[Box], right_to_left: bool) -> list[int]:
    if len(items) <= 1:
        return items
    columns = _columns(items, boxes)
    if len(columns) > 1:
        if right_to_left:
            columns.reverse()
        return [index for column in columns for index in _order(column, boxes, right_to_left)]
    bands = _bands(items, boxes)
    if len(bands) > 1:
        return [index for band in _joined(bands, boxes) for index in _order_band(band, boxes, right_to_left)]
    return sorted(items, key=lambda i: (boxes[i].y0, -boxes[i].x0 if right_to_left else boxes[i].x0))


def _order_band(band: list[int], boxes: Sequence[Box], right_to_left: bool) -> list[int]:
    columns = _columns(band, boxes)
    if len(columns) > 1 or len(_bands(band, boxes)) == 1:
        return _order(band, boxes, right_to_left)
    return [index for part in _bands(band, boxes) for index in _order(part, boxes, right_to_left)]


def _columns(items: list[int], boxes: Sequence[Box]) -> list[list[int]]:
    """Groups of boxes with white between them from top to bottom, from the left."""
    return _cut(items, [(boxes[i].x0, boxes[i].x1) for i in items], MIN_GUTTER)


def _bands(items: list[int], boxes: Sequence[Box]) -> list[list[int]]:
    """Groups of boxes with white between them from side to side, from the top."""
    return _cut(items, [(boxes[i].y0, boxes[i].y1) for i in items], 0.0)


def _cut(items: list[int], spans: list[tuple[float, float]], gap: float) -> list[list[int]]:
    ordered = sorted(zip(spans, items, strict=True))
    groups: list[list[int]] = []
    reach = float("-inf")
    for (start, end), item in ordered:
        # Boxes of neighbouring lines may touch: a tenth of the smaller one is no overlap.
        if groups and start < reach + gap - (0.1 * (end - start) if gap == 0 else 0.0):
            groups[-1].append(item)
        else:
            groups.append([item])
        reach = max(reach, end)
    return groups


def _joined(bands: list[list[int]], boxes: Sequence[Box]) -> list[list[int]]:
    """Neighbouring bands that have the same columns, put together again: the columns run through them."""
    joined: list[list[int]] = []
    for band in bands:
        if joined and len(_columns(band, boxes)) > 1:
            both = joined[-1] + band
            if len(_columns(joined[-1], boxes)) > 1 and len(_columns(both, boxes)) > 1:
                joined[-1] = both
                continue
        elif joined and len(_columns(joined[-1], boxes)) > 1 and len(_columns(joined[-1] + band, boxes)) > 1:
            joined[-1] = joined[-1] + band  # one column is longer than the other
            continue
        joined.append(band)
    return joined
