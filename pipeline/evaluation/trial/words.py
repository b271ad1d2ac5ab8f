"""How well a reading's words agree with a reference: the harmonic mean of the words found and the words made up.

Words are compared without case, marks and Markdown, and in any order: where a page's columns begin is a matter of
taste, which words stand on it is not. Costs about a millisecond a page.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

_MARKUP = re.compile(r"<[^>]{1,200}>|!?\[([^\]]*)\]\([^)]*\)")
_WORD = re.compile(r"[^\W_]+(?:[.,'’\-/:][^\W_]+)*")


def words_of(text: str) -> Counter[str]:
    """The words of a text as often as each occurs; ideographs one by one, since nothing parts them."""
    plain = unicodedata.normalize("NFKC", _MARKUP.sub(lambda found: f" {found.group(1) or ''} ", text)).casefold()
    found: Counter[str] = Counter()
    for word in _WORD.findall(plain):
        if any("\u3040" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7a3" for letter in word):
            found.update(letter for letter in word if letter.isalnum())
        else:
            found[word] += 1
    return found


def agreement(text: str, reference: str) -> float:
    """0..1: 1 where both hold the same words equally often, two texts without words too."""
    one, other = words_of(text), words_of(reference)
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 1.0
