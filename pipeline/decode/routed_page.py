"""A PDF page on its way to its reader: the rules of ``routing.py`` applied, and pages for no model read on the spot.

Runs inside a decode child. Where the replica reads layers itself (``route`` None) this costs nothing; else what the
rules cost, and of a page that stays with its layer the embedded reader's milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import pymupdf

from folioscope.model.page_images import is_blank
from folioscope.model.protocol import PageInput, Reading, RgbImage, TextLayer
from folioscope.pipeline.decode import routing
from folioscope.pipeline.decode.content import page_content
from folioscope.pipeline.decode.pages import DecodeSettings, Routed
from folioscope.pipeline.decode.text_layer import extract_text_layer, has_xfa

ALL_PAGES = Routed("model", "all_pages")
USABLE = "usable_layer"
BLANK = Routed("layer", "blank")


@dataclass(frozen=True, slots=True)
class Way:
    """What is known of a page before it is drawn: its layer, and where it goes unless a picture of it says otherwise.

    ``open``: its pictures are still to be looked over for words.
    """

    layer: TextLayer
    routed: Routed
    open: bool = False

    @property
    def is_drawn(self) -> bool:
        """Whether its reader needs its picture."""
        return self.routed.reader != "layer" or self.layer.needs_image or self.open


def way_of(page: pymupdf.Page, settings: DecodeSettings) -> Way:
    """Where a page goes, by its text layer. The page may be turned upright for it."""
    if settings.route is None or settings.route == "model":
        layer = extract_text_layer(page, settings.layout)
        if settings.route == "model":
            return Way(layer, ALL_PAGES)
        missing = routing.by_verdict(layer)
        return Way(layer, Routed("layer", USABLE) if missing is None else Routed("ocr", missing.reason))
    quick = extract_text_layer(page, "fast")
    found = routing.by_verdict(quick)
    if found is None and settings.route == "auto":
        content = page_content(page)
        fields = next(iter(page.widgets() or ()), None) is not None or has_xfa(page.parent)
        found = routing.before_layout(routing.Looks.of(content.spans, content.text, fields=fields))
    if found is not None:
        return Way(quick, found)
    layer = extract_text_layer(page, settings.layout)
    if settings.route == "layer":
        return Way(layer, Routed("layer", USABLE))
    found = routing.after_layout(layer)
    if found is not None:
        return Way(layer, found)
    return Way(layer, Routed("layer", USABLE), open=bool(routing.pictures_to_look_over(layer)))


def arrived(way: Way, image: RgbImage | None) -> Routed:
    """Where a page goes once its picture, where one was wanted, is there."""
    if way.open and image is not None:
        from folioscope.model.embedded.picture_words import unread_words

        if unread_words(image, way.layer.blocks, routing.pictures_to_look_over(way.layer)):
            return Routed("model", "figure")
    return way.routed


def arrived_blank(routed: Routed, image: RgbImage | None, settings: DecodeSettings) -> Routed:
    """The same for a page without words in its layer: one without ink is nobody's to read."""
    chosen = settings.route in ("auto", "layer") and routed.reason == "no_layer"
    return BLANK if chosen and image is not None and is_blank(image) else routed


def read_here(
    routed: Routed,
    size: tuple[int, int, int],
    image: RgbImage | None,
    layer: TextLayer | None,
    settings: DecodeSettings,
) -> Reading | None:
    """The reading of a page (``size``: its number, width and height) that goes to no model; None of any other."""
    if settings.route is None or routed.reader == "model":
        return None
    from folioscope.model.embedded.read import read_page

    return read_page(PageInput(*size, image, layer))
