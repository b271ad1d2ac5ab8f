"""Pages' and frames' pictures for replicas that understand by looking: decoded when asked for, never kept.

A file that is no longer what was read is a failure of the document, not another answer. 15 ms a page; a frame costs
the decoding of those since the key frame before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.page_images import turned
from model.protocol import PageText, RgbImage
from pipeline.decode.children import ChildLimits, DecodeChildren
from pipeline.decode.pages import DecodeSettings, FailedPage
from pipeline.failures import Failure, Reason
from pipeline.shots import Shot
from pipeline.sources import SourceFile
from pipeline.spool import open_asset


@dataclass(frozen=True, slots=True)
class PictureAccess:
    """What opening documents again takes."""

    settings: DecodeSettings
    spool_folder: str
    max_file_bytes: int
    limits: ChildLimits
    passwords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DocumentPictures:
    """One document's pages as upright pictures, turned as the reading found them to be."""

    path: Path
    row: Mapping[str, Any]
    rotations: Mapping[int, int]
    settings: DecodeSettings
    children: DecodeChildren

    def __call__(self, page_number: int) -> RgbImage:
        """Raises Failure where the page no longer decodes."""
        [page] = self.children.decode(
            self.path, self.row["kind"], page_number, page_number, self.settings, self.row["uri"]
        )
        if isinstance(page, FailedPage):
            raise page.failure
        if page.image is None:
            raise Failure(Reason.DECODE_ERROR, f"{self.row['uri']} page {page_number}: it gave no picture")
        return turned(page.image, (self.rotations[page_number] - page.rotation) % 360)


@dataclass(frozen=True, slots=True)
class FilmPictures:
    """One film's frames, upright, by their presentation times."""

    path: Path
    row: Mapping[str, Any]
    settings: DecodeSettings
    children: DecodeChildren

    def __call__(self, time_s: float) -> RgbImage:
        """Raises Failure where the frame no longer decodes."""
        [shot] = self.children.decode_shots(
            self.path, [Shot(1, time_s, time_s, (time_s,))], self.settings, self.row["uri"]
        )
        if isinstance(shot, FailedPage):
            raise shot.failure
        return shot.frames[0].image


class Pictures:
    """Opens documents and films for one actor."""

    def __init__(self, access: PictureAccess) -> None:
        self._access = access
        self._children = DecodeChildren(1, access.limits, access.passwords)

    @contextmanager
    def of_document(self, row: Mapping[str, Any], pages: Sequence[PageText]) -> Iterator[DocumentPictures]:
        """Raises Failure where the file is gone or has changed."""
        rotations = {page.page_number: page.rotation for page in pages}
        with self._opened(row) as path:
            yield DocumentPictures(path, row, rotations, self._access.settings, self._children)

    @contextmanager
    def of_film(self, row: Mapping[str, Any]) -> Iterator[FilmPictures]:
        """Raises Failure where the file is gone or has changed."""
        with self._opened(row) as path:
            yield FilmPictures(path, row, self._access.settings, self._children)

    def _opened(self, row: Mapping[str, Any]) -> AbstractContextManager[Path]:
        source = SourceFile(row["uri"], row["size"], row["etag"], None)
        folder = Path(self._access.spool_folder)
        return open_asset(source, row["asset_id"], folder, self._access.max_file_bytes)
