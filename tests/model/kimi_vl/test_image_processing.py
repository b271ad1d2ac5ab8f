"""Sizes, grids and token counts of images, and every odd image that callers have handed to others."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from folioscope.model.kimi_vl.image_processing import KimiVLImageProcessor, count_tokens, plan_patches
from folioscope.model.kimi_vl.rgb import ImageInputError, open_image, to_rgb

# (width, height) -> (rows, columns) at 4,096 and at 16,384 patches; spec section 5.
GRIDS = {
    (1, 1): ((2, 2), (2, 2)),
    (28, 28): ((2, 2), (2, 2)),
    (224, 224): ((16, 16), (16, 16)),
    (448, 448): ((32, 32), (32, 32)),
    (640, 480): ((36, 46), (36, 46)),
    (800, 600): ((44, 58), (44, 58)),
    (896, 896): ((64, 64), (64, 64)),
    (1024, 1024): ((66, 66), (74, 74)),
    (1024, 768): ((56, 74), (56, 74)),
    (1280, 720): ((50, 86), (52, 92)),
    (1920, 1080): ((48, 86), (78, 138)),
    (3840, 2160): ((48, 86), (98, 172)),
}


@pytest.mark.parametrize(("size", "grids"), GRIDS.items())
def test_grids_are_those_of_the_published_processor(size: tuple[int, int], grids: tuple[tuple[int, int], ...]) -> None:
    for limit, (rows, columns) in zip((4096, 16384), grids, strict=True):
        plan = plan_patches(*size, limit)
        assert (plan.rows, plan.columns) == (rows, columns)
        assert count_tokens(*size, limit) == rows * columns // 4


@settings(max_examples=60)
@given(width=st.integers(1, 900), height=st.integers(1, 900), limit=st.sampled_from([64, 400, 4096, 16384]))
def test_the_count_from_the_size_alone_is_the_real_grid(width: int, height: int, limit: int) -> None:
    processor = KimiVLImageProcessor(in_token_limit=limit)
    try:
        tokens = processor.count_tokens(width, height)
    except ImageInputError:
        with pytest.raises(ImageInputError):
            processor(Image.new("RGB", (width, height)))
        return
    out = processor(Image.new("RGB", (width, height)), return_tensors="pt")
    (rows, columns) = out["image_grid_hws"][0].tolist()
    assert rows * columns == len(out["pixel_values"]) == 4 * tokens
    assert rows % 2 == 0
    assert columns % 2 == 0


@settings(max_examples=300)
@given(width=st.integers(1, 30_000), height=st.integers(1, 30_000), limit=st.sampled_from([4096, 16384]))
def test_no_image_passes_the_limits(width: int, height: int, limit: int) -> None:
    try:
        plan = plan_patches(width, height, limit)
    except ImageInputError:
        assert max(width / height, height / width) > 10
        return
    assert max(plan.rows, plan.columns) < 512
    assert plan.tokens <= {4096: 1400, 16384: 4600}[limit]  # padding passes a quarter of the limit by this much
    assert (plan.width, plan.height) <= (width, height)


def test_patches_are_cut_row_by_row_and_padding_is_black() -> None:
    pixels = np.arange(28 * 30 * 3, dtype=np.uint8).reshape(28, 30, 3)
    out = KimiVLImageProcessor()(Image.fromarray(pixels), return_tensors="np")
    assert out["image_grid_hws"].tolist() == [[2, 4]]
    patches = out["pixel_values"]
    second = (pixels[:14, 14:28].transpose(2, 0, 1) / np.float32(255) - 0.5) / 0.5
    np.testing.assert_allclose(patches[1], second, atol=1e-6)
    assert (patches[3] == -1.0).all()


def test_several_images_are_packed_in_order() -> None:
    images = [Image.new("RGB", (28, 28), color) for color in ("white", "black")] + [Image.new("RGB", (56, 28))]
    out = KimiVLImageProcessor()([images[:2], [images[2]]], return_tensors="pt")
    assert out["image_grid_hws"].tolist() == [[2, 2], [2, 2], [2, 4]]
    assert out["pixel_values"][:4].eq(1).all()
    assert out["pixel_values"][4:].eq(-1).all()


def _png(image: Image.Image, kind: str = "PNG", **save: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **save)
    return out.getvalue()


def _moving() -> Image.Image:
    frames = [Image.new("P", (30, 20), shade) for shade in (0, 100)]
    return Image.open(io.BytesIO(_png(frames[0], "GIF", save_all=True, append_images=frames[1:])))


def _turned() -> Image.Image:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise
    return Image.open(io.BytesIO(_png(Image.new("RGB", (40, 20), "blue"), "JPEG", exif=exif)))


@pytest.mark.parametrize(
    ("make", "size", "pixel"),
    [
        (lambda: Image.new("CMYK", (30, 20), (0, 0, 0, 0)), (30, 20), (255, 255, 255)),
        (lambda: Image.fromarray(np.full((20, 30), 65535, np.uint16)), (30, 20), (255, 255, 255)),
        (lambda: Image.fromarray(np.full((20, 30), 32896, np.int32), "I"), (30, 20), (128, 128, 128)),
        (lambda: Image.new("1", (30, 20), 1), (30, 20), (255, 255, 255)),
        (lambda: Image.new("L", (30, 20), 7), (30, 20), (7, 7, 7)),
        (lambda: Image.new("RGBA", (30, 20), (255, 0, 0, 0)), (30, 20), (255, 255, 255)),
        (lambda: Image.new("LA", (30, 20), (0, 255)), (30, 20), (0, 0, 0)),
        (lambda: Image.new("P", (30, 20)), (30, 20), (0, 0, 0)),
        (_moving, (30, 20), (0, 0, 0)),
        (_turned, (20, 40), None),
        (lambda: np.full((20, 30), 200, np.uint8), (30, 20), (200, 200, 200)),
        (lambda: np.full((20, 30, 3), 0.5, np.float32), (30, 20), (128, 128, 128)),
        (lambda: torch.full((3, 20, 30), 9, dtype=torch.uint8), (30, 20), (9, 9, 9)),
        (lambda: torch.full((3, 20, 30), 1.0, dtype=torch.bfloat16), (30, 20), (255, 255, 255)),
    ],
)
def test_odd_images_become_clean_rgb(
    make: Callable[[], object], size: tuple[int, int], pixel: tuple[int, int, int] | None
) -> None:
    rgb = to_rgb(make())
    assert (rgb.mode, rgb.size) == ("RGB", size)
    if pixel is not None:
        assert rgb.getpixel((5, 5)) == pixel


def test_transparency_in_a_palette_is_laid_over_white() -> None:
    image = Image.new("P", (30, 20), 0)
    shown = Image.open(io.BytesIO(_png(image, transparency=0)))
    assert to_rgb(shown).getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 30, 3), np.uint8), "no area"),
        (np.full((20, 30, 3), 200.0), "floats must lie in 0..1"),
        (np.full((20, 30, 3), np.nan), "floats must lie in 0..1"),
        (np.full((20, 30, 3), 300, np.int64), "not 0..255"),
        (np.zeros((20, 30, 7), np.uint8), "channels neither first nor last"),
        (np.zeros((2, 2, 20, 30, 3), np.uint8), "2 or 3 axes"),
        ("page.png", "is no image"),
        (Image.new("RGB", (7168, 28)), "too long for its width"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(image: object, message: str) -> None:
    processor = KimiVLImageProcessor()
    good = Image.new("RGB", (28, 28))
    if isinstance(image, str):
        with pytest.raises(ImageInputError, match=message):
            to_rgb(image)
        return
    with pytest.raises(ImageInputError, match=f"Image 1: .*{message}"):
        processor([good, image])


def test_truncated_files_and_bombs_are_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(_png(Image.fromarray(noise))[:5000])
    with pytest.raises(ImageInputError, match=r"truncated.png is truncated or damaged"):
        KimiVLImageProcessor()(Image.open(truncated))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ImageInputError, match=r"Cannot open .*text.png"):
        open_image(tmp_path / "text.png")
    whole = tmp_path / "whole.png"
    whole.write_bytes(_png(Image.fromarray(noise)))
    with pytest.raises(ImageInputError, match="at most 10,000 are taken"):
        KimiVLImageProcessor(max_pixels=10_000)(Image.open(whole))


def test_settings_that_kimi_vl_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="patch_size=16"):
        KimiVLImageProcessor(patch_size=16)
    with pytest.raises(TypeError, match="knows no do_center_crop"):
        KimiVLImageProcessor()(Image.new("RGB", (28, 28)), do_center_crop=True)
