"""A second reader finds a page's words by layer or OCR, in the decode child; runs commit what it says of a model's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest
from runs import ask, run

from folioscope.model.protocol import Block, Box, Reading
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.decode.reference import is_drawn
from folioscope.pipeline.grounding.boxes import iou
from folioscope.pipeline.grounding.check import ground
from folioscope.pipeline.grounding.reference import ReferenceMode, reference_of

PROSE = "The keeper of the lighthouse wrote down every ship that passed, its flag and the hour, in a book of its own."
SETTINGS = DecodeSettings(layout="fast", render="always", route="model", thumbnail_px=0)


@pytest.fixture(scope="module")
def children() -> Any:
    pool = DecodeChildren(1, ChildLimits())
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of text, the same as a picture, and the same lying on its side."""
    folder = tmp_path_factory.mktemp("files")
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_textbox((72, 60, 520, 80), "Sallow Weir trust, annual report", fontsize=9)
        page.insert_textbox((72, 160, 520, 300), PROSE, fontsize=14)
        page.insert_textbox((72, 360, 520, 500), "In 1911 he counted 1,284 of them.", fontsize=14)
        document.save(folder / "text.pdf")
        picture = page.get_pixmap(dpi=120)
        picture.save(folder / "scan.png")
        picture.pil_image().rotate(90, expand=True).save(folder / "side.png")
    return folder


def decoded(children: DecodeChildren, path: Path, mode: ReferenceMode, share: float = 1.0) -> DecodedPage:
    kind = "pdf" if path.suffix == ".pdf" else "image"
    settings = replace(SETTINGS, reference=mode, reference_share=share)
    [page] = children.decode(path, kind, 1, 1, settings)
    assert isinstance(page, DecodedPage)
    return page


@pytest.mark.parametrize(
    ("name", "mode", "share", "kind"),
    [
        ("text.pdf", "auto", 1.0, "text_layer"),
        ("text.pdf", "ocr", 1.0, "ocr"),
        ("scan.png", "auto", 1.0, "ocr"),
        ("scan.png", "auto", 0.0, "ocr_detection"),
        ("scan.png", "layer", 1.0, "none"),
        ("side.png", "auto", 1.0, "ocr"),
    ],
)
def test_the_mode_says_who_reads_a_page_again(
    children: DecodeChildren, files: Path, name: str, mode: ReferenceMode, share: float, kind: str
) -> None:
    reference = decoded(children, files / name, mode, share).reference
    assert reference is not None
    assert reference.kind == kind
    if reference.is_full:
        found = ground(Reading(PROSE, "model", (Block("text", PROSE),)), reference)
        assert found.blocks[0].support is not None
        assert found.blocks[0].support > 0.9
        assert found.blocks[0].bbox is not None
        assert reference.seconds > 0
    if kind == "ocr_detection":
        assert len(reference.boxes) >= 4
        assert not any(reference.words)


def test_boxes_of_a_page_on_its_side_lie_where_its_words_do(children: DecodeChildren, files: Path) -> None:
    upright, side = (decoded(children, files / name, "ocr").reference for name in ("scan.png", "side.png"))
    assert upright is not None
    assert side is not None
    reading = Reading(PROSE, "model", (Block("text", PROSE),))
    [one], [other] = ground(reading, upright).blocks, ground(reading, side.turned(90)).blocks
    assert one.bbox is not None
    assert other.bbox is not None
    assert iou(one.bbox, other.bbox) > 0.8
    again = side.turned(90).turned(180).turned(90)
    assert np.allclose(again.boxes, side.boxes, atol=1e-6)


def test_a_quarter_turn_moves_the_top_left_corner_to_the_top_right() -> None:
    corner = reference_of("ocr", [("a", Box(0.0, 0.0, 0.25, 0.125))]).turned(90)
    assert corner.boxes.tolist() == [[0.875, 0.0, 1.0, 0.25]]


def test_the_share_is_drawn_by_the_pages_own_pixels() -> None:
    pages = [np.random.default_rng(n).integers(0, 255, (64, 64, 3), dtype=np.uint8) for n in range(400)]
    drawn = [is_drawn(page, 1, 0.25) for page in pages]
    assert drawn == [is_drawn(page.copy(), 1, 0.25) for page in pages]
    assert 60 <= sum(drawn) <= 140
    assert all(is_drawn(page, 1, 0.75) for page, one in zip(pages, drawn, strict=True) if one)


@pytest.mark.usefixtures("inline_actors")
def test_a_run_commits_boxes_support_and_what_the_reference_cost(tmp_path: Path, make_pdf: Any) -> None:
    make_pdf(tmp_path / "in" / "a.pdf", [PROSE, "Another page of the same book, with words enough to be believed."])
    settings: dict[str, Any] = {"by_picture": True, "tasks": ("read",), "route": "model"}
    outcome = run(tmp_path / "in", tmp_path / "out", **settings)
    columns = "reader, reference, support, omitted, blocks[1].support, blocks[1].bbox IS NOT NULL"
    assert ask(tmp_path / "out", f"SELECT {columns} FROM pages") == [("model", "text_layer", 1.0, 0.0, 1.0, True)] * 2
    assert outcome.usage.reference_seconds > 0
    [(seconds,)] = ask(tmp_path / "out", "SELECT reference_seconds FROM runs")
    assert seconds == pytest.approx(outcome.usage.reference_seconds)
    unchecked = run(tmp_path / "in", tmp_path / "out", reference="none", **settings)
    assert unchecked.accounting.segments.done == 2
    assert ask(tmp_path / "out", f"SELECT {columns} FROM pages")[0][1:4] == ("none", None, None)


def test_a_page_is_not_lost_with_its_reference_reader(files: Path) -> None:
    short = DecodeChildren(1, ChildLimits(memory_bytes=300 << 20))  # too little for OCR
    try:
        page = decoded(short, files / "scan.png", "auto")
    finally:
        short.close()
    assert page.image is not None
    assert page.reference is not None
    assert page.reference.kind == "none"
    assert ground(Reading(PROSE, "model"), page.reference).flags == ("reference_failed",)
