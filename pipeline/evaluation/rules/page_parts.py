"""A page's Markdown in the parts that OmniDocBench compares: texts, display formulas and HTML tables, in order.

LaTeX tables are left where they stand, as text. Linear in the page.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass, field

from bs4 import BeautifulSoup
from pylatexenc.latex2text import LatexNodes2Text
from pylatexenc.latexwalker import LatexWalkerError

_PICTURE = re.compile(r"!\[.*?\]\(.*?\)")
_TABLE = re.compile(r"<table.*?</table>", re.S | re.I)
_DISPLAY = re.compile(r"\$\$(.*?)\$\$|\\\[(.*?)\\\]", re.S)
_CODE = re.compile(r"```(\w+)\n(.*?)```", re.S)
_INLINE = re.compile(r"\$(.*?)\$|\\\((.*?)\\\)")
_FENCES = (re.compile(r"^```markdown\n?", re.M), re.compile(r"```\n?$", re.M))
_DRESS = (
    *("mathbf", "mathrm", "mathnormal", "mathit", "mathbb", "mathcal", "mathscr", "mathfrak", "mathsf", "mathtt"),
    *("textbf", "text", "boldmath", "boldsymbol", "operatorname", "bm", "symbfit", "mathbfcal", "symbf"),
    *("scriptscriptstyle", "notag", "setlength", "coloneqq", "space", "thickspace", "thinspace", "medspace"),
    *("nobreakspace", "negmedspace", "quad", "qquad", "enspace", "substackw"),
)
_DROPPED_FROM_FORMULAS = (
    r"\\tag\{.*?\}",
    r"\\hspace\{.*?\}",
    r"\\begin\{.*?\}",
    r"\\end\{.*?\}",
    r"\\arraycolsep.*?\}",
)
_TABLE_TAGS = frozenset({"td", "tr", "table"})


@dataclass(slots=True)
class PageParts:
    texts: list[str] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)


def parts_of(page: str) -> PageParts:
    page = _PICTURE.sub("", page)
    for fence in _FENCES:
        page = fence.sub("", page)
    parts = PageParts()

    def take_table(match: re.Match[str]) -> str:
        parts.tables.append(match[0])
        return " " * len(match[0])

    def take_formula(match: re.Match[str]) -> str:
        parts.formulas.append("".join((match[1] or match[2] or "").split()))
        return " " * len(match[0])

    page = _DISPLAY.sub(take_formula, _TABLE.sub(take_table, page))
    lines: list[str] = []
    run: list[str] = []
    for line in [*page.split("\n"), ""]:
        if line.strip().startswith("|") and line.strip().endswith("|") and len(line.strip()) > 1:
            run.append(line)
            continue
        if len(run) >= 2:
            parts.tables.append(_markdown_table(run))
            run = []
        lines += [*run, line]
        run = []
    codes: list[str] = []

    def take_code(match: re.Match[str]) -> str:
        codes.append(match[2].strip())
        return "\n\n"

    page = _CODE.sub(take_code, "\n".join(lines[:-1]))
    pieces = page.split("\n\n")
    if len(pieces) == 1:  # some models part blocks by single newlines
        pieces = page.split("\n")
    parts.texts = [text for piece in pieces if (text := "\n".join(filter(None, map(str.strip, piece.split("\n")))))]
    parts.texts += codes
    return parts


def _markdown_table(lines: list[str]) -> str:
    rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines]
    kept = [row for row in rows if not all(set(cell) <= set("-: ") for cell in row)]
    cells = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in kept)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def comparable_text(text: str) -> str:
    """Letters, digits and underscores alone; of an inline formula what it shows."""

    def shown(match: re.Match[str]) -> str:
        inner = re.sub(r"\\([\\_&%^])", "", match[1] if match[1] is not None else match[2])
        if not any(sign in inner for sign in "\\^_"):
            return match[0]
        try:
            return str(LatexNodes2Text().latex_to_text(inner + " " if inner.endswith("\\") else inner)).strip()
        except (LatexWalkerError, IndexError, ValueError):
            return match[0]

    text = _INLINE.sub(shown, text)
    for sign in ("\\t", "\\n", "\t", "\n", "/t", "/n"):
        text = text.replace(sign, "")
    return re.sub(r"[^\w\u4e00-\u9fff]", "", text)


def comparable_formula(latex: str) -> str:
    """Without fonts, spaces, tags and environments, in small letters."""
    inside = re.search(r"\\\[(.+?)(?<!\\)\\\]", latex)
    latex = inside[1].strip() if inside else latex
    for pattern in _DROPPED_FROM_FORMULAS:
        latex = re.sub(pattern, "", latex)
    latex = latex.strip(".")
    for name in _DRESS:
        latex = latex.replace(f"\\{name}", "")
    return latex.replace(" ", "").lower()


def comparable_table(table: str) -> str:
    """One kind of cell, no wrappers of rows, no styles, no tags inside cells."""
    soup = BeautifulSoup(table, "html.parser")
    for tag in soup.find_all(True):
        if tag.name == "th":
            tag.name = "td"
        if tag.name == "colgroup":
            tag.decompose()
        elif tag.name not in _TABLE_TAGS:
            tag.unwrap()
        else:
            tag.attrs = {name: value for name, value in tag.attrs.items() if name in ("colspan", "rowspan")}
    text = unicodedata.normalize("NFKC", html.unescape(str(soup)).replace("\n", "")).strip()
    return re.sub(r"\s+", " ", text)
