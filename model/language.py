"""Which language a text is in, by character n-grams (py3langid; its weights come inside the package).

The identifier knows ``zxx``, text without language: ciphers and letter-shifted text layers land there, in any Latin
language, with a wide margin. Costs about 3 ms for 3,000 characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import py3langid

MAX_CHARS = 3000
MIN_LETTERS = 20
NO_LANGUAGE = "zxx"
# BCP 47 takes the shortest code there is; of the identifier's labels all others are that already.
_SHORTEST = {"kik": "ki"}
_LETTER = re.compile(r"[^\W\d_]")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Identified:
    """``code`` is a BCP 47 tag, ``zxx`` among them; ``margin`` how far it leads the next one, in nats a letter."""

    code: str
    margin: float
    letters: int


def identify(text: str) -> Identified | None:
    """The language of the first 3,000 characters; None where there are too few letters to tell."""
    sample = _SPACE.sub(" ", text[: MAX_CHARS * 2])[:MAX_CHARS]
    letters = len(_LETTER.findall(sample))
    if letters < MIN_LETTERS:
        return None
    first, second = py3langid.rank(sample)[:2]
    return Identified(_SHORTEST.get(first[0], first[0]), float(first[1] - second[1]) / letters, letters)


def language_of(text: str) -> str | None:
    """The BCP 47 tag of a text's language; None where it has no language or too few letters."""
    found = identify(text)
    return found.code if found is not None and found.code != NO_LANGUAGE else None
