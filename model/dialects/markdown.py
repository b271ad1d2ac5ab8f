"""Markdown from any instruction-following vision-language model: a plain request, and a page of Markdown back.

No boxes: such a model does not say where it read what.
"""

from __future__ import annotations

import re

from folioscope.model.dialects.base import Dialect, Transcript
from folioscope.model.protocol import Block

READ = (
    "Transcribe this page as Markdown, in reading order. Headings as # to ######, lists with -, tables as HTML, "
    "formulas as LaTeX between $ signs. Leave out running headers, footers and page numbers. Write nothing that the "
    "page does not show, and no comment."
)
_FENCED = re.compile(r"\A\s*```(?:markdown|md|html)?[ \t]*\n(.*?)\n?```\s*\Z", re.S)


class MarkdownDialect(Dialect):
    name = "markdown"
    prompt = READ
    reads_only = False
    goes_on = True

    def parse(self, said: str, width: int, height: int) -> Transcript:
        text = unfenced(said)
        return Transcript(text, to_blocks(text))


def unfenced(text: str) -> str:
    """The page without the code fence that models like to put around all of it."""
    fenced = _FENCED.match(text)
    return (fenced[1] if fenced and "```" not in fenced[1] else text).strip()


def to_blocks(text: str) -> tuple[Block, ...]:
    """Markdown as blocks without boxes, one a paragraph."""
    blocks = []
    for part in (part.strip() for part in text.split("\n\n")):
        marks = len(part) - len(part.lstrip("#"))
        if not part:
            continue
        if 1 <= marks <= 6 and part[marks : marks + 1] == " ":
            blocks.append(Block("heading", part[marks:].strip(), level=marks))
        elif part.startswith("<table"):
            blocks.append(Block("table", part))
        else:
            blocks.append(Block("text", part))
    return tuple(blocks)
