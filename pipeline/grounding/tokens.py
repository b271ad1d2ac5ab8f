"""Words as they are compared: of Markdown, of HTML tables and of a reference reader, each with where it stands.

Letters and figures part (``H2O`` is three words), a figure keeps its point but not its thousands separators, an
ideograph is a word. Signs, empty cells, check boxes, the addresses of links and the commands of LaTeX are no words.
What stands in a formula may match, but is missed by nobody: a layer writes formulas in another way than a model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from folioscope.model.blocks import Block
from folioscope.pipeline.grounding.reference import Boxes, Reference

_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0900-\u0903\u093a-\u094f\u0981-\u0983\u09bc-\u09cd"
)
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff"
_TOKEN = re.compile(
    rf"\d+(?:[.,:]\d+)*|[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W\d_]|[\u00ad{_MARKS}])+"
    rf"(?:['’ʼ](?:(?![{_UNSPACED}])[^\W\d_]|[{_MARKS}])+)*"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?")
_NO_WORDS = re.compile(
    r"<!--.*?-->|</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>|!\[[^\]]*\]\([^)]*\)|\]\([^)\s]*\)|&#?\w+;|\[[ xX✓✔]\]"
    r"|\\[A-Za-z]+\*?|\\.",
    re.DOTALL,
)
_FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$|\\\(.+?\\\)|\\\[.+?\\\]", re.DOTALL)
_TAG = re.compile(r"<(/?)(table|tr|td|th)\b([^<>]*)>", re.IGNORECASE)
_SPAN = re.compile(r"(row|col)span\s*=\s*[\"']?(\d+)", re.IGNORECASE)
SOFT_KINDS = frozenset({"formula", "picture"})
UNCOMPARED_KINDS = frozenset({"comment", "subtitle", "speech"})


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a block: its normal form, its characters in the block's text, the cell that it stands in.

    ``soft`` words may match, but count neither as supported nor as not.
    """

    form: str
    start: int
    end: int
    soft: bool = False
    cell: tuple[int, int] | None = None


def normal_word(word: str) -> str:
    """A word as it is compared."""
    form = unicodedata.normalize("NFKC", word).casefold().replace("\u00ad", "").replace("’", "'").replace("ʼ", "'")
    if _THOUSANDS.fullmatch(form):
        decimal = max(form.rfind("."), form.rfind(","))
        tail = form[decimal + 1 :]
        if len(tail) == 3 and len(set(form) & {".", ","}) == 1:
            return form.replace(",", "").replace(".", "")
        return form[:decimal].replace(",", "").replace(".", "") + "." + tail
    return form.replace(",", ".") if form[:1].isdigit() else form


def is_figure(form: str) -> bool:
    return form[:1].isdigit()


def block_tokens(block: Block) -> list[Token]:
    """The words of a block that are compared, in order."""
    if block.kind in UNCOMPARED_KINDS:
        return []
    text = block.text
    soft = [(0, len(text))] if block.kind in SOFT_KINDS else [match.span() for match in _FORMULA.finditer(text)]
    cells = list(_cells(text)) if block.kind == "table" else []
    plain = _NO_WORDS.sub(_blanked, text)
    tokens: list[Token] = []
    at_cell = at_soft = 0
    for match in _TOKEN.finditer(plain):
        start, end = match.span()
        while at_cell < len(cells) and cells[at_cell][1] <= start:
            at_cell += 1
        while at_soft < len(soft) and soft[at_soft][1] <= start:
            at_soft += 1
        cell = cells[at_cell][2] if at_cell < len(cells) and cells[at_cell][0] <= start else None
        within = at_soft < len(soft) and soft[at_soft][0] <= start
        tokens.append(Token(normal_word(match[0]), start, end, within, cell))
    return tokens


def _blanked(match: re.Match[str]) -> str:
    """White in the place of what is no word. Tags within a word leave it in two; the alignment joins it again."""
    return " " * len(match[0])


def _cells(text: str) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """(start, end, (row, column)) of a table's cells."""
    row, column, begun = -1, 0, -1
    taken: set[tuple[int, int]] = set()
    for tag in _TAG.finditer(text):
        name, closing = tag[2].lower(), bool(tag[1])
        if begun >= 0 and (name in ("td", "th") or name == "tr"):
            yield begun, tag.start(), (row, column)
            begun = -1
        if name == "tr" and not closing:
            row, column = row + 1, -1
        elif name in ("td", "th") and not closing:
            row, column = max(row, 0), column + 1
            while (row, column) in taken:
                column += 1
            spans = {kind.lower(): min(int(number), 1000) for kind, number in _SPAN.findall(tag[3])}
            width, height = max(1, spans.get("col", 1)), max(1, spans.get("row", 1))
            taken |= {(row + down, column + right) for down in range(height) for right in range(width)}
            begun = tag.end()


@dataclass(frozen=True, slots=True)
class ReferenceTokens:
    """A reference's words cut as a block's are. ``word`` is each one's number in the reference.

    ``signs`` are the numbers of words without a letter that stand behind a word in its line: dots, dashes, arrows.
    """

    forms: list[str]
    boxes: Boxes
    word: list[int]
    optional: list[bool]
    signs: dict[int, list[int]]


def reference_tokens(reference: Reference) -> ReferenceTokens:
    """The compared words of a reference; a part of a word has its share of the word's box."""
    forms: list[str] = []
    numbers: list[int] = []
    parts: list[tuple[float, float]] = []
    signs: dict[int, list[int]] = {}
    for number, word in enumerate(reference.words):
        if numbers and _TOKEN.search(word) is None and _in_line(reference.boxes[numbers[-1]], reference.boxes[number]):
            signs.setdefault(numbers[-1], []).append(number)
        for match in _TOKEN.finditer(word):
            forms.append(normal_word(match[0]))
            numbers.append(number)
            parts.append((match.start() / len(word), match.end() / len(word)))
    boxes = reference.boxes[numbers].copy() if numbers else np.zeros((0, 4), np.float32)
    if numbers:
        share = np.array(parts, np.float32)
        share[share[:, 0] * 20 < 1, 0] = 0.0  # a quotation mark or a bracket is a part of the word that it stands at
        share[(1 - share[:, 1]) * 20 < 1, 1] = 1.0
        width = boxes[:, 2] - boxes[:, 0]
        left = boxes[:, 0].copy()
        boxes[:, 0] = left + share[:, 0] * width
        boxes[:, 2] = left + share[:, 1] * width
    optional = [bool(reference.optional[number]) for number in numbers]
    return ReferenceTokens(forms, boxes, numbers, optional, signs)


def _in_line(word: Boxes, sign: Boxes) -> bool:
    """Whether a sign stands behind a word, in its line."""
    return bool(word[1] < (sign[1] + sign[3]) / 2 < word[3] and sign[0] >= word[0])
