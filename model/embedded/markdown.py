"""From blocks in reading order to a page's Markdown; running headers, footers and comments are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from folioscope.model.flow import continues
from folioscope.model.protocol import Block

LEFT_OUT = frozenset({"header", "footer", "comment"})


def to_markdown(blocks: Iterable[Block]) -> str:
    """The page's Markdown: headings with hashes, lists with dashes, tables as HTML."""
    parts: list[str] = []
    previous: Block | None = None
    for block in _with_text(blocks):
        text = _render(block)
        if parts and previous is not None and previous.kind == block.kind == "list_item":
            parts.append(f"\n{text}")
        elif parts and previous is not None and continues(previous, block):
            parts[-1:] = [parts[-1][:-1], text] if parts[-1].endswith("-") else [parts[-1], f" {text}"]
        else:
            parts.append(f"\n\n{text}" if parts else text)
        previous = block
    return "".join(parts)


def _with_text(blocks: Iterable[Block]) -> Iterator[Block]:
    return (block for block in blocks if block.text.strip() and block.kind not in LEFT_OUT)


def _render(block: Block) -> str:
    text = block.text.strip()
    if block.kind == "heading":
        return f"{'#' * min(6, max(1, block.level))} {text}"
    if block.kind == "list_item":
        return f"- {text}"
    if block.kind == "code":
        return f"```\n{text}\n```"
    return text
