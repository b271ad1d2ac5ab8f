"""Kimi-VL's image processor: images at their own resolution, in patches of 14x14 pixels, packed end to end.

How many tokens an image takes is a function of its size alone (``count_tokens``), so that a plan needs no pixels.
An A4 page of 1240x1754 pixels at the limit of 4,096 patches takes about 20 ms on one core, most of it the resizing.

Where this differs from the published processor, on purpose: images become RGB before they are scaled (the same for RGB
images), EXIF orientation is applied, and transparency is laid over white instead of being cut off.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from transformers import BaseImageProcessor
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ImagesKwargs

from folioscope.model.kimi_vl.rgb import MAX_PIXELS, ChannelOrder, ImageInputError, open_image, to_rgb

PATCH_SIZE = 14
MERGE = (2, 2)
SIDE_LIMIT = 512  # a grid's side stays below: the rotary tables end there
DEFAULT_LIMIT = 4096


class PatchPlan(NamedTuple):
    """What becomes of an image: scaled to ``width`` x ``height`` pixels, then padded to the grid of patches."""

    width: int
    height: int
    rows: int
    columns: int

    @property
    def tokens(self) -> int:
        return self.rows * self.columns // (MERGE[0] * MERGE[1])


def plan_patches(width: int, height: int, limit: int = DEFAULT_LIMIT) -> PatchPlan:
    """How an image of this size in pixels is scaled and padded, from its size alone.

    ``limit`` bounds the whole patches before padding. Raises :class:`ImageInputError` for an image without area or one
    that is so long that a side still has 512 patches or more.
    """
    if width < 1 or height < 1:
        raise ImageInputError(f"The image is {width}x{height} pixels: it has no area.")
    new_width, new_height = width, height
    whole = (width // PATCH_SIZE) * (height // PATCH_SIZE)
    if whole > limit:
        scale = math.sqrt(limit / whole)
        new_width, new_height = int(width * scale), int(height * scale)
    rows, columns = _padded(new_height, MERGE[0]), _padded(new_width, MERGE[1])
    if max(rows, columns) >= SIDE_LIMIT or min(new_width, new_height) < 1:
        longest = (SIDE_LIMIT - MERGE[0]) * PATCH_SIZE
        raise ImageInputError(
            f"The image of {width}x{height} pixels is too long for its width: {rows}x{columns} patches, where a side "
            f"must stay below {SIDE_LIMIT}. Scale its long side to at most {longest} pixels, or cut it into parts."
        )
    return PatchPlan(new_width, new_height, rows, columns)


def count_tokens(width: int, height: int, limit: int = DEFAULT_LIMIT) -> int:
    """Tokens that an image of this size in pixels takes in a prompt. Raises as :func:`plan_patches` does."""
    return plan_patches(width, height, limit).tokens


class KimiVLImagesKwargs(ImagesKwargs, total=False):  # type: ignore[misc, call-arg]
    in_token_limit: int | None


class KimiVLImageProcessor(BaseImageProcessor):  # type: ignore[misc]
    """Images to ``pixel_values`` [sum of rows*columns, 3, 14, 14] and ``image_grid_hws`` [images, 2] (rows, columns).

    Reads and writes ``preprocessor_config.json``. ``in_token_limit`` is the published name of the limit of patches.
    ``exif_transpose`` and ``max_pixels`` are ours; checkpoints do not set them. Raises :class:`ImageInputError`, with
    the image's place among those given, for an image that cannot be used.
    """

    model_input_names = ["pixel_values", "image_grid_hws"]  # noqa: RUF012 (transformers' own attribute)
    valid_kwargs = KimiVLImagesKwargs

    def __init__(
        self,
        *,
        in_token_limit: int = DEFAULT_LIMIT,
        patch_size: int = PATCH_SIZE,
        merge_kernel_size: Sequence[int] = MERGE,
        image_mean: Sequence[float] = (0.5, 0.5, 0.5),
        image_std: Sequence[float] = (0.5, 0.5, 0.5),
        pad_input: bool = True,
        exif_transpose: bool = True,
        max_pixels: int = MAX_PIXELS,
        **kwargs: Any,
    ) -> None:
        for leftover in ("auto_map", "image_processor_type", "num_pooled_tokens"):
            kwargs.pop(leftover, None)
        super().__init__(**kwargs)
        if patch_size != PATCH_SIZE or tuple(merge_kernel_size) != MERGE or not pad_input:
            raise ValueError(
                f"This image processor cuts patches of {PATCH_SIZE} pixels, merged {MERGE[0]}x{MERGE[1]}, with "
                f"padding, as every Kimi-VL does; the preprocessor_config.json asks for patch_size={patch_size}, "
                f"merge_kernel_size={list(merge_kernel_size)}, pad_input={pad_input}."
            )
        if len(image_mean) != 3 or len(image_std) != 3 or 0 in image_std or in_token_limit < 1:
            raise ValueError("image_mean and image_std are three numbers, image_std without 0; in_token_limit >= 1.")
        self.in_token_limit = in_token_limit
        self.patch_size = patch_size
        self.merge_kernel_size = list(merge_kernel_size)
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)
        self.pad_input = pad_input
        self.exif_transpose = exif_transpose
        self.max_pixels = max_pixels

    def count_tokens(self, width: int, height: int) -> int:
        """Tokens that an image of this size takes under this processor's limit."""
        return count_tokens(width, height, self.in_token_limit)

    def fetch_images(self, images: Any) -> Any:
        """Paths and URLs opened as images, with the rights of this process: do not pass references from outside."""
        if isinstance(images, (list, tuple)):
            return [self.fetch_images(image) for image in images]
        if isinstance(images, os.PathLike) or (isinstance(images, str) and os.path.exists(images)):
            return open_image(images, self.max_pixels)
        return super().fetch_images(images) if isinstance(images, str) else images

    def preprocess(
        self,
        images: Any,
        *,
        return_tensors: str | None = None,
        in_token_limit: int | None = None,
        input_data_format: ChannelOrder | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """One image or any nesting of lists of images, in order. Without ``return_tensors`` the arrays are numpy's."""
        if unknown := [name for name, value in kwargs.items() if value is not None]:
            raise TypeError(f"Kimi-VL's image processor knows no {', '.join(unknown)}.")
        limit = self.in_token_limit if in_token_limit is None else in_token_limit
        patches: list[NDArray[np.float32]] = []
        grids: list[tuple[int, int]] = []
        for number, image in enumerate(_flat(self.fetch_images(images))):
            try:
                rgb = to_rgb(image, upright=self.exif_transpose, order=input_data_format, max_pixels=self.max_pixels)
                plan = plan_patches(*rgb.size, limit)
            except ImageInputError as error:
                raise ImageInputError(f"Image {number}: {error}") from error
            patches.append(self._normalised(cut_patches(rgb, plan)))
            grids.append((plan.rows, plan.columns))
        if not patches:
            raise ImageInputError("No image was given.")
        packed = patches[0] if len(patches) == 1 else np.concatenate(patches)
        data = {"pixel_values": packed, "image_grid_hws": np.array(grids, dtype=np.int64)}
        return BatchFeature(data, tensor_type=return_tensors)

    def _normalised(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(value / 255 - mean) / std in float32, looked up: there are only 256 values a channel."""
        shares = np.arange(256, dtype=np.float32) / np.float32(255)
        out = np.empty(patches.shape, dtype=np.float32)
        for channel, (mean, std) in enumerate(zip(self.image_mean, self.image_std, strict=True)):
            table = (shares - np.float32(mean)) / np.float32(std)
            np.take(table, patches[:, channel], out=out[:, channel])
        return out


def cut_patches(rgb: Image.Image, plan: PatchPlan) -> NDArray[np.uint8]:
    """The image scaled as planned, padded with black on the right and below: [rows*columns, 3, 14, 14], row by row."""
    if rgb.size != (plan.width, plan.height):
        rgb = rgb.resize((plan.width, plan.height), Image.Resampling.BICUBIC)
    canvas = np.zeros((plan.rows * PATCH_SIZE, plan.columns * PATCH_SIZE, 3), dtype=np.uint8)
    canvas[: plan.height, : plan.width] = np.asarray(rgb)
    grid = canvas.reshape(plan.rows, PATCH_SIZE, plan.columns, PATCH_SIZE, 3)
    return np.ascontiguousarray(grid.transpose(0, 2, 4, 1, 3)).reshape(-1, 3, PATCH_SIZE, PATCH_SIZE)


def flat_images(images: Any) -> list[Any]:
    """Any nesting of lists as one list; an array of four axes is a list of images."""
    return list(_flat(images))


def _flat(images: Any) -> Iterator[Any]:
    if isinstance(images, (list, tuple)) or getattr(images, "ndim", 0) == 4:
        for image in images:
            yield from _flat(image)
    else:
        yield images


def _padded(pixels: int, merge: int) -> int:
    """Patches along a side, up to the next whole neighbourhood."""
    return -(-pixels // (PATCH_SIZE * merge)) * merge
