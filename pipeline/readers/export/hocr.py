"""hOCR 1.2 (https://kba.github.io/hocr-spec/1.2/): one XHTML document a file, with pages, areas, lines and words."""

from __future__ import annotations

from html import escape

from folioscope.model.protocol import Block
from folioscope.pipeline.readers.export.lines import WHOLE_PAGE, PixelBox, lines_of, pixels
from folioscope.pipeline.readers.export.selection import ExportedAsset, ExportedSegment
from folioscope.pipeline.readers.export.xml_text import xml_text

_CAPABILITIES = "ocr_page ocr_carea ocr_par ocr_line ocrx_word"
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<title>{title}</title>
<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
<meta name="ocr-system" content="{system}"/>
<meta name="ocr-capabilities" content="{capabilities}"/>
</head>
<body>
"""


def to_hocr(asset: ExportedAsset, system: str = "folioscope") -> str:
    """Pages with areas, paragraphs, lines and words; a shot counts as a page. Word boxes: see :mod:`.lines`."""
    head = _HEAD.format(title=_text(asset.title or asset.uris[0]), system=_text(system), capabilities=_CAPABILITIES)
    pages = "\n".join(_page(asset.uris[0], segment) for segment in asset.segments)
    return f"{head}{pages}\n</body>\n</html>\n"


def _page(uri: str, segment: ExportedSegment) -> str:
    width, height = max(1, segment.width_px), max(1, segment.height_px)
    image = _text(uri).replace(";", "%3B")
    place = f'image "{image}"; {_bbox(pixels(WHOLE_PAGE, width, height))}; ppageno {segment.number - 1}'
    blocks = segment.blocks or ((Block("text", segment.text),) if segment.text.strip() else ())
    areas = "\n".join(
        _area(f"{segment.number}_{number}", block, width, height) for number, block in enumerate(blocks, start=1)
    )
    return f"<div class='ocr_page' id='page_{segment.number}' title='{_attribute(place)}'>\n{areas}\n</div>"


def _area(name: str, block: Block, width: int, height: int) -> str:
    lines = []
    for number, line in enumerate(lines_of(block), start=1):
        words = " ".join(
            f"<span class='ocrx_word' id='word_{name}_{number}_{position}' "
            f"title='{_bbox(pixels(word.box, width, height))}{_confidence(block)}'>{_text(word.text)}</span>"
            for position, word in enumerate(line.words, start=1)
        )
        place = _bbox(pixels(line.box, width, height))
        lines.append(f"<span class='ocr_line' id='line_{name}_{number}' title='{place}'>{words}</span>")
    place = _bbox(pixels(block.bbox or WHOLE_PAGE, width, height))
    inner = "\n".join(lines)
    return (
        f"<div class='ocr_carea' id='block_{name}' title='{place}'>\n"
        f"<p class='ocr_par' id='par_{name}' title='{place}'>\n{inner}\n</p>\n</div>"
    )


def _bbox(box: PixelBox) -> str:
    return f"bbox {box.x0} {box.y0} {box.x1} {box.y1}"


def _confidence(block: Block) -> str:
    return "" if block.confidence is None else f"; x_wconf {round(100 * min(1.0, max(0.0, block.confidence)))}"


def _text(text: str) -> str:
    return escape(xml_text(text), quote=False)


def _attribute(text: str) -> str:
    return text.replace("'", "&#39;")
