"""A page's text layer: its blocks with boxes in reading order, and the gate's verdict. Runs inside a decode child.

``fast`` puts MuPDF's blocks in order by rules (``rules.py``): about 5 ms a page. ``full`` hands pages that pass the
gate to PyMuPDF's layout network and table finder (``layout.py``): about a second. ``auto`` does so where a page is more
than plain prose (``page_shape.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pymupdf

from folioscope.model.plain_text import strip_markup
from folioscope.model.protocol import Block, TextLayer
from folioscope.pipeline.decode.beside import comment_blocks, with_states
from folioscope.pipeline.decode.content import Content, page_content
from folioscope.pipeline.decode.furniture import mark_furniture
from folioscope.pipeline.decode.layer_quality import CIPHER_LETTERS, LayerFacts, classify_text_layer
from folioscope.pipeline.decode.lines import respaced_spans
from folioscope.pipeline.decode.page_shape import needs_network
from folioscope.pipeline.decode.pages import Layout
from folioscope.pipeline.decode.paths import Path, drawn_paths
from folioscope.pipeline.decode.rules import rule_blocks
from folioscope.pipeline.decode.word_pictures import word_pictures

_DRAWN = pymupdf.mupdf.FZ_STEXT_FILLED | pymupdf.mupdf.FZ_STEXT_STROKED
_TURNS = {(1, 0): 0, (0, -1): 90, (-1, 0): 180, (0, 1): 270}  # a line's direction → the turn at which it stands
_MOST = 0.8  # of the letters
FONT_SAMPLE = 1000  # characters by which a font is judged
KEPT_SHARE = 0.6  # of the layer's characters that full layout must keep


def extract_text_layer(page: pymupdf.Page, layout: Layout) -> TextLayer:
    """The text layer of a page. Boxes are shares of the upright page.

    A page whose words run up or down it, as exports of landscape tables do, is turned upright first, in memory.
    """
    content = page_content(page)
    if _turn_upright(page, content):
        content = page_content(page)
    paths = drawn_paths(page)
    content = with_states(page, content, paths)
    text = content.text
    spans = content.spans
    hidden = sum(_solid(span["text"]) for span in spans if not span["char_flags"] & _DRAWN or span["alpha"] == 0)
    coverage = picture_coverage(page)
    visible = sum(_solid(span["text"]) for span in spans) - hidden
    judgement = classify_text_layer(LayerFacts(text, visible, hidden, coverage, _font_texts(spans)))
    blocks: tuple[Block, ...] = ()
    flags: list[str] = []
    vertical = _is_vertical(content)
    if judgement.verdict == "usable" and not vertical and _wants_network(page, content, paths, layout):
        from folioscope.pipeline.decode.layout import LayoutTimeoutError, page_layout

        try:
            laid_out = page_layout(page, content, paths)
            blocks = laid_out.blocks
            flags += ["lost_table"] if laid_out.lost_table else []
        except LayoutTimeoutError:
            flags.append("layout_timeout")
    if sum(_solid(strip_markup(block.text)) for block in blocks) < KEPT_SHARE * _solid(text):
        # Also where the network took words for a picture or for nothing: better plain than lost.
        flags += ["layout_lost_words"] if blocks else []
        blocks = mark_furniture(page, rule_blocks(page, content, respaced_spans(page, text), vertical=vertical))
    comments = comment_blocks(page)
    flags += ["comments"] if comments else []
    flags += ["xfa"] if has_xfa(page.parent) else []
    flags += ["attachments"] if page.number == 0 and page.parent.is_pdf and page.parent.embfile_count() else []
    pictures = word_pictures(page) if coverage and judgement.verdict == "usable" else ()
    return TextLayer(
        judgement.verdict,
        judgement.reason,
        (*blocks, *comments),
        judgement.language,
        needs_image=bool(pictures),
        pictures=pictures,
        flags=tuple(flags),
    )


def _wants_network(page: pymupdf.Page, content: Content, paths: Sequence[Path], layout: Layout) -> bool:
    return layout == "full" or (layout == "auto" and needs_network(page, content, paths))


def has_xfa(document: pymupdf.Document) -> bool:
    """True for forms whose pages are made by a program in the file: what its PDF pages show may be a stand-in."""
    return bool(document.is_pdf and document.xref_get_key(document.pdf_catalog(), "AcroForm/XFA")[0] != "null")


def _turn_upright(page: pymupdf.Page, content: Content) -> bool:
    """Turn a page upright whose words run up or down it; True where it had to be turned."""
    quarter: Counter[int] = Counter()
    for block in content.blocks:
        for line in block["lines"]:
            direction = (round(line["dir"][0]), round(line["dir"][1]))
            if line["wmode"] == 0 and direction in _TURNS:
                quarter[_TURNS[direction]] += sum(len(span["text"]) for span in line["spans"])
    if not quarter:
        return False
    wanted, letters = quarter.most_common(1)[0]
    if letters >= _MOST * quarter.total() and (wanted - page.rotation) % 180 == 90:
        page.set_rotation(wanted)
        return True
    return False


def _font_texts(spans: list[dict[str, Any]]) -> tuple[str, ...]:
    """What stands in each proportional font that has letters enough to be judged."""
    texts: dict[str, list[str]] = {}
    for span in spans:
        if not span["flags"] & pymupdf.TEXT_FONT_MONOSPACED:
            texts.setdefault(span["font"], []).append(span["text"])
    joined = (" ".join(pieces)[:FONT_SAMPLE] for pieces in texts.values())
    return tuple(text for text in joined if len(text) >= CIPHER_LETTERS)


def _is_vertical(content: Content) -> bool:
    """True where most of a page is written from top to bottom."""
    letters: Counter[bool] = Counter()
    for block in content.blocks:
        for line in block["lines"]:
            letters[line["wmode"] == 1] += sum(_solid(span["text"]) for span in line["spans"])
    return letters[True] > letters[False]


def picture_coverage(page: pymupdf.Page) -> float:
    """Share of the page under its pictures, 0..1; overlapping pictures count once at the most."""
    if not page.get_images():
        return 0.0
    whole = page.rect * page.derotation_matrix
    area = 0.0
    for image in page.get_image_info():
        shown = pymupdf.Rect(image["bbox"]) & whole
        area += max(0.0, shown.get_area()) if not shown.is_empty else 0.0
    return float(min(1.0, area / whole.get_area())) if whole.get_area() else 0.0


def _solid(text: str) -> int:
    return sum(not c.isspace() for c in text)
