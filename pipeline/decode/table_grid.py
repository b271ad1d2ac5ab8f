"""The rows of a found table put right by the words that stand in them.

Cells over whose border a phrase runs are one; names over the middle of other names span them; a second row of names may
begin a second table. Some milliseconds a table, with the seams (``table_seams.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from folioscope.pipeline.decode.table_seams import Row, box_of, seam_of
from folioscope.pipeline.decode.words import Word, holds, text_of

_NAMED_COLUMNS = 0.5  # of the columns that must find a name in a row above the grid
_PHRASE_WORDS = 3
_PHRASE_BLANK = 0.4  # of a word's height


def stacked(rows: list[Row], words: Sequence[Word]) -> list[list[Row]]:
    """The rows, parted in two where a second row of names begins and the rows above it alone have one column more."""
    if not is_simple(rows):
        return [rows]
    for start in range(2, len(rows) - 1):
        if _are_names(rows[0]) and _are_names(rows[start]) and not _are_names(rows[start + 1]):
            for part in (rows[:start], rows[start:]):
                for column in range(len(rows[0])):
                    if seam_of(part, column, words) is not None and seam_of(rows, column, words) is None:
                        for cell in rows[start]:
                            cell.tag = "th"
                        return [_without_empty(rows[:start]), _without_empty(rows[start:])]
    return [rows]


def _without_empty(rows: list[Row]) -> list[Row]:
    """Rows without the columns in which none of them has a word."""
    kept = [column for column in range(len(rows[0])) if any((row[column].text or "").strip() for row in rows)]
    return [[row[column] for column in kept] for row in rows]


def _are_names(row: Row) -> bool:
    """True for a row of words without a number, most of its cells filled."""
    texts = [text for cell in row if (text := (cell.text or "").strip())]
    return len(texts) >= max(2, len(row) - 2) and not any(c.isdigit() for text in texts for c in text)


def is_simple(rows: Sequence[Row]) -> bool:
    """True for rows of equally many cells without spans."""
    return len({len(row) for row in rows}) == 1 and all(
        cell.colspan == 1 and cell.rowspan == 1 and cell.bbox is not None for row in rows for cell in row
    )


def with_phrases_whole(rows: list[Row], words: Sequence[Word]) -> list[Row]:
    """The rows, those that hold one phrase across several cells put together: above the others it is the table's title.

    A title leaves the table.
    """
    result: list[Row] = []
    for row in rows:
        if len([cell for cell in row if (cell.text or "").strip()]) < 2 or any(cell.bbox is None for cell in row):
            result.append(row)
            continue
        own = [word for word in words if any(holds(cell.bbox, word.box) for cell in row)]
        if not _is_phrase(own):
            result.append(row)
        elif result:
            boxes = [box_of(cell) for cell in row]
            box = (boxes[0][0], min(b[1] for b in boxes), boxes[-1][2], max(b[3] for b in boxes))
            result.append([type(row[0])(box, text_of(own), sum(cell.colspan for cell in row), 1, "th")])
    return result


def join_phrases(row: Row, words: Sequence[Word]) -> None:
    """Put cells together over whose border words follow each other with no more than a blank between them."""
    place = 0
    while place < len(row) - 1:
        left, right = row[place], row[place + 1]
        if left.bbox is None or right.bbox is None or left.rowspan > 1 or right.rowspan > 1:
            place += 1
            continue
        before = [word for word in words if holds(left.bbox, word.box)]
        after = [word for word in words if holds(right.bbox, word.box)]
        if not _runs_on(before, after):
            place += 1
            continue
        a, b = box_of(left), box_of(right)
        box = (a[0], min(a[1], b[1]), b[2], max(a[3], b[3]))
        row[place : place + 2] = [
            type(left)(box, text_of([*before, *after]), left.colspan + right.colspan, 1, left.tag)
        ]


def _runs_on(before: Sequence[Word], after: Sequence[Word]) -> bool:
    """True where every line of two cells goes on over their border."""
    if not before or not after or text_of(before).count("\n") != text_of(after).count("\n"):
        return False
    for word in after:
        level = [w for w in before if w.box[1] < (word.box[1] + word.box[3]) / 2 < w.box[3]]
        if not level:
            return False
    last = max(before, key=lambda word: word.box[2])
    first = min(after, key=lambda word: word.box[0])
    height = max(last.box[3] - last.box[1], first.box[3] - first.box[1])
    letters = any(c.isalpha() for c in last.text) and any(c.isalpha() for c in first.text)
    return letters and 0 <= first.box[0] - last.box[2] < _PHRASE_BLANK * height


def _is_phrase(words: Sequence[Word]) -> bool:
    """True for three words or more in one line with no more than blanks between them."""
    ordered = sorted((word.box for word in words), key=lambda box: box[0])
    if len(ordered) < _PHRASE_WORDS:
        return False
    height = max(box[3] - box[1] for box in ordered)
    level = max(box[1] for box in ordered) < min(box[3] for box in ordered)
    return level and all(0 <= b[0] - a[2] < _PHRASE_BLANK * height for a, b in pairwise(ordered))


def spread_names(rows: list[Row], words: Sequence[Word]) -> None:
    """A name that stands in the middle over columns of names, with nothing beside it, spans them."""
    for upper, lower in pairwise(rows):
        if not (is_simple([upper, lower]) and all(cell.tag == "th" for cell in upper)):
            continue
        place = 0
        while place < len(upper):
            reach = _reach(upper, lower, place, words) if (upper[place].text or "").strip() else None
            if reach is None:
                place += 1
                continue
            first, last = reach
            boxes = [box_of(cell) for cell in upper[first : last + 1]]
            box = (boxes[0][0], boxes[0][1], boxes[-1][2], boxes[0][3])
            name = upper[place]
            upper[first : last + 1] = [type(name)(box, name.text, last - first + 1, 1, name.tag)]
            break  # the rows differ in length now


def _reach(upper: Row, lower: Row, place: int, words: Sequence[Word]) -> tuple[int, int] | None:
    """(first, last) of the columns over the middle of which a name stands; None where it is over its own alone."""
    name = [word.box for word in words if holds(upper[place].bbox, word.box)]
    if not name:
        return None
    middle = (min(box[0] for box in name) + max(box[2] for box in name)) / 2
    best: tuple[float, int, int] | None = None
    for first in range(place, -1, -1):
        if first < place and (upper[first].text or "").strip():
            break
        for last in range(place, len(upper)):
            if last > place and (upper[last].text or "").strip():
                break
            below = [word.box for i in range(first, last + 1) for word in words if holds(lower[i].bbox, word.box)]
            if first == last or not all((lower[i].text or "").strip() for i in range(first, last + 1)):
                continue
            off = abs((min(box[0] for box in below) + max(box[2] for box in below)) / 2 - middle)
            if best is None or off < best[0]:
                best = (off, first, last)
    height = max(box[3] - box[1] for box in name)
    own = [word.box for word in words if holds(lower[place].bbox, word.box)]
    if best is None or best[0] > height:
        return None
    if own and abs((min(b[0] for b in own) + max(b[2] for b in own)) / 2 - middle) <= best[0]:
        return None
    return best[1], best[2]


def names_above(rows: list[Row], words: Sequence[Word]) -> Row | None:
    """A row of column names above the grid and inside the table's area; None where there is none."""
    top = min(float(cell.bbox[1]) for cell in rows[0] if cell.bbox is not None)
    above = [word for word in words if (word.box[1] + word.box[3]) / 2 < top]
    fullest = max(rows, key=len)
    if not above or any(cell.bbox is None for cell in fullest):
        return None
    bottom, first = top, min(word.box[1] for word in above)
    boxes = [(float(cell.bbox[0]), first, float(cell.bbox[2]), bottom) for cell in fullest]
    parts = [[word for word in above if box[0] <= (word.box[0] + word.box[2]) / 2 < box[2]] for box in boxes]
    if sum(bool(part) for part in parts) < max(2.0, _NAMED_COLUMNS * len(parts)):
        return None
    kind = type(fullest[0])
    return [
        kind(box, text_of(part), cell.colspan, 1, "th") for box, part, cell in zip(boxes, parts, fullest, strict=True)
    ]
