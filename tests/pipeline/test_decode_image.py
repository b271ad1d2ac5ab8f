"""Image files of every odd kind come out as upright 8-bit RGB, or are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pymupdf
import pytest
from PIL import Image

from folioscope.pipeline.decode.image import decode_image_page, frame_count, open_image
from folioscope.pipeline.decode.pages import Attachment, DecodeSettings, OutlineEntry
from folioscope.pipeline.decode.probe import probe
from folioscope.pipeline.failures import Failure
from folioscope.pipeline.storage.sources import kind_of_name

SETTINGS = DecodeSettings()


def drawn(mode: str) -> Image.Image:
    """A grey field, its top left quarter dark."""
    grey = np.full((40, 60), 200, np.uint8)
    grey[:20, :30] = 20
    image = Image.fromarray(grey, "L")
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "RGBA":
        layered = image.convert("RGBA")
        layered.putalpha(Image.fromarray(np.where(grey == 20, 255, 0).astype(np.uint8), "L"))
        return layered
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("1", "a.png"),
        ("P", "a.png"),
        ("I;16", "a.png"),
        ("RGBA", "a.png"),
        ("LA", "a.png"),
        ("CMYK", "a.jpg"),
        ("L", "a.webp"),
        ("RGB", "a.bmp"),
        ("RGB", "a.avif"),
        ("RGB", "a.heic"),
    ],
)
def test_every_mode_becomes_rgb_on_white(tmp_path: Path, mode: str, name: str) -> None:
    drawn(mode).save(tmp_path / name)
    page = decode_image_page(tmp_path / name, 1, SETTINGS)
    assert page.image is not None
    assert (page.image.shape, page.image.dtype) == ((40, 60, 3), np.uint8)
    assert page.image[:20, :30].mean() < 90
    assert page.image[20:, 30:].mean() > 150


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 180), (6, 90), (8, 270)])
def test_a_camera_held_sideways(tmp_path: Path, orientation: int, turn: int) -> None:
    upright = drawn("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright.rotate(turn, expand=True).save(tmp_path / "a.jpg", exif=exif, quality=95)
    page = decode_image_page(tmp_path / "a.jpg", 1, SETTINGS)
    assert (page.width_px, page.height_px, page.rotation) == (60, 40, turn)
    assert page.image is not None
    assert page.image[5, 5].mean() < 90


def test_a_tiff_has_pages_and_an_animation_one(tmp_path: Path) -> None:
    frames = [Image.new("L", (20 + n, 30), 50 * n) for n in range(3)]
    frames[0].save(tmp_path / "a.tiff", save_all=True, append_images=frames[1:])
    with open_image(tmp_path / "a.tiff") as image:
        assert frame_count(image) == 3
    assert [decode_image_page(tmp_path / "a.tiff", n, SETTINGS).width_px for n in (1, 2, 3)] == [20, 21, 22]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=[frames[0].rotate(9)])
    with open_image(tmp_path / "a.webp") as image:
        assert frame_count(image) == 1


def test_large_pictures_are_scaled_to_the_cap(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 1000), "white").save(tmp_path / "a.png")
    page = decode_image_page(tmp_path / "a.png", 1, DecodeSettings(max_pixels=30_000))
    assert page.width_px * page.height_px <= 30_000
    assert page.width_px / page.height_px == pytest.approx(3, rel=0.02)


def test_a_torn_picture_is_told(tmp_path: Path) -> None:
    noise = Image.effect_noise((200, 200), 90)
    noise.save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Failure, match="does not decode"):
        decode_image_page(tmp_path / "a.png", 1, SETTINGS)


@pytest.mark.parametrize("name", ["a.bmp", "a.avif", "a.heic"])
def test_photographs_of_telephones_and_bitmaps_are_images(tmp_path: Path, name: str) -> None:
    drawn("RGB").save(tmp_path / name)
    found = probe(tmp_path / name, name, ())
    assert (found.kind, found.page_count, found.width_px, found.height_px) == ("image", 1, 60, 40)
    assert kind_of_name(name) == "image"


def test_what_lies_inside_a_pdf_is_told(tmp_path: Path) -> None:
    document = pymupdf.open()
    for number in range(3):
        document.new_page().insert_text((60, 100), f"Page {number + 1}")
    document.set_toc([[1, "Harbour", 1], [2, "Dredging\nof 1931", 3]])
    document.embfile_add("tides.csv", b"hour;metres\n", filename="tides.csv")
    document.save(tmp_path / "a.pdf")
    found = probe(tmp_path / "a.pdf", "a.pdf", ())
    assert found.attachments == (Attachment("tides.csv", 12),)
    assert found.outline == (OutlineEntry(1, "Harbour", 1), OutlineEntry(2, "Dredging of 1931", 3))
