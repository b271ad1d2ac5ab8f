"""What actors need to open an archive's files: the node's cache, and the limits and passwords of decode children.

A file inside another is taken out of it, in a decode child, into the cache; what is there already costs a link.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.unpacking import unpacked
from folioscope.pipeline.storage.attachments import Inside, inside
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.fetching import LocalCopy
from folioscope.pipeline.storage.source_file import SourceFile

MAX_UNPACKED_BYTES = 512 << 20  # of one attachment: twice that must fit into a decode child


@dataclass(frozen=True, slots=True)
class FileAccess:
    """``passwords`` are plain: Ray's own store holds them for the run."""

    cache: DownloadCache
    max_file_bytes: int
    limits: ChildLimits = field(default_factory=ChildLimits)
    passwords: tuple[str, ...] = ()

    def fetch(self, source: SourceFile) -> LocalCopy:
        """Raises Failure where the file cannot be had."""
        return self.cache.fetch(source, self.max_file_bytes)

    def open(self, source: SourceFile, asset_id: str | None, children: DecodeChildren) -> AbstractContextManager[Path]:
        """Raises Failure where the file cannot be had, or no longer holds the bytes of ``asset_id`` (None: any)."""
        place = inside(source)
        if place is None or asset_id is None:
            return self.cache.open(source, asset_id, self.max_file_bytes)
        return self._open_inside(place, source, asset_id, children)

    @contextmanager
    def _open_inside(
        self, place: Inside, source: SourceFile, asset_id: str, children: DecodeChildren
    ) -> Iterator[Path]:
        def pieces() -> Iterator[bytes]:
            with self.cache.open(place.outer, place.outer_asset_id, self.max_file_bytes) as path:
                yield from unpacked(children, path, source.uri, place.numbers, MAX_UNPACKED_BYTES)

        with self.cache.open_unpacked(source, asset_id, pieces, self.max_file_bytes) as copy:
            yield copy.path
