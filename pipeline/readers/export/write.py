"""Writes an export to a folder or a bucket: one file a document, or lines in files of bounded size.

Streams: one document's text is in memory at a time, and the names of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from folioscope.pipeline.readers.export.alto import to_alto
from folioscope.pipeline.readers.export.docling import to_docling
from folioscope.pipeline.readers.export.hocr import to_hocr
from folioscope.pipeline.readers.export.html import to_html
from folioscope.pipeline.readers.export.markdown import to_markdown_file
from folioscope.pipeline.readers.export.names import common_folder, relative_name
from folioscope.pipeline.readers.export.records import chunk_lines, csv_header, csv_lines, document_lines, page_lines
from folioscope.pipeline.readers.export.selection import ExportedAsset, Selection, exported_assets, selected_uris
from folioscope.pipeline.storage.store import OutputStore
from folioscope.schemas.extras import require

PART_BYTES = 256 << 20
Per = Literal["page", "document"]


class ExportFormat(StrEnum):
    md = "md"
    jsonl = "jsonl"
    chunks = "chunks"
    csv = "csv"
    html = "html"
    docling = "docling"
    alto = "alto"
    hocr = "hocr"


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: files of the archive, and files of the export."""

    assets: int
    files: int


@dataclass(frozen=True, slots=True)
class _FileFormat:
    """A format with one file for each path of the archive."""

    suffix: str
    content_type: str
    render: Callable[[ExportedAsset], str]


_FILE_FORMATS = {
    ExportFormat.md: _FileFormat(".md", "text/markdown", to_markdown_file),
    ExportFormat.html: _FileFormat(".html", "text/html", to_html),
    ExportFormat.docling: _FileFormat(".docling.json", "application/json", to_docling),
    ExportFormat.alto: _FileFormat(".alto.xml", "application/xml", to_alto),
    ExportFormat.hocr: _FileFormat(".hocr.html", "text/html", to_hocr),
}


def export(
    store: OutputStore, target: OutputStore, to: ExportFormat, selection: Selection, per: Per = "page"
) -> Exported:
    """Write the selected current files of ``store`` under ``target``.

    ``per`` is the record of ``jsonl``. Files of an earlier export are replaced under the same names; none is removed.

    Raises:
        OutputError: the archive cannot be read, or the target not be written.
        MissingExtraError: the format wants a package that is not installed.
    """
    if to is ExportFormat.docling:
        require("docling", "--to docling")
    if to in _FILE_FORMATS:
        return _export_files(store, target, _FILE_FORMATS[to], selection)
    lines = {
        ExportFormat.jsonl: page_lines if per == "page" else document_lines,
        ExportFormat.chunks: chunk_lines,
        ExportFormat.csv: csv_lines,
    }[to]
    suffix = "csv" if to is ExportFormat.csv else "jsonl"
    header = csv_header() if to is ExportFormat.csv else ""
    counted = _Counted(exported_assets(store, selection))
    files = _write_parts(target, (line for asset in counted for line in lines(asset)), suffix, header)
    return Exported(counted.count, files)


def _export_files(store: OutputStore, target: OutputStore, form: _FileFormat, selection: Selection) -> Exported:
    folder = common_folder(selected_uris(store, selection))
    assets = files = 0
    for asset in exported_assets(store, selection):
        data = form.render(asset).encode("utf-8", "replace")
        for uri in asset.uris:
            target.write(relative_name(uri, folder) + form.suffix, data, content_type=form.content_type)
            files += 1
        assets += 1
    return Exported(assets, files)


class _Counted:
    """Counts what passes."""

    def __init__(self, assets: Iterable[ExportedAsset]) -> None:
        self._assets = assets
        self.count = 0

    def __iter__(self) -> Iterator[ExportedAsset]:
        for asset in self._assets:
            self.count += 1
            yield asset


def _write_parts(target: OutputStore, lines: Iterator[str], suffix: str, header: str) -> int:
    """Lines as files ``part-00000.<suffix>`` of at most PART_BYTES; one with the header alone where there are none."""
    number = 0
    line = next(lines, None)
    while line is not None or number == 0:
        with target.writer(f"part-{number:05d}.{suffix}") as sink:
            sink.write(header.encode())
            written = 0
            while line is not None and written < PART_BYTES:
                written += sink.write(line.encode("utf-8", "replace"))
                line = next(lines, None)
        number += 1
    return number
