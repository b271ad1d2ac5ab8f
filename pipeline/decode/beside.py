"""What belongs to a page and is no part of its printed text: states of form fields and of drawn boxes, and comments.

A ticked box is drawn, not written, and a list box shows all of its choices alike. Here each state becomes a word where
the field stands (☑ ☐ ◉ ○), so that it lands in the cell or line beside its label. Comments become blocks of their own.
A page without fields, boxes and comments costs a look at its list of annotations and one at what is drawn on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pymupdf

from folioscope.model.protocol import Block, Box
from folioscope.pipeline.decode.content import Content, Raw
from folioscope.pipeline.decode.drawn_boxes import drawn_boxes
from folioscope.pipeline.decode.paths import Path

_TICKED, _UNTICKED, _CHOSEN, _OTHER = "☑", "☐", "◉", "○"
_COMMENTS = frozenset(
    {
        pymupdf.PDF_ANNOT_TEXT,
        pymupdf.PDF_ANNOT_FREE_TEXT,
        pymupdf.PDF_ANNOT_HIGHLIGHT,
        pymupdf.PDF_ANNOT_UNDERLINE,
        pymupdf.PDF_ANNOT_SQUIGGLY,
        pymupdf.PDF_ANNOT_STRIKE_OUT,
        pymupdf.PDF_ANNOT_CARET,
        pymupdf.PDF_ANNOT_STAMP,
        pymupdf.PDF_ANNOT_LINE,
        pymupdf.PDF_ANNOT_SQUARE,
        pymupdf.PDF_ANNOT_CIRCLE,
        pymupdf.PDF_ANNOT_POLYGON,
        pymupdf.PDF_ANNOT_POLY_LINE,
        pymupdf.PDF_ANNOT_INK,
    }
)
_LABEL = 2.5  # heights of white between a mark and its words
_MARK = 12.0  # points: the size at which the state of a field is set
_VISIBLE = pymupdf.mupdf.FZ_STEXT_FILLED


def with_states(page: pymupdf.Page, content: Content, paths: Sequence[Path]) -> Content:
    """The content with the states of check boxes, radio buttons and list boxes as words in their places.

    ``paths`` are those that are drawn on the page.
    """
    marks: list[tuple[str, pymupdf.Rect]] = []
    lists: list[tuple[list[str], pymupdf.Rect]] = []
    for widget in page.widgets() or ():
        kind = widget.field_type
        if kind == pymupdf.PDF_WIDGET_TYPE_CHECKBOX:
            marks.append((_TICKED if _is_on(widget) else _UNTICKED, pymupdf.Rect(widget.rect)))
        elif kind == pymupdf.PDF_WIDGET_TYPE_RADIOBUTTON:
            marks.append((_CHOSEN if _is_on(widget) else _OTHER, pymupdf.Rect(widget.rect)))
        elif kind == pymupdf.PDF_WIDGET_TYPE_LISTBOX and widget.choice_values:
            lists.append((list(_choices(widget)), pymupdf.Rect(widget.rect)))
    fields = [rect for _, rect in marks]
    marks += [
        (_TICKED if box.ticked else _UNTICKED, pymupdf.Rect(box.bounds))
        for box in drawn_boxes(page, content, paths)
        if not any(_inside(box.bounds, rect) for rect in fields)
    ]
    if not marks and not lists:
        return content
    kept = [block for block in content.blocks if not any(_inside(block["bbox"], rect) for _, rect in lists)]
    blocks = [block if content.mended else _with_glyphs(block) for block in kept]
    alone = [_block([mark], rect) for mark, rect in marks if not _set_beside_label(blocks, mark, rect)]
    return Content([*blocks, *(_block(lines, rect) for lines, rect in lists), *alone], mended=True)


def _set_beside_label(blocks: Sequence[Raw], mark: str, rect: pymupdf.Rect) -> bool:
    """Put a mark into the words beside it, those on its right before those on its left; False where there are none.

    So it stays with them, whatever part of the page a layout takes them for. In lines from the right it stands alone.
    """
    middle = (rect.y0 + rect.y1) / 2
    near: list[tuple[bool, float, Raw]] = []
    for block in blocks:
        for line in block["lines"]:
            if line["wmode"] or line["dir"][0] < 1 or not line["bbox"][1] <= middle <= line["bbox"][3]:
                continue
            for span in line["spans"]:
                boxes = [char["bbox"] for char in span["chars"] if not char["c"].isspace()]
                if not boxes or span.get("rtl"):
                    continue
                after = min((box[0] - rect.x1 for box in boxes if box[0] >= rect.x1 - 1), default=None)
                before = min((rect.x0 - box[2] for box in boxes if box[2] <= rect.x0 + 1), default=None)
                gap = before if after is None or after > _LABEL * rect.height else after
                if gap is not None and gap <= _LABEL * rect.height:
                    near.append((gap is not after, gap, span))
    if not near:
        return False
    _insert(min(near, key=lambda found: found[:2])[2], mark, rect)
    return True


def _insert(span: Raw, mark: str, rect: pymupdf.Rect) -> None:
    """Set a mark among the glyphs of a span, by where it stands."""
    [line] = _block([mark], rect)["lines"]
    [glyph] = line["spans"][0]["chars"]
    chars = span["chars"]
    place = next((i for i, char in enumerate(chars) if char["bbox"][0] >= rect.x1 - 1), len(chars))
    x0, y0, x1, y1 = glyph["bbox"]
    before = [_blank(x0, y0, y1)] if place and not chars[place - 1]["c"].isspace() else []
    after = [_blank(x1, y0, y1)] if place < len(chars) and not chars[place]["c"].isspace() else []
    chars[place:place] = [*before, glyph, *after]
    span["text"] = "".join(char["c"] for char in chars)
    left, top, right, bottom = span["bbox"]
    span["bbox"] = (min(left, x0), top, max(right, x1), bottom)


def _blank(x: float, top: float, bottom: float) -> Raw:
    return {"c": " ", "bbox": (x, top, x, bottom), "origin": (x, bottom)}


def comment_blocks(page: pymupdf.Page) -> list[Block]:
    """What people wrote onto the page beside its text, each with where it points."""
    width, height = page.rect.width or 1.0, page.rect.height or 1.0
    found = []
    for annotation in page.annots() or ():
        words = " ".join((annotation.info.get("content") or "").split())
        if annotation.type[0] not in _COMMENTS or not words:
            continue
        rect = annotation.rect
        shares = (rect.x0 / width, rect.y0 / height, rect.x1 / width, rect.y1 / height)
        found.append(Block("comment", words, Box(*(min(1.0, max(0.0, share)) for share in shares))))
    return found


def _is_on(widget: Any) -> bool:
    value = widget.field_value
    return value not in (None, False, "", "Off", "off") and value in (True, widget.on_state(), "Yes")


def _choices(widget: Any) -> Iterator[str]:
    chosen = widget.field_value
    values = chosen if isinstance(chosen, list | tuple) else [chosen]
    for choice in widget.choice_values:
        value, label = choice if isinstance(choice, list | tuple) else (choice, choice)
        yield f"{_TICKED if value in values or label in values else _UNTICKED} {label}"


def _inside(box: Any, rect: pymupdf.Rect) -> bool:
    middle = pymupdf.Point((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    return bool(rect.contains(middle))


def _block(lines: list[str], rect: pymupdf.Rect) -> Raw:
    """Lines of text in a box, as MuPDF would give them."""
    height = rect.height / len(lines)
    raw_lines = [_line(text, rect.x0, rect.y0 + i * height, height) for i, text in enumerate(lines)]
    return {"type": 0, "bbox": tuple(rect), "lines": raw_lines}


def _line(text: str, x: float, y: float, height: float) -> Raw:
    size = min(_MARK, height)
    middle = y + height / 2
    top, bottom = middle - size / 2, middle + size / 2
    step = size / 2
    chars = [
        {"c": c, "bbox": (x + i * step, top, x + (i + 1) * step, bottom), "origin": (x + i * step, bottom)}
        for i, c in enumerate(text)
    ]
    box = (x, top, x + len(text) * step, bottom)
    span = {
        "text": text,
        "chars": chars,
        "bbox": box,
        "origin": (x, bottom),
        "size": size,
        "flags": 0,
        "char_flags": _VISIBLE,
        "alpha": 255,
        "color": 0,
        "font": "",
    }
    return {"spans": [span], "bbox": box, "dir": (1.0, 0.0), "wmode": 0}


def _with_glyphs(block: Raw) -> Raw:
    """A plain block with a glyph for each of its letters, all of a span equally wide."""
    lines = []
    for line in block["lines"]:
        spans = []
        for span in line["spans"]:
            x0, y0, x1, y1 = span["bbox"]
            step = (x1 - x0) / max(1, len(span["text"]))
            chars = [
                {"c": c, "bbox": (x0 + i * step, y0, x0 + (i + 1) * step, y1), "origin": (x0 + i * step, y1)}
                for i, c in enumerate(span["text"])
            ]
            spans.append({**span, "chars": chars})
        lines.append({**line, "spans": spans})
    return {**block, "lines": lines}
