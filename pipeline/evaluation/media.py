"""From an item's parts to texts and pictures: pages and frames by the decode children of a run, pictures by Pillow.

Costs what decoding costs; memory is that of one item's pictures. A picture is shown in its own size: the replica scales
it as it does any page. Which frames of a video are shown follows the benchmark's own rule.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from folioscope.model.protocol import Frame, RgbImage
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings, FailedSegment
from folioscope.pipeline.evaluation.items import Frames, ImageCell, ImageFile, Item, Pages, Part, Text
from folioscope.pipeline.evaluation.subtitle_lines import Line, between_frames, during_frames, read_lines
from folioscope.pipeline.evaluation.tables_in import parse_record, parsed_list, tsv_columns
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.video.shots import Shot

PAGES_AT_ONCE = 8
SUBTITLES = "This video's subtitles are listed below: \n"
MOST_PIXELS = 400_000_000
MAX_FILE_BYTES = 16 << 30


class MediaLoader:
    """Opens what items name. Its methods may be called from several threads."""

    def __init__(self, children: DecodeChildren, settings: DecodeSettings, cache: DownloadCache | None = None) -> None:
        self._children = children
        self._settings = settings
        self._files = FileAccess(cache or DownloadCache(), MAX_FILE_BYTES)

    def shown(self, item: Item) -> tuple[str | RgbImage, ...]:
        """The item's prompt: texts and pictures, in order.

        Raises:
            Failure: something that is named cannot be had.
        """
        return tuple(one for part in item.parts for one in self._shown(part))

    def pages(self, item: Item) -> Iterator[list[DecodedPage | FailedSegment]]:
        """The item's pages to be read, a few at a time. Raises Failure."""
        for part in item.parts:
            if isinstance(part, Pages):
                yield from self._document(part, self._settings)
            elif isinstance(part, ImageFile):
                yield self._children.decode(Path(part.path), "image", 1, 1, self._settings, part.path)
            elif isinstance(part, ImageCell):
                picture = _picture(_cell_bytes(part), part.path)
                yield [DecodedPage(1, picture.shape[1], picture.shape[0], 0, picture, None)]

    def _shown(self, part: Part) -> Iterator[str | RgbImage]:
        match part:
            case Text(text):
                yield text
            case ImageFile(path):
                yield _picture(_file_bytes(path), path)
            case ImageCell(path):
                yield _picture(_cell_bytes(part), path)
            case Pages():
                settings = replace(self._settings, render="always", dpi=part.dpi, layout="fast", thumbnail_px=0)
                for page in (page for pages in self._document(part, settings) for page in pages):
                    if isinstance(page, FailedSegment):
                        raise page.failure
                    if page.image is not None:
                        yield page.image
            case Frames():
                yield from self._frames(part)

    def _document(self, part: Pages, settings: DecodeSettings) -> Iterator[list[DecodedPage | FailedSegment]]:
        with self._opened(part) as path:
            probe = self._children.probe(path, part.path)
            last = part.last or probe.page_count or 0
            if part.most:
                last = min(last, part.first + part.most - 1)
            for first in range(part.first, last + 1, PAGES_AT_ONCE):
                until = min(first + PAGES_AT_ONCE - 1, last)
                yield self._children.decode(path, probe.kind, first, until, settings, part.path)

    @contextmanager
    def _opened(self, part: Pages) -> Iterator[Path]:
        """The file on this machine. Raises Failure where it cannot be had or has changed."""
        if not part.etag:
            yield Path(part.path)
            return
        source = SourceFile(part.path, part.size, part.etag, None)
        with self._files.open(source, part.sha256 or None, self._children) as path:
            yield path

    def _frames(self, part: Frames) -> Iterator[str | RgbImage]:
        path = Path(part.path)
        probe = self._children.probe(path, part.path)
        if probe.video is None:
            raise Failure(Reason.DECODE_ERROR, f"{part.path}: is no video")
        fps = probe.video.fps or 25.0
        times = frame_times(part, probe.video.duration_s, fps)
        shot = Shot(1, 0.0, probe.video.duration_s, tuple(times))
        [decoded] = self._children.decode_shots(path, [shot], replace(self._settings, thumbnail_px=0), part.path)
        if isinstance(decoded, FailedSegment):
            raise decoded.failure
        lines = read_lines(Path(part.subtitles), part.path) if part.subtitles else []
        yield from _with_lines(part, decoded.frames, times, lines)


