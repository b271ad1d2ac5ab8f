"""ALTO 4 (https://www.loc.gov/standards/alto/), the format of digital libraries: one XML document a file."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from folioscope.model.protocol import Block, Box
from folioscope.pipeline.readers.export.lines import WHOLE_PAGE, Line, PixelBox, lines_of, pixels
from folioscope.pipeline.readers.export.selection import ExportedAsset, ExportedSegment
from folioscope.pipeline.readers.export.xml_text import xml_text

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"


def to_alto(asset: ExportedAsset) -> str:
    """Pages with their blocks, lines and words in pixels. A shot counts as a page."""
    ET.register_namespace("", NAMESPACE)
    root = ET.Element(_tag("alto"), SCHEMAVERSION="4.4")
    description = ET.SubElement(root, _tag("Description"))
    ET.SubElement(description, _tag("MeasurementUnit")).text = "pixel"
    image = ET.SubElement(description, _tag("sourceImageInformation"))
    ET.SubElement(image, _tag("fileName")).text = xml_text(asset.uris[0])
    layout = ET.SubElement(root, _tag("Layout"))
    for segment in asset.segments:
        _page(layout, segment)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _page(layout: ET.Element, segment: ExportedSegment) -> None:
    width, height = max(1, segment.width_px), max(1, segment.height_px)
    page = ET.SubElement(
        layout,
        _tag("Page"),
        ID=f"page_{segment.number}",
        PHYSICAL_IMG_NR=str(segment.number),
        WIDTH=str(width),
        HEIGHT=str(height),
    )
    space = ET.SubElement(page, _tag("PrintSpace"), _place(pixels(WHOLE_PAGE, width, height)))
    for number, block in enumerate(segment.blocks or _unboxed(segment), start=1):
        lines = lines_of(block)
        if lines:
            _block(space, f"block_{segment.number}_{number}", block, lines, (width, height))


def _block(space: ET.Element, name: str, block: Block, lines: list[Line], size: tuple[int, int]) -> None:
    place = _place(pixels(block.bbox or WHOLE_PAGE, *size))
    element = ET.SubElement(space, _tag("TextBlock"), {"ID": name, **place})
    for number, line in enumerate(lines, start=1):
        row = ET.SubElement(element, _tag("TextLine"), {"ID": f"{name}_{number}", **_place(pixels(line.box, *size))})
        for position, word in enumerate(line.words):
            if position:
                ET.SubElement(row, _tag("SP"))
            given = {"CONTENT": xml_text(word.text), **_place(pixels(word.box, *size))}
            if block.confidence is not None:
                given["WC"] = f"{min(1.0, max(0.0, block.confidence)):.3f}"
            ET.SubElement(row, _tag("String"), given)


def _unboxed(segment: ExportedSegment) -> tuple[Block, ...]:
    return (Block("text", segment.text, Box(0.0, 0.0, 1.0, 1.0)),) if segment.text.strip() else ()


def _place(box: PixelBox) -> dict[str, str]:
    return {
        "HPOS": str(box.x0),
        "VPOS": str(box.y0),
        "WIDTH": str(box.x1 - box.x0),
        "HEIGHT": str(box.y1 - box.y0),
    }


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
