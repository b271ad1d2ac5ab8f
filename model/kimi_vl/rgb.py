"""Any image that a caller may hand over, as upright 8-bit RGB; or an error that says what is wrong with it.

Guessing is refused: a float image in an unknown range or an integer image beyond its type's usual range is an error,
because a wrong guess gives a black page and no message. Costs one copy of the pixels where the image is not RGB yet.
"""

from __future__ import annotations

import os
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

ChannelOrder = Literal["channels_first", "channels_last"]
RgbArray = NDArray[np.uint8]  # (height, width, 3)

# The size at which Pillow itself refuses to open a file. Decoded, such an image takes half a gigabyte.
MAX_PIXELS = 178_956_970

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_PLAIN = ("RGB", "L", "1", "P", "CMYK", "YCbCr", "HSV", "RGBX")
_CHANNELS = (1, 3, 4)
_ORIENTATION = 0x0112  # the EXIF tag


class ImageInputError(ValueError):
    """An image cannot be used as it is. The message says which rule it breaks."""


def open_image(source: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Image.Image:
    """An image file by its path, its size checked before its pixels are decoded."""
    try:
        image = Image.open(source)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageInputError(f"Cannot open {os.fspath(source)} as an image: {error}.") from error
    check_size(*image.size, max_pixels)
    return image


def check_size(width: int, height: int, max_pixels: int = MAX_PIXELS) -> None:
    if width < 1 or height < 1:
        raise ImageInputError(f"The image is {width}x{height} pixels: it has no area.")
    if width * height > max_pixels:
        raise ImageInputError(f"The image has {width}x{height} pixels; at most {max_pixels:,} are taken (max_pixels).")


def to_rgb(
    image: Any, *, upright: bool = True, order: ChannelOrder | None = None, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """A PIL image, numpy array or torch tensor as a PIL image in mode RGB.

    ``upright`` turns a PIL image as its EXIF orientation says. Transparency is laid over white. Of a moving image the
    frame it stands at is taken, the first unless the caller moved it. Arrays are (H, W), (H, W, 1|3|4) or
    (1|3|4, H, W); where both readings fit, ``order`` decides, and without it the habit of the library: channels last
    for numpy, first for torch. Integers hold 0..255 (uint16: 0..65535), floats 0..1. Raises :class:`ImageInputError`.
    """
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        array = image.float().numpy() if image.dtype == torch.bfloat16 else image.numpy()
        return Image.fromarray(_rgb_array(array, order, "channels_first", max_pixels))
    if isinstance(image, np.ndarray):
        return Image.fromarray(_rgb_array(image, order, "channels_last", max_pixels))
    if isinstance(image, Image.Image):
        check_size(*image.size, max_pixels)
        return _rgb_picture(_decoded(image, upright))
    raise ImageInputError(f"A {type(image).__name__} is no image: a PIL image, numpy array or torch tensor is needed.")


def _decoded(image: Image.Image, upright: bool) -> Image.Image:
    try:
        image.load()
        turned = upright and image.getexif().get(_ORIENTATION, 1) != 1  # else nothing to do, and nothing to copy
        return ImageOps.exif_transpose(image) if turned else image
    except Exception as error:  # every codec raises errors of its own for damaged data
        name = getattr(image, "filename", "") or "The image"
        raise ImageInputError(f"{name} is truncated or damaged: {error}.") from error


def _rgb_picture(image: Image.Image) -> Image.Image:
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        layer = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    if image.mode == "RGB":
        return image
    if image.mode in _SIXTEEN_BIT or image.mode in ("I", "F"):
        return Image.fromarray(np.asarray(_bytes_of(np.asarray(image), image.mode))).convert("RGB")
    if image.mode in _PLAIN:
        return image.convert("RGB")
    raise ImageInputError(f"Images in mode {image.mode} are not read: convert it to RGB first.")


def _rgb_array(array: NDArray[Any], order: ChannelOrder | None, habit: ChannelOrder, max_pixels: int) -> RgbArray:
    if array.ndim == 2:
        array = array[:, :, None]
    elif array.ndim != 3:
        raise ImageInputError(f"An image array has 2 or 3 axes; this one has the shape {array.shape}.")
    elif _channels_first(array.shape, order, habit):
        array = np.moveaxis(array, 0, -1)
    check_size(array.shape[1], array.shape[0], max_pixels)
    values = _bytes_of(array, f"array of {array.dtype}")
    if values.shape[2] == 4:
        return np.asarray(_rgb_picture(Image.fromarray(np.ascontiguousarray(values), "RGBA")))
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)))


def _channels_first(shape: tuple[int, ...], order: ChannelOrder | None, habit: ChannelOrder) -> bool:
    first, last = shape[0] in _CHANNELS, shape[-1] in _CHANNELS
    if order is not None:
        fits = first if order == "channels_first" else last
        if order not in ("channels_first", "channels_last") or not fits:
            raise ImageInputError(f"An array of shape {shape} has no 1, 3 or 4 channels in the order {order!r}.")
        return order == "channels_first"
    if not first and not last:
        raise ImageInputError(f"An array of shape {shape} has 1, 3 or 4 channels neither first nor last.")
    return first and (not last or habit == "channels_first")


def _bytes_of(values: NDArray[Any], what: str) -> NDArray[np.uint8]:
    """The values as 0..255, by the one reading that their type allows."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if np.issubdtype(values.dtype, np.floating):
        if not (low >= 0.0 and high <= 1.0):  # also where a value is NaN
            raise ImageInputError(
                f"An image of mode or type {what} holds values from {low:g} to {high:g}; floats must lie in 0..1 "
                "(give values of 0..255 as uint8)."
            )
        return np.rint(values * 255.0).astype(np.uint8)
    sixteen = values.dtype == np.uint16 or what == "I"
    limit = 65_535 if sixteen else 255
    if not (values.dtype.kind in "iu" and low >= 0 and high <= limit):
        raise ImageInputError(f"An image of mode or type {what} holds values from {low:g} to {high:g}, not 0..{limit}.")
    return ((values.astype(np.uint32) + 128) // 257 if sixteen else values).astype(np.uint8)
