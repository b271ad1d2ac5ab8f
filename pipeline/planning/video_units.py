"""Units of work over videos before they are read: spans to scan for shots, and sounds to transcribe."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.tables.shot_lists import Span

SPANS = pa.schema(
    [
        ("uri", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("asset_id", pa.string()),
        ("duration_s", pa.float64()),
        ("number", pa.int32()),
        ("count", pa.int32()),
    ]
)
SOUNDS = pa.schema(
    [
        ("uri", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("asset_id", pa.string()),
        ("kind", pa.string()),
        ("duration_s", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class SpanToScan:
    """Span ``number`` (from 0) of ``count`` of one video. Matches one row of SPANS."""

    uri: str
    etag: str
    size: int | None
    asset_id: str
    duration_s: float
    number: int
    count: int

    @property
    def source(self) -> SourceFile:
        return SourceFile(self.uri, self.size, self.etag, None)

    def span(self, seconds: float) -> Span:
        """The span, in a run that cuts videos into spans of so many seconds."""
        return Span(self.asset_id, self.number, self.count, seconds)

    def to_row(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SoundToTranscribe:
    """The sound of one file, ``kind`` video or audio. Matches one row of SOUNDS."""

    uri: str
    etag: str
    size: int | None
    asset_id: str
    kind: str
    duration_s: float

    @property
    def source(self) -> SourceFile:
        return SourceFile(self.uri, self.size, self.etag, None)

    def to_row(self) -> dict[str, Any]:
        return asdict(self)
