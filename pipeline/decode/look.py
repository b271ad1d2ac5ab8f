"""What is usual on a page, and so what stands out: its body's size, whether most of it is bold. Next to free."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pymupdf

TITLE_SIZE = 1.15  # times the body's
_SIGNS = r"·•▪●◦‣⁃■□○➢➤✓\uf0b7\uf0a7"
BULLET = re.compile(rf"^\s*(?:[-−*–—{_SIGNS}]\s+|[{_SIGNS}]\s*(?=\S))")
_LONGEST_TITLE = 120  # characters
_BOLD_NAME = re.compile(r"Medi(?:Ital)?$|Demi|Heavy|Black", re.I)  # bold by their makers' names, not by MuPDF's flag

Span = dict[str, Any]


def is_bold(span: Span) -> bool:
    return bool(span["flags"] & pymupdf.TEXT_FONT_BOLD) or _BOLD_NAME.search(span["font"]) is not None


@dataclass(frozen=True, slots=True)
class Look:
    """``body`` is the font size of most letters outside tables; ``bold`` and ``monospaced`` are said of most."""

    body: float
    bold: bool
    monospaced: bool

    @classmethod
    def of(cls, prose: Sequence[Span], tables: Sequence[Span] = ()) -> Look:
        """The look of a page from its spans, of those in tables not the size."""
        sizes: Counter[float] = Counter()
        letters = bold = even = 0
        for span in (*prose, *tables):
            length = len(span["text"])
            letters += length
            bold += length if is_bold(span) else 0
            even += length if span["flags"] & pymupdf.TEXT_FONT_MONOSPACED else 0
        for span in prose:
            sizes[round(span["size"], 1)] += len(span["text"])
        body = sizes.most_common(1)[0][0] if sizes else 0.0
        return cls(body, bold > letters / 2, even > letters / 2)

    def is_title(self, spans: Sequence[Span], text: str) -> bool:
        """True for a short text that is larger than the body, or bold where the body is not."""
        if not self.body or not spans or len(text) > _LONGEST_TITLE or not any(c.isalpha() for c in text):
            return False
        size = max(span["size"] for span in spans)
        bold = not self.bold and all(map(is_bold, spans))
        return bool(size >= TITLE_SIZE * self.body or (bold and size >= self.body))
