"""Chandra (datalab-to/chandra): HTML in layout blocks, each a ``div`` with label and box, in thousandths of the page.

Format and prompt as in the repository's ``ocr_layout``. Tables stay HTML; the rest becomes Markdown (markdownify).
"""

from __future__ import annotations

import re
from typing import Final

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

from folioscope.model.dialects.base import Dialect, Transcript, box_of, scaled, transcript_of
from folioscope.model.dialects.markdown import to_blocks, unfenced
from folioscope.model.engine.interface import Sampling
from folioscope.model.protocol import Block, BlockKind

SCALE = 1000
LONGEST, MOST_PIXELS = 3072, 3072 * 2048
KINDS: Final[dict[str, BlockKind]] = {
    "Caption": "caption",
    "Code-Block": "code",
    "Equation-Block": "formula",
    "Figure": "picture",
    "Footnote": "footnote",
    "Image": "picture",
    "Page-Footer": "footer",
    "Page-Header": "header",
    "Section-Header": "heading",
    "Table": "table",
    "Table-Of-Contents": "text",
}
_TAGS = (
    "math br i b u del sup sub table tr td p th div pre h1 h2 h3 h4 h5 ul ol li input a span img hr tbody small "
    "caption strong thead big code"
).split()
_ATTRIBUTES = "class colspan rowspan display checked type border value style href alt align".split()
_LABELS = (
    "Caption Footnote Equation-Block List-Group Page-Header Page-Footer Image Section-Header Table Text Complex-Block "
    "Code-Block Form Table-Of-Contents Figure"
).split()
_NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")


class ChandraDialect(Dialect):
    name = "chandra"
    sampling = Sampling(12_384, 0.0)
    prompt = (
        "OCR this image to HTML, arranged as layout blocks.  Each layout block should be a div with the data-bbox "
        "attribute representing the bounding box of the block in [x0, y0, x1, y1] format.  Bboxes are normalized "
        f"0-{SCALE}. The data-label attribute is the label for the block.\n\nUse the following labels:\n"
        + "\n".join(f"- {label}" for label in _LABELS)
        + f"\n\nOnly use these tags {_TAGS}, and these attributes {_ATTRIBUTES}.\n\nGuidelines:\n"
        "* Inline math: Surround math with <math>...</math> tags. Math expressions should be rendered in "
        "KaTeX-compatible LaTeX. Use display for block math.\n"
        "* Tables: Use colspan and rowspan attributes to match table structure.\n"
        "* Formatting: Maintain consistent formatting with the image, including spacing, indentation, "
        "subscripts/superscripts, and special characters.\n"
        "* Images: Include a description of any images in the alt attribute of an <img> tag. Do not fill out the src "
        "property.\n"
        "* Forms: Mark checkboxes and radio buttons properly.\n"
        "* Text: join lines together properly into paragraphs using <p>...</p> tags.  Use <br> tags for line breaks "
        "within paragraphs, but only when absolutely necessary to maintain meaning.\n"
        "* Use the simplest possible HTML structure that accurately represents the content of the block.\n"
        "* Make sure the text is accurate and easy for a human to read and interpret.  Reading order should be correct "
        "and natural."
    )

    def fit(self, width: int, height: int) -> tuple[int, int]:
        return scaled(width, height, longest=LONGEST, pixels=MOST_PIXELS)

    def parse(self, said: str, width: int, height: int) -> Transcript:
        page = BeautifulSoup(unfenced(said), "html.parser")
        divisions = page.find_all("div", recursive=False)
        if not divisions:
            text = _markdown(page)
            return Transcript(text, to_blocks(text))
        return transcript_of([block for division in divisions for block in _blocks(division)])


def _blocks(division: Tag) -> list[Block]:
    label = str(division.get("data-label"))
    box = box_of([float(n) for n in _NUMBERS.findall(str(division.get("data-bbox")))], SCALE, SCALE)
    kind = KINDS.get(label, "text")
    if kind == "picture":
        image = division.find("img")
        described = str(image.get("alt") or "") if isinstance(image, Tag) else ""
        return [Block("picture", described.strip() or division.get_text(" ", strip=True), box)]
    if kind == "table":
        return [Block("table", str(division.decode_contents()).strip(), box)]
    if kind == "code":
        return [Block("code", division.get_text().strip("\n"), box)]
    if kind == "formula":
        return [Block("formula", " ".join(division.get_text(" ", strip=True).split()), box)]
    if kind == "heading":
        title = division.find(re.compile(r"\Ah[1-6]\Z"))
        level = int(title.name[1]) if isinstance(title, Tag) else 2
        return [Block("heading", division.get_text(" ", strip=True), box, level=level)]
    return [Block(kind, _markdown(division), box)]


class _Converter(MarkdownConverter):
    """Markdown in our spelling: tables stay, formulas stand in dollars, check boxes are drawn."""

    def convert_table(self, element: Tag, text: str, parent_tags: object) -> str:
        return f"\n\n{element}\n\n"

    def convert_math(self, element: Tag, text: str, parent_tags: object) -> str:
        words = element.get_text().strip()
        return f"\n$$\n{words}\n$$\n" if element.get("display") == "block" else f"${words}$"

    def convert_input(self, element: Tag, text: str, parent_tags: object) -> str:
        return "☑ " if element.has_attr("checked") else "☐ "


def _markdown(element: Tag) -> str:
    converter = _Converter(
        heading_style="ATX", bullets="-", escape_misc=False, escape_underscores=False, escape_asterisks=False
    )
    return str(converter.convert(str(element.decode_contents()))).strip()
