"""DoclingDocument JSON, through ``docling-core``: the interchange format of Docling and of what reads it.

Pages keep their sizes and every item its page and box. Shots of a video have no place in the format: a video's text is
exported with one page a shot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from folioscope.model.protocol import Block
from folioscope.pipeline.readers.export.html_table import parse_table
from folioscope.pipeline.readers.export.selection import ExportedAsset, ExportedSegment

if TYPE_CHECKING:
    from docling_core.types.doc import DoclingDocument

_LABELS = {
    "text": "text",
    "caption": "caption",
    "formula": "formula",
    "footnote": "footnote",
    "header": "page_header",
    "footer": "page_footer",
}


def to_docling(asset: ExportedAsset) -> str:
    """The document as JSON that ``DoclingDocument.model_validate_json`` reads."""
    return str(_document(asset).model_dump_json(by_alias=True, exclude_none=True))


def _document(asset: ExportedAsset) -> DoclingDocument:
    from docling_core.types.doc import DoclingDocument, DocumentOrigin, Size

    name = asset.uris[0].rpartition("/")[2]
    document = DoclingDocument(name=name)
    document.origin = DocumentOrigin(
        mimetype="application/octet-stream", binary_hash=int(asset.asset_id[:16], 16), filename=name
    )
    for segment in asset.segments:
        size = Size(width=float(segment.width_px or 1), height=float(segment.height_px or 1))
        document.add_page(page_no=segment.number, size=size)
        _add_blocks(document, segment)
    return document


def _add_blocks(document: DoclingDocument, segment: ExportedSegment) -> None:
    group: Any = None
    for block in segment.blocks:
        if block.kind != "list_item":
            group = None
        elif group is None:
            group = document.add_list_group()
        _add(document, segment, block, group)
    if not segment.blocks and segment.text.strip():
        _add(document, segment, Block("text", segment.text), None)


def _add(document: DoclingDocument, segment: ExportedSegment, block: Block, group: Any) -> None:
    from docling_core.types.doc import ContentLayer, DocItemLabel

    place = _provenance(segment, block)
    text = block.text.strip()
    if block.kind == "table":
        document.add_table(data=_table(text), prov=place)
    elif block.kind == "picture":
        picture = document.add_picture(prov=place)
        if text:  # words that stand in the picture
            document.add_text(label=DocItemLabel.TEXT, text=text, prov=place, parent=picture)
    elif not text:
        return
    elif block.kind == "heading":
        document.add_heading(text=text, level=max(1, block.level), prov=place)
    elif block.kind == "list_item":
        document.add_list_item(text=text, enumerated=False, prov=place, parent=group)
    elif block.kind == "code":
        document.add_code(text=text, prov=place)
    else:
        beside = {"header": ContentLayer.FURNITURE, "footer": ContentLayer.FURNITURE, "comment": ContentLayer.NOTES}
        layer = beside.get(block.kind, ContentLayer.BODY)
        label = DocItemLabel(_LABELS.get(block.kind, "text"))
        document.add_text(label=label, text=text, prov=place, content_layer=layer)


def _provenance(segment: ExportedSegment, block: Block) -> Any:
    from docling_core.types.doc import BoundingBox, CoordOrigin, ProvenanceItem

    width, height = float(segment.width_px or 1), float(segment.height_px or 1)
    box = block.bbox
    edges = (0.0, 0.0, 1.0, 1.0) if box is None else (box.x0, box.y0, box.x1, box.y1)  # unknown: somewhere on the page
    bbox = BoundingBox(
        l=edges[0] * width,
        t=edges[1] * height,
        r=edges[2] * width,
        b=edges[3] * height,
        coord_origin=CoordOrigin.TOPLEFT,
    )
    return ProvenanceItem(page_no=segment.number, bbox=bbox, charspan=(0, len(block.text.strip())))


def _table(html: str) -> Any:
    from docling_core.types.doc import TableCell, TableData

    grid = parse_table(html)
    cells = [
        TableCell(
            text=cell.text,
            start_row_offset_idx=cell.row,
            end_row_offset_idx=cell.row_end,
            start_col_offset_idx=cell.column,
            end_col_offset_idx=cell.column_end,
            row_span=cell.row_end - cell.row,
            col_span=cell.column_end - cell.column,
            column_header=cell.header and cell.row == 0,
            row_header=cell.header and cell.row > 0,
        )
        for cell in grid.cells
    ]
    return TableData(num_rows=grid.rows, num_cols=grid.columns, table_cells=cells)