def frame_times(part: Frames, duration_s: float, fps: float) -> list[float]:
    """When the frames are that the benchmark's rule takes, each in the middle of its frame's time."""
    length = duration_s if part.duration_s is None else part.duration_s
    total = max(1, int(duration_s * fps))
    if part.sampling == "start":  # LongVideoBench: at most one a second, and the step is cut to whole frames
        count = max(1, min(part.count, int(length)))
        step = int(max(1, int(length * fps)) / count)
        numbers = [min(step * place, total - 1) for place in range(count)]
    elif part.sampling == "middle":
        numbers = [int(total * (place + 0.5) / part.count) for place in range(min(part.count, total))]
    else:
        numbers = np.linspace(0, total - 1, min(part.count, total), dtype=int).tolist()
    return [(number + 0.5) / fps for number in numbers]


def _with_lines(
    part: Frames, frames: tuple[Frame, ...], times: list[float], lines: list[Line]
) -> Iterator[str | RgbImage]:
    if part.interleaved:
        length = part.duration_s if part.duration_s is not None else (times[-1] if times else 0.0)
        waiting = between_frames(lines, times, part.subtitle_start_s, length)
        for place, frame in enumerate(frames):
            yield from (line for after, line in waiting if after == place)
            yield frame.image
        yield from (line for after, line in waiting if after >= len(frames))
        return
    if lines:
        yield f"{SUBTITLES}{chr(10).join(during_frames(lines, times))}\n"
    yield from (frame.image for frame in frames)


def _file_bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Failure(Reason.NOT_FOUND, f"{path}: cannot be read ({error.strerror})") from error


def _cell_bytes(part: ImageCell) -> bytes:
    path = Path(part.path)
    try:
        return _tsv_bytes(path, part) if path.suffix == ".tsv" else _parquet_bytes(path, part)
    except (OSError, ValueError, KeyError, IndexError, pa.ArrowInvalid) as error:
        raise Failure(Reason.DECODE_ERROR, f"{part.path}: no picture in {part.column} of row {part.place}") from error


def _tsv_bytes(path: Path, part: ImageCell) -> bytes:
    with path.open("rb") as stream:
        stream.seek(part.place)
        record = stream.readline()
        while record.count(b'"') % 2 and (more := stream.readline()):
            record += more
    cell = parse_record(record)[tsv_columns(path).index(part.column)]
    listed = parsed_list(cell) if cell.startswith("[") else cell
    return base64.b64decode(str(listed[part.index]) if isinstance(listed, list) else cell)


def _parquet_bytes(path: Path, part: ImageCell) -> bytes:
    file = pq.ParquetFile(path)
    place = part.place
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if place < rows:
            value = file.read_row_group(group, columns=[part.column])[part.column][place].as_py()
            break
        place -= rows
    else:
        raise IndexError(part.place)
    value = value[part.index] if isinstance(value, list) else value
    data = value["bytes"] if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise ValueError(part.column)
    return data


def _picture(data: bytes, name: str) -> RgbImage:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is the one that holds
            opened = Image.open(io.BytesIO(data))
        if opened.width * opened.height > MOST_PIXELS:
            raise Failure(Reason.DECODE_ERROR, f"{name}: a picture of {opened.width} by {opened.height} is too large")
        if opened.mode in ("RGBA", "LA", "P"):
            layered = opened.convert("RGBA")
            flat = Image.new("RGB", layered.size, (255, 255, 255))
            flat.paste(layered, mask=layered.getchannel("A"))
            return np.asarray(flat)
        return np.asarray(opened.convert("RGB"))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Failure(Reason.DECODE_ERROR, f"{name}: the picture cannot be decoded ({error})") from error
