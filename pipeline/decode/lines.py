"""From the lines of a block to its text, and from font sizes to heading levels."""

from __future__ import annotations


def heading_level(ratio: float) -> int:
    """Heading level by how much larger than the body it is set."""
    return 1 if ratio >= 1.6 else 2 if ratio >= 1.3 else 3


def join_lines(lines: list[str]) -> str:
    """Lines of a paragraph as one: a word broken at a line's end is made whole."""
    text = ""
    for line in (" ".join(line.split()) for line in lines):
        if not line:
            continue
        if text.endswith("-") and line[0].islower() and len(text) > 1 and text[-2].isalpha():
            text = text[:-1] + line
        elif text and _is_cjk(text[-1]) and _is_cjk(line[0]):
            text += line
        else:
            text = f"{text} {line}" if text else line
    return text


def _is_cjk(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef"
