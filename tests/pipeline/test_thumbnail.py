"""Small pictures: upright, within their square, of born-digital pages too, and absent where turned off."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest
from PIL import Image

from folioscope.model.protocol import Reading
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.image import decode_image_page
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.decode.pdf import decode_pdf_page
from folioscope.pipeline.decode.thumbnail import make_thumbnail, turn_thumbnail
from folioscope.pipeline.stages.unit_rows import thumbnail_row
from folioscope.pipeline.tables.rows import Provenance, page_row
from folioscope.schemas.migrations import to_table

SETTINGS = DecodeSettings(layout="fast", thumbnail_px=200)


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    assert image.format == "WEBP"
    return image.convert("RGB")


def dark_corner(height: int = 600, width: int = 1000) -> Any:
    image = np.full((height, width, 3), 230, np.uint8)
    image[: height // 2, : width // 2] = 10
    return image


def test_a_large_picture_fits_its_square_and_a_small_one_keeps_its_size() -> None:
    assert opened(make_thumbnail(dark_corner(), 200)).size == (200, 120)
    assert opened(make_thumbnail(dark_corner(30, 50), 200)).size == (50, 30)


@pytest.mark.parametrize(("turn", "corner"), [(90, (115, 5)), (180, (195, 115)), (270, (5, 195))])
def test_turning_is_clockwise(turn: int, corner: tuple[int, int]) -> None:
    turned = opened(turn_thumbnail(make_thumbnail(dark_corner(), 200), turn))
    assert turned.size == ((200, 120) if turn == 180 else (120, 200))
    assert max(turned.getpixel(corner)) < 60


@pytest.mark.parametrize("render", ["always", "when_needed"])
def test_a_page_has_one_whether_or_not_its_reader_needs_a_picture(tmp_path: Path, make_pdf: Any, render: Any) -> None:
    with pymupdf.open(make_pdf(tmp_path / "a.pdf", ["A page that tells of the lighthouse."])) as document:
        page = decode_pdf_page(document, 1, replace(SETTINGS, render=render))
        none = decode_pdf_page(document, 1, replace(SETTINGS, render=render, thumbnail_px=0))
    assert (page.image is None) == (render == "when_needed")
    assert max(opened(page.thumbnail).size) == 200
    assert np.asarray(opened(page.thumbnail)).min() < 128, "the words are on it"
    assert none.thumbnail is None


def test_a_row_holds_it_upright_as_the_replica_found_the_page(tmp_path: Path) -> None:
    Image.fromarray(dark_corner()).save(tmp_path / "a.png")
    page = decode_image_page(tmp_path / "a.png", 1, SETTINGS)
    reading = Reading("", "none", turned=90)
    row = page_row("a.pdf", "a" * 64, page, reading, Provenance("r", "run", "fake@1"))
    assert (row["width_px"], row["height_px"]) == (600, 1000)
    thumbnail = thumbnail_row(row, page, reading)
    assert thumbnail is not None
    assert opened(thumbnail["image"]).size == (120, 200)
    assert thumbnail.items() - {("image", thumbnail["image"])} <= row.items(), "the same key, run and moment"
    to_table("thumbnails", [thumbnail])
    assert thumbnail_row(row, replace(page, thumbnail=None), reading) is None


def test_a_page_that_cannot_be_drawn_keeps_its_text(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("folioscope.pipeline.decode.pdf.render", refuse)
    with pymupdf.open(make_pdf(tmp_path / "a.pdf", ["The weir was rebuilt in 1987."])) as document:
        page = decode_pdf_page(document, 1, SETTINGS)
    assert page.thumbnail is None
    assert page.layer is not None
    assert "1987" in page.layer.blocks[0].text


def test_a_page_whose_picture_takes_the_child_down_keeps_its_text(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The child imports a stand-in for the renderer that dies, through its PYTHONPATH.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, sys\nimport folioscope.pipeline.decode.pdf as pdf\npdf.render = lambda *_: os.abort()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    children = DecodeChildren(1, ChildLimits())
    try:
        path = make_pdf(tmp_path / "a.pdf", ["The weir was rebuilt in 1987.", "It holds a fish counter."])
        pages = children.decode(path, "pdf", 1, 2, SETTINGS)
    finally:
        children.close()
    assert [isinstance(page, DecodedPage) and page.thumbnail for page in pages] == [None, None]
