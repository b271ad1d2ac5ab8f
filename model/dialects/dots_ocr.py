"""dots.ocr (rednote-hilab/dots.ocr, dots.mocr): a JSON list of layout elements with boxes in pixels of the picture.

Format and prompt as in the repository's ``prompt_layout_all_en``. Pictures go out in multiples of 28 pixels and at most
11,289,600 of them, as the model's own processor would make them, so that its pixels are ours. A list that was cut off
keeps its whole elements.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from folioscope.model.dialects.base import Dialect, Transcript, box_of, scaled, transcript_of
from folioscope.model.dialects.latex import bare
from folioscope.model.dialects.markdown import to_blocks, unfenced
from folioscope.model.engine.interface import Sampling
from folioscope.model.protocol import Block, BlockKind

CELL = 28
MOST_PIXELS = 11_289_600
KINDS: Final[dict[str, BlockKind]] = {
    "Caption": "caption",
    "Footnote": "footnote",
    "Formula": "formula",
    "List-item": "list_item",
    "Page-footer": "footer",
    "Page-header": "header",
    "Picture": "picture",
    "Section-header": "heading",
    "Table": "table",
    "Text": "text",
    "Title": "heading",
}
_MARKS = re.compile(r"\A(#{1,6})\s+")
_BULLET = re.compile(r"\A[-*•]\s+")


class DotsOcrDialect(Dialect):
    name = "dots-ocr"
    sampling = Sampling(16_384, 0.1, 0.9)
    # The markers are the model's own for its picture: without them servers put a line break before the text.
    prompt = (
        "<|img|><|imgpad|><|endofimg|>Please output the layout information from the PDF image, including each layout "
        "element's bbox, its category, and the corresponding text content within the bbox.\n\n"
        "1. Bbox format: [x1, y1, x2, y2]\n\n"
        "2. Layout Categories: The possible categories are ['Caption', 'Footnote', 'Formula', 'List-item', "
        "'Page-footer', 'Page-header', 'Picture', 'Section-header', 'Table', 'Text', 'Title'].\n\n"
        "3. Text Extraction & Formatting Rules:\n"
        "    - Picture: For the 'Picture' category, the text field should be omitted.\n"
        "    - Formula: Format its text as LaTeX.\n"
        "    - Table: Format its text as HTML.\n"
        "    - All Others (Text, Title, etc.): Format their text as Markdown.\n\n"
        "4. Constraints:\n"
        "    - The output text must be the original text from the image, with no translation.\n"
        "    - All layout elements must be sorted according to human reading order.\n\n"
        "5. Final Output: The entire output must be a single JSON object.\n"
    )

    def fit(self, width: int, height: int) -> tuple[int, int]:
        wide, high = scaled(width, height, pixels=MOST_PIXELS)
        across, down = (max(1, round(side / CELL)) for side in (wide, high))
        while across * down * CELL * CELL > MOST_PIXELS:
            across, down = (across - 1, down) if across > down else (across, down - 1)
        return across * CELL, down * CELL

    def parse(self, said: str, width: int, height: int) -> Transcript:
        elements = list(_elements(unfenced(said)))
        if not elements:
            text = unfenced(said)
            return Transcript(text, to_blocks(text)) if not text.startswith(("[", "{")) else Transcript("")
        return transcript_of([block for element in elements for block in _blocks(element, width, height)])


def _elements(text: str) -> list[dict[str, Any]]:
    """Every whole object of the list, also where the list has no end or stands in an object of its own."""
    decoder = json.JSONDecoder(strict=False)
    found: list[dict[str, Any]] = []
    start = text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except (json.JSONDecodeError, RecursionError):
            end = start + 1
        else:
            inner = [value, *(part for part in value.values() if isinstance(part, list))]
            candidates = [v for part in inner for v in (part if isinstance(part, list) else [part])]
            found += [v for v in candidates if isinstance(v, dict) and "bbox" in v]
        start = text.find("{", end)
    return found


def _blocks(element: dict[str, Any], width: int, height: int) -> list[Block]:
    corners = element.get("bbox")
    numbers = isinstance(corners, list) and all(isinstance(c, int | float) and not isinstance(c, bool) for c in corners)
    box = box_of(corners, width, height) if isinstance(corners, list) and numbers else None
    category, text = str(element.get("category")), element.get("text")
    kind = KINDS.get(category, "text")
    words = text.strip() if isinstance(text, str) else ""
    if kind == "heading":
        marks = _MARKS.match(words)
        level = len(marks[1]) if marks else 1 if category == "Title" else 2
        return [Block("heading", _MARKS.sub("", words), box, level=level)]
    if kind == "list_item":
        return [Block("list_item", _BULLET.sub("", line), box) for line in words.splitlines() if line.strip()]
    if kind == "formula":
        words = bare(words)
    return [Block(kind, words, box)]
