"""JSON lines and CSV: one record a page or shot, a document, or a chunk for retrieval."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from folioscope.pipeline.readers.export.chunks import chunks_of
from folioscope.pipeline.readers.export.selection import ExportedAsset, ExportedSegment

CSV_COLUMNS: Final = ("uri", "kind", "number", "start_s", "end_s", "language", "text_source", "flags", "text")


def page_lines(asset: ExportedAsset) -> Iterator[str]:
    """A JSON object for each page or shot, with its blocks and their boxes."""
    for segment in asset.segments:
        yield _json({**_head(asset), **_segment(segment)})


def document_lines(asset: ExportedAsset) -> Iterator[str]:
    """One JSON object: the whole text, and the pages or shots in ``segments``."""
    text = "\n\n".join(segment.text for segment in asset.segments if segment.text)
    yield _json({**_head(asset), "text": text, "segments": [_segment(segment) for segment in asset.segments]})


def chunk_lines(asset: ExportedAsset) -> Iterator[str]:
    """One JSON object for each chunk: see :func:`.chunks.chunks_of`."""
    for chunk in chunks_of(asset.segments):
        yield _json({**_head(asset), **asdict(chunk)})


def csv_header() -> str:
    return _csv_row(CSV_COLUMNS)


def csv_lines(asset: ExportedAsset) -> Iterator[str]:
    """One row for each page or shot; flags are joined by spaces."""
    for segment in asset.segments:
        yield _csv_row(
            (
                asset.uris[0],
                segment.kind,
                segment.number,
                segment.start_s,
                segment.end_s,
                segment.language,
                segment.text_source,
                " ".join(segment.flags),
                segment.text,
            )
        )


def _head(asset: ExportedAsset) -> dict[str, Any]:
    return {"uri": asset.uris[0], "uris": list(asset.uris), "asset_id": asset.asset_id, "title": asset.title}


def _segment(segment: ExportedSegment) -> dict[str, Any]:
    return {name: value for name, value in asdict(segment).items() if value is not None}


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _csv_row(values: tuple[Any, ...]) -> str:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerow(values)
    return sink.getvalue()
