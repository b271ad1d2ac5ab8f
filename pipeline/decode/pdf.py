"""A PDF's pages: upright pictures under a pixel cap, and the text layer beside them. Runs inside a decode child.

A picture costs about 15 ms and is made only where the replica needs one; the text layer costs 3 ms, with ``full``
layout up to a second.
"""

from __future__ import annotations

import math

import numpy as np
import pymupdf

from folioscope.model.protocol import RgbImage
from folioscope.pipeline.decode.opened_pdf import PDF_ERRORS
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.decode.reference import second_reading
from folioscope.pipeline.decode.routed_page import arrived, arrived_blank, read_here, way_of
from folioscope.pipeline.decode.thumbnail import make_thumbnail
from folioscope.pipeline.failures import Failure, Reason

POINTS_PER_INCH = 72.0
SCAN_SIDE = 2000  # pixels; a small page scanned finely is drawn up to this size


def decode_pdf_page(document: pymupdf.Document, page_number: int, settings: DecodeSettings) -> DecodedPage:
    """One page, upright.

    Raises:
        Failure: decode_error or pixel_limit.
    """
    try:
        page = _load(document, page_number)
        _refuse_lost(document, page)
        way = way_of(page, settings)  # which may turn the page upright
        layer = way.layer
        scale, width, height = _fitted(page, settings)
        if layer.verdict != "usable" or layer.needs_image:
            scale = max(scale, _scan_scale(page, settings))
        image = render(page, scale) if way.is_drawn or settings.render == "always" else None
        routed = arrived_blank(arrived(way, image), image, settings)
        reading = read_here(routed, (page_number, width, height), image, layer, settings)
        reference = None if routed.reader != "model" else second_reading(page, layer, image, page_number, settings)
        rotation = int(page.rotation) % 360
        thumbnail = _thumbnail(page, image, settings.thumbnail_px)
    except Failure:
        raise
    except (*PDF_ERRORS, IndexError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        # MuPDF's own errors, and what the Python over it lets through on damaged objects
        raise Failure(Reason.DECODE_ERROR, f"the page does not decode ({type(error).__name__}: {error})") from error
    if image is not None:
        height, width = image.shape[:2]
    image = None if reading is not None else image
    return DecodedPage(page_number, width, height, rotation, image, layer, thumbnail, routed, reading, reference)


def render(page: pymupdf.Page, scale: float) -> RgbImage:
    """The page as (height, width, 3) uint8, rotation applied, annotations drawn."""
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


def _thumbnail(page: pymupdf.Page, image: RgbImage | None, longest_side: int) -> bytes | None:
    """A small picture of the page, from the one that was drawn for its reader where there is one.

    A page whose text is read is not given up for want of a picture: where it cannot be drawn there is none.
    """
    if not longest_side:
        return None
    if image is None:
        try:
            image = render(page, longest_side / max(page.rect.width, page.rect.height))
        except (*PDF_ERRORS, MemoryError, ZeroDivisionError):
            return None
    return make_thumbnail(image, longest_side)


def _load(document: pymupdf.Document, page_number: int) -> pymupdf.Page:
    """A page; where MuPDF refuses the page tree as too deep or circular, the tree is first made flat."""
    try:
        return document.load_page(page_number - 1)
    except PDF_ERRORS as error:
        if "page tree" not in str(error) or not _flatten_page_tree(document):
            raise
        return document.load_page(page_number - 1)


def _flatten_page_tree(document: pymupdf.Document) -> bool:
    """Hang all page objects straight under the root, in file order; False where they are not as many as claimed."""
    pages = [
        xref for xref in range(1, document.xref_length()) if document.xref_get_key(xref, "Type") == ("name", "/Page")
    ]
    kind, root = document.xref_get_key(document.pdf_catalog(), "Pages")
    if kind != "xref" or len(pages) != document.page_count:
        return False
    tree = int(root.split()[0])
    for xref in pages:
        for name in ("MediaBox", "CropBox", "Resources", "Rotate"):
            _inherit(document, xref, name)
        document.xref_set_key(xref, "Parent", root)
    document.xref_set_key(tree, "Kids", "[" + " ".join(f"{xref} 0 R" for xref in pages) + "]")
    return True


def _inherit(document: pymupdf.Document, xref: int, name: str) -> None:
    """Write onto a page what it inherits from the nodes above it."""
    node, steps = xref, 0
    while steps < document.xref_length():
        kind, value = document.xref_get_key(node, name)
        if kind != "null":
            if node != xref:
                document.xref_set_key(xref, name, value)
            return
        kind, parent = document.xref_get_key(node, "Parent")
        if kind != "xref":
            return
        node, steps = int(parent.split()[0]), steps + 1


def _refuse_lost(document: pymupdf.Document, page: pymupdf.Page) -> None:
    """A page of a truncated file that is in the page tree while its content is gone is lost, not blank."""
    if document.is_repaired and not page.read_contents().strip():
        raise Failure(Reason.DAMAGED_FILE, "the file is truncated and nothing of this page is left; get another copy")


def _fitted(page: pymupdf.Page, settings: DecodeSettings) -> tuple[float, int, int]:
    """(scale, width, height) at the wanted resolution, or the finest that keeps under the pixel cap."""
    rect = page.rect
    if not all(math.isfinite(side) and side > 0 for side in (rect.width, rect.height)):
        raise Failure(Reason.PIXEL_LIMIT, f"the page measures {rect.width} x {rect.height} points; it cannot be drawn")
    scale = settings.dpi / POINTS_PER_INCH
    pixels = rect.width * rect.height * scale * scale
    if pixels > settings.max_pixels:
        scale *= math.sqrt(settings.max_pixels / pixels) * 0.999
    width, height = rect.width * scale, rect.height * scale
    if min(width, height) < 1:
        raise Failure(
            Reason.PIXEL_LIMIT, f"the page measures {rect.width:g} x {rect.height:g} points; it cannot be drawn"
        )
    return scale, max(1, round(width)), max(1, round(height))


def _scan_scale(page: pymupdf.Page, settings: DecodeSettings) -> float:
    """The scale at which the page's largest picture keeps its own pixels, within SCAN_SIDE and the pixel cap."""
    finest = 0.0
    for picture in page.get_image_info():
        box = pymupdf.Rect(picture["bbox"])
        if box.get_area() >= 0.5 * page.rect.get_area() > 0:
            finest = max(finest, picture["width"] / max(box.width, 1e-6), picture["height"] / max(box.height, 1e-6))
    side = SCAN_SIDE / max(page.rect.width, page.rect.height)
    cap = math.sqrt(settings.max_pixels / (page.rect.width * page.rect.height)) * 0.999
    return float(min(finest, side, cap))
