"""A PDF's pages: upright pictures under a pixel cap, and the text layer beside them. Runs inside a decode child.

A picture costs about 15 ms and is made only where the replica needs one; the text layer costs 3 ms, with ``full``
layout up to a second.
"""

from __future__ import annotations

import math

import numpy as np
import pymupdf

from model.protocol import RgbImage
from pipeline.decode.pages import DecodedPage, DecodeSettings
from pipeline.decode.text_layer import extract_text_layer
from pipeline.failures import Failure, Reason

POINTS_PER_INCH = 72.0
SCAN_SIDE = 2000  # pixels; a small page scanned finely is drawn up to this size


def decode_pdf_page(document: pymupdf.Document, page_number: int, settings: DecodeSettings) -> DecodedPage:
    """One page, upright.

    Raises:
        Failure: decode_error or pixel_limit.
    """
    try:
        page = document.load_page(page_number - 1)
        scale, width, height = _fitted(page, settings)
        layer = extract_text_layer(page, settings.layout)
        read_from_picture = layer.verdict != "usable" or layer.needs_image
        if read_from_picture:
            scale = max(scale, _scan_scale(page, settings))
        image = render(page, scale) if read_from_picture or settings.render == "always" else None
        rotation = int(page.rotation) % 360
    except Failure:
        raise
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        # pymupdf's own errors and what its Python layers let through on damaged objects
        raise Failure(Reason.DECODE_ERROR, f"the page does not decode ({type(error).__name__}: {error})") from error
    if image is not None:
        height, width = image.shape[:2]
    return DecodedPage(page_number, width, height, rotation, image, layer)


def render(page: pymupdf.Page, scale: float) -> RgbImage:
    """The page as (height, width, 3) uint8, rotation applied, annotations drawn."""
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


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
