"""The lines and areas that are drawn on a page: one look serves its check boxes, its shape and the limit of its layout.

MuPDF runs the page once more for it, up to 2 ms; a page whose own content draws nothing costs 0.1 ms.
"""

from __future__ import annotations

import re

import pymupdf

from folioscope.pipeline.decode.opened_pdf import PDF_ERRORS
from folioscope.pipeline.decode.words import Bounds

Path = tuple[str, Bounds]  # "fill-path" or "stroke-path", and its box
_OPERATOR = re.compile(rb"[\d.]\s+(?:re|[lcvy])\s")  # what makes a path of lines, curves and rectangles


def drawn_paths(page: pymupdf.Page) -> list[Path]:
    """Every path on a page, its annotations included, in the page's own points; none where its drawings are damaged,
    so that its text is read all the same."""
    try:
        if _draws_nothing(page):
            return []
        log = page.get_bboxlog()
    except PDF_ERRORS:
        return []
    return [(kind, (box[0], box[1], box[2], box[3])) for kind, box, *_ in log if kind.endswith("-path")]


def _draws_nothing(page: pymupdf.Page) -> bool:
    alone = page.parent.is_pdf and not page.get_xobjects() and page.first_annot is None and page.first_widget is None
    return alone and _OPERATOR.search(page.read_contents()) is None
