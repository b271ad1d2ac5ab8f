"""Image files as documents: each frame of a TIFF is a page, every other format has one. Runs inside a decode child.

Whatever the file holds (CMYK, 16 bits, a palette, transparency, a sideways camera) comes out as 8-bit RGB, upright, on
white, scaled down to the pixel cap.
"""

from __future__ import annotations

import math
import struct
import warnings
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageOps, UnidentifiedImageError

from folioscope.model.protocol import Reading, RgbImage
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings, Routed
from folioscope.pipeline.decode.reference import second_reading
from folioscope.pipeline.decode.routed_page import ALL_PAGES, arrived_blank, read_here
from folioscope.pipeline.decode.thumbnail import make_thumbnail
from folioscope.pipeline.failures import Failure, Reason

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "AVIF", "HEIF")  # JPEG opens MPO, too
MAX_FILE_PIXELS = 400_000_000  # 1.2 GB as RGB; beyond that a small file is taken for a bomb
IMAGE_ERRORS = (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, struct.error, TypeError)

pillow_heif.register_heif_opener()
Image.MAX_IMAGE_PIXELS = MAX_FILE_PIXELS // 2  # Pillow raises at twice this


def open_image(path: Path) -> Image.Image:
    """The opened image, its pixels not yet decoded. Raises one of IMAGE_ERRORS or DecompressionBombError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path, formats=FORMATS)


def frame_count(image: Image.Image) -> int:
    """Pages: the frames of a TIFF; an animation counts as its first frame."""
    return max(1, getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1


def decode_image_page(path: Path, page_number: int, settings: DecodeSettings) -> DecodedPage:
    """One frame, upright.

    Raises:
        Failure: decode_error or pixel_limit.
    """
    try:
        with open_image(path) as image:
            if page_number > 1:
                image.seek(page_number - 1)
            if image.width * image.height > MAX_FILE_PIXELS:
                raise Failure(Reason.PIXEL_LIMIT, f"{image.width} x {image.height} pixels are over the limit")
            if image.width * image.height > settings.max_pixels:
                image.draft("RGB", _fitted(image.size, settings.max_pixels))
            turned = _exif_turn(image)
            upright = ImageOps.exif_transpose(to_rgb(image))
    except Image.DecompressionBombError as error:
        raise Failure(Reason.PIXEL_LIMIT, str(error)) from error
    except IMAGE_ERRORS as error:
        raise Failure(Reason.DECODE_ERROR, f"the image does not decode ({error})") from error
    if upright.width * upright.height > settings.max_pixels:
        upright = upright.resize(_fitted(upright.size, settings.max_pixels), Image.Resampling.LANCZOS)
    pixels: RgbImage = np.asarray(upright, dtype=np.uint8)
    thumbnail = make_thumbnail(pixels, settings.thumbnail_px) if settings.thumbnail_px else None
    routed, reading = _routed(page_number, pixels, settings)
    reference = None if routed.reader != "model" else second_reading(None, None, pixels, page_number, settings)
    kept = pixels if reading is None else None
    size = upright.width, upright.height
    return DecodedPage(page_number, *size, turned, kept, None, thumbnail, routed, reading, reference)


def _routed(page_number: int, pixels: RgbImage, settings: DecodeSettings) -> tuple[Routed, Reading | None]:
    """Which reader the picture goes to, and its reading where it is blank: it has no text layer."""
    if settings.route is None:
        return Routed("ocr", "no_layer"), None
    if settings.route == "model":
        return ALL_PAGES, None
    routed = arrived_blank(Routed("model", "no_layer"), pixels, settings)
    height, width = pixels.shape[:2]
    return routed, read_here(routed, (page_number, width, height), pixels, None, settings)


def to_rgb(image: Image.Image) -> Image.Image:
    """The image as 8-bit RGB on white; EXIF data stay with it."""
    exif = image.getexif()
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        values = np.asarray(image, dtype=np.float64)
        top = 255.0 if image.mode == "F" and values.max(initial=0) <= 255 else 65535.0
        image = Image.fromarray(np.clip(values * (255.0 / top), 0, 255).astype(np.uint8), "L")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        image = Image.new("RGBA", layered.size, "white")
        image.alpha_composite(layered)
    rgb = image.convert("RGB")
    if exif:
        rgb.info["exif"] = exif.tobytes()
    return rgb


def _exif_turn(image: Image.Image) -> int:
    return {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}.get(image.getexif().get(0x0112, 1), 0)


def _fitted(size: tuple[int, int], max_pixels: int) -> tuple[int, int]:
    scale = math.sqrt(max_pixels / (size[0] * size[1]))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
