"""One HTML page a file: its blocks as elements, with their boxes as data attributes."""

from __future__ import annotations

from html import escape
from itertools import zip_longest

from folioscope.model.protocol import Block
from folioscope.pipeline.readers.export.html_table import parse_table
from folioscope.pipeline.readers.export.markdown import segment_label
from folioscope.pipeline.readers.export.selection import ExportedAsset, ExportedSegment

_ELEMENT = {"caption": "figcaption", "footnote": "aside", "header": "header", "footer": "footer", "formula": "pre"}


def to_html(asset: ExportedAsset) -> str:
    """A whole page in UTF-8. Text of the document is escaped; tables, which the readers write as HTML, stay tables."""
    title = escape(asset.title or asset.uris[0])
    language = next((segment.language for segment in asset.segments if segment.language), None)
    lang = f' lang="{escape(language)}"' if language else ""
    body = "\n".join(map(_section, asset.segments))
    return (
        f'<!DOCTYPE html>\n<html{lang}>\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n</head>\n<body>\n'
        f"{body}\n</body>\n</html>\n"
    )


def _section(segment: ExportedSegment) -> str:
    head = f'<section data-{segment.kind}="{segment.number}" aria-label="{escape(segment_label(segment))}">'
    blocks = [_element(block) for block in segment.blocks if block.text.strip()]
    if not blocks and segment.text.strip():
        blocks = [f"<pre>{escape(segment.text)}</pre>"]
    return "\n".join([head, *_lists(blocks), "</section>"])


def _element(block: Block) -> str:
    data = _data(block)
    if block.kind == "table":
        return f"<figure{data}>{safe_table(block.text)}</figure>"
    if block.kind == "heading":
        level = min(6, max(1, block.level))
        return f"<h{level}{data}>{escape(block.text)}</h{level}>"
    if block.kind == "list_item":
        return f"<li{data}>{escape(block.text)}</li>"
    if block.kind == "code":
        return f"<pre{data}><code>{escape(block.text)}</code></pre>"
    tag = _ELEMENT.get(block.kind, "p")
    return f"<{tag}{data}>{escape(block.text)}</{tag}>"


def _lists(elements: list[str]) -> list[str]:
    """List items that follow each other stand in one list."""
    out: list[str] = []
    for element, after in zip_longest(elements, elements[1:], fillvalue=""):
        item = element.startswith("<li")
        if item and not (out and out[-1].startswith("<li")):
            out.append("<ul>")
        out.append(element)
        if item and not after.startswith("<li"):
            out.append("</ul>")
    return out


def _data(block: Block) -> str:
    if block.bbox is None:
        return ""
    box = block.bbox
    return f' data-box="{box.x0:.4f} {box.y0:.4f} {box.x1:.4f} {box.y1:.4f}"'


def safe_table(html: str) -> str:
    """The table written anew from its cells, so that no other markup of a document reaches a browser."""
    grid = parse_table(html)
    rows = []
    for number in range(grid.rows):
        cells = []
        for cell in (cell for cell in grid.cells if cell.row == number):
            tag = "th" if cell.header else "td"
            down, across = cell.row_end - cell.row, cell.column_end - cell.column
            spans = (f' rowspan="{down}"' if down > 1 else "") + (f' colspan="{across}"' if across > 1 else "")
            cells.append(f"<{tag}{spans}>{escape(cell.text)}</{tag}>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(rows)}</table>"
