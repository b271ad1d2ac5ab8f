"""Which reader a page goes to, and why: every rule of it stands here. Runs inside a decode child.

A vision-language model is worth its GPU where it adds something: where there is no usable text layer, and where the
layer's words are there while what they mean stands in how they are set: formulas, figures with words, tables with
merged cells, forms. Everything else is read from its layer, by the embedded reader, in the child, without the model.
Each rule has a name, which the page's row bears. ``RULES`` is part of the recipe: another rule, another number.

Rules that need no layout come first, so that pages of theirs cost 10 ms. The others cost the layout network, a second
where a page is more than plain prose, and some tenths of one for each picture that must be looked over for words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from folioscope.model.blocks import Box, TextLayer
from folioscope.model.plain_text import strip_markup
from folioscope.pipeline.decode.pages import Routed

RULES: Final = "1"
VERDICTS: Final = {"absent": "no_layer", "hidden_ocr": "hidden_ocr", "garbled": "garbled_layer"}

MATH_LETTERS = 10  # letters and signs in fonts for formulas; a variable here and there is read right from the layer
OPERATORS = 2  # signs of which one alone may be an ornament
SCRIPTS = 2  # variables with something raised or lowered beside them
BLANKS = 3  # places to be filled in
UNNAMED = 0.005  # of the characters stand for nothing; from 0.05 on the layer is not usable at all
FIGURE_WORDS = 3

_MATH_FONT = re.compile(
    r"(?:^|\+)(?:CM(?:MI|SY|EX|BSY|MIB)|MSAM|MSBM|EU[FRS][MB]|RSFS|WASY|STMARY|MT(?:MI|SY|EX)|[tp]x(?:mi|sy|ex)"
    r"|Pazo|STIXMath|LMMath)|Math(?:$|[-_]|Jax_(?!Main)|ematicalPi)|KaTeX_(?!Main)",
)
_IN_PROSE = frozenset("•·∗*†‡§¶−-–—+<>=/|~,.()[]{}:;'\"°…")  # what typesetters take from fonts for formulas
_OPERATOR = re.compile(r"[∑∏∫∬∮√∂∇∞∀∃∈∉⊂⊆⊃⊇∪∩∝≡≅⇒⇔⟨⟩∧∨⊕⊗]|[\U0001d400-\U0001d7ff]")
_SCRIPT = re.compile(r"(?<![\w>])[A-Za-zΑ-ω]<su[bp]>")
_TO_FILL = re.compile(r"_{4,}|\.{12,}\s*$|[☐☑☒□❏❑]\s", re.M)
_ROW = re.compile(r"<tr\b.*?</tr>", re.S)
_CELL = re.compile(r"<t[dh]\b([^>]*)>(.*?)</t[dh]>", re.S)
_SPAN = re.compile(r"\b(?:col|row)span=\"?(\d+)")
_FIGURE_LINE = re.compile(r"\s*[-+(]?[$€£]?\s*\d[\d.,%)\s]*")


@dataclass(frozen=True, slots=True)
class Looks:
    """How a page is set, before any layout: its text, what stands in each font, and whether it has form fields."""

    text: str
    fonts: Mapping[str, str]
    fields: bool = False

    @classmethod
    def of(cls, spans: Iterable[Mapping[str, Any]], text: str, *, fields: bool) -> Looks:
        fonts: defaultdict[str, list[str]] = defaultdict(list)
        for span in spans:
            fonts[span["font"]].append(span["text"])
        return cls(text, {font: "".join(pieces) for font, pieces in fonts.items()}, fields)

    @property
    def signs_of_formulas(self) -> int:
        """Letters and signs in fonts that are made for formulas, without what typesetters take from them for prose."""
        of_formulas = (text for font, text in self.fonts.items() if _MATH_FONT.search(font))
        return sum(not sign.isspace() and sign not in _IN_PROSE for text in of_formulas for sign in text)


def by_verdict(layer: TextLayer | None) -> Routed | None:
    """The rule of pages without a usable layer; None where there is one."""
    reason = "no_layer" if layer is None else VERDICTS.get(layer.verdict)
    return None if reason is None else Routed("model", reason)


def before_layout(looks: Looks) -> Routed | None:
    """The rules that look at letters and fonts alone; None where none fits."""
    if looks.fields or len(_TO_FILL.findall(looks.text)) >= BLANKS:
        return Routed("model", "form")
    if looks.signs_of_formulas >= MATH_LETTERS or len(_OPERATOR.findall(looks.text)) >= OPERATORS:
        return Routed("model", "formula")
    if _unnamed_share(looks.text) > UNNAMED:
        return Routed("model", "low_confidence")
    return None


def after_layout(layer: TextLayer) -> Routed | None:
    """The rules that look at the blocks of full layout; None where none fits."""
    if "layout_timeout" in layer.flags or "layout_lost_words" in layer.flags:
        return Routed("model", "low_confidence")
    blocks = layer.blocks
    scripts = sum(len(_SCRIPT.findall(block.text)) for block in blocks if block.kind != "table")
    if scripts >= SCRIPTS or any(block.kind == "formula" and len(block.text) > 1 for block in blocks):
        return Routed("model", "formula")
    if "lost_table" in layer.flags or any(block.kind == "table" and not is_plain_grid(block.text) for block in blocks):
        return Routed("model", "table")
    if any(block.kind == "picture" and len(strip_markup(block.text).split()) >= FIGURE_WORDS for block in blocks):
        return Routed("model", "figure")
    return None


def pictures_to_look_over(layer: TextLayer) -> tuple[Box, ...]:
    """Pictures of a page that no rule fits so far, in which words may stand."""
    drawn = [block.bbox for block in layer.blocks if block.kind == "picture" and block.bbox is not None]
    return (*layer.pictures, *(box for box in drawn if not any(_lies_in(box, other) for other in layer.pictures)))


def is_plain_grid(table: str) -> bool:
    """Whether a table is rebuilt beyond doubt: a grid of two columns or more, no cell merged, none empty throughout.

    What has merged cells, rows of different length, an empty row or column, or several figures in one cell may be
    another table than the one on the page.
    """
    rows = [_CELL.findall(row) for row in _ROW.findall(table)]
    if len(rows) < 2 or len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return False
    if any(int(span) > 1 for row in rows for given, _ in row for span in _SPAN.findall(given)):
        return False
    filled = [[bool(strip_markup(text)) for _, text in row] for row in rows]
    if not all(any(row) for row in filled) or not all(any(column) for column in zip(*filled, strict=True)):
        return False
    return not any(_holds_figures(text) for row in rows for _, text in row)


def _holds_figures(cell: str) -> bool:
    """True for a cell of several lines, all of them figures: rows that were taken for one."""
    lines = [line for line in re.split(r"<br\s*/?>|\n", cell) if line.strip()]
    return len(lines) > 1 and all(_FIGURE_LINE.fullmatch(line) for line in lines)


def _unnamed_share(text: str) -> float:
    """Share of characters that no reader can name."""
    solid = [sign for sign in text if not sign.isspace()]
    unnamed = sum(sign == "\ufffd" or unicodedata.category(sign) in ("Co", "Cn", "Cc", "Cs") for sign in solid)
    return unnamed / len(solid) if solid else 0.0


def _lies_in(box: Box, other: Box) -> bool:
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    return other.x0 <= x <= other.x1 and other.y0 <= y <= other.y1
