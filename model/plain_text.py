"""Plain words of Markdown and HTML, and the one normal form in which texts are compared.

Used wherever a quote is looked up: what a printer or a parser may change (dashes, quotes, ligatures, white space, tags)
makes no difference, what changes the meaning (letters, digits, signs) does.
"""

from __future__ import annotations

import html
import re
import unicodedata

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)\b[^<>]*>")
_INLINE = frozenset({"sup", "sub", "b", "i", "em", "strong", "u"})
_MARK = re.compile(r"(?m)^\s*(?:#{1,6}|-|```\w*)\s+|\*\*|^```$")
_SPACE = re.compile(r"\s+")
_SAME = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−﹣－", "-"),
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        "\u00ad": None,
        "\u200b": None,
        "\ufeff": None,
    }
)


def strip_markup(text: str) -> str:
    """The words of Markdown or HTML; cells and lines are parted by spaces."""
    text = _TAG.sub(lambda tag: "" if tag[2].lower() in _INLINE else " ", text)
    return _SPACE.sub(" ", html.unescape(_MARK.sub(" ", text))).strip()


def normal_form(text: str) -> str:
    """The text as it is compared: NFKC, one kind of dash and quote, single spaces, case folded."""
    folded = unicodedata.normalize("NFKC", text.translate(_SAME)).translate(_SAME).casefold()
    return _SPACE.sub(" ", folded).strip()
