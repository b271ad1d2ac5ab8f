"""Pages' and frames' pictures for replicas that understand by looking: decoded when asked for, never kept.

A file that is no longer what was read is a failure of the document, not another answer. 15 ms a page, two at once; a
frame costs the decoding of those since the key frame before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from folioscope.model.page_images import turned
from folioscope.model.protocol import PageText, RgbImage
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import DecodeSettings, FailedSegment
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.planning.documents import DocumentTasks
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.video.shots import Shot

CHILDREN = 2  # the second is started only where two pictures are wanted at once


@dataclass(frozen=True, slots=True)
class PictureAccess:
    """What opening documents again takes."""

    settings: DecodeSettings
    files: FileAccess


@dataclass(frozen=True, slots=True)
class DocumentPictures:
    """One document's pages as upright pictures, turned as the reading found them to be."""

    path: Path
    document: DocumentTasks
    rotations: Mapping[int, int]
    settings: DecodeSettings
    children: DecodeChildren

    def __call__(self, page_number: int) -> RgbImage:
        """Raises Failure where the page no longer decodes."""
        [page] = self.children.decode(
            self.path, self.document.kind, page_number, page_number, self.settings, self.document.uri
        )
        if isinstance(page, FailedSegment):
            raise page.failure
        if page.image is None:
            raise Failure(Reason.DECODE_ERROR, f"{self.document.uri} page {page_number}: it gave no picture")
        return turned(page.image, (self.rotations[page_number] - page.rotation) % 360)


@dataclass(frozen=True, slots=True)
class VideoPictures:
    """One video's frames, upright, by their presentation times."""

    path: Path
    document: DocumentTasks
    settings: DecodeSettings
    children: DecodeChildren

    def __call__(self, time_s: float) -> RgbImage:
        """Raises Failure where the frame no longer decodes."""
        [shot] = self.children.decode_shots(
            self.path, [Shot(1, time_s, time_s, (time_s,))], self.settings, self.document.uri
        )
        if isinstance(shot, FailedSegment):
            raise shot.failure
        return shot.frames[0].image


class Pictures:
    """Opens documents and videos for one actor."""

    def __init__(self, access: PictureAccess) -> None:
        self._access = access
        self._children = DecodeChildren(CHILDREN, access.files.limits, access.files.passwords)

    @contextmanager
    def of_document(self, document: DocumentTasks, pages: Sequence[PageText]) -> Iterator[DocumentPictures]:
        """Raises Failure where the file is gone or has changed."""
        rotations = {page.page_number: page.rotation for page in pages}
        with self._opened(document) as path:
            yield DocumentPictures(path, document, rotations, self._access.settings, self._children)

    @contextmanager
    def of_video(self, document: DocumentTasks) -> Iterator[VideoPictures]:
        """Raises Failure where the file is gone or has changed."""
        with self._opened(document) as path:
            yield VideoPictures(path, document, self._access.settings, self._children)

    def _opened(self, document: DocumentTasks) -> AbstractContextManager[Path]:
        source = SourceFile(document.uri, document.size, document.etag, None)
        return self._access.files.open(source, document.asset_id, self._children)
