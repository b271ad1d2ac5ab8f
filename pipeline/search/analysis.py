"""From a text to the terms by which it is found, one meaning for the index, for queries and for the report.

A term is a word without case and accents, cut to its stem by the Snowball algorithm of the text's language; a number
without its group separators (``1,874`` is ``1874``); a pair of characters where a script has no spaces. The report's
``terms.js`` must cut text alike. Costs about 1 µs a word once a word is known, 10 µs before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Final

import Stemmer

from folioscope.model.words import FUNCTION_WORDS

VERSION: Final = "1"  # of how words are cut; an index of another version is made anew
LONGEST: Final = 64
STEMMERS: Final[dict[str, str]] = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "tr": "turkish",
}
"""Snowball's algorithms by the language part of a BCP 47 tag; words of other languages keep their form."""

# Words that a question is made of and that say nothing of what it asks. Some of FUNCTION_WORDS may be the very subject.
_SUBJECTS = frozenset("high long far old deep large big wide tall name list page text document given".split())
STOP_WORDS: Final = FUNCTION_WORDS - _SUBJECTS

_GROUP = ",.'’\u00a0\u2009\u202f"
_NUMBER = rf"[0-9]{{1,3}}(?:[{_GROUP}][0-9]{{3}})+(?![0-9])(?:[.,][0-9]+)?|[0-9]+(?:[.,][0-9]+)?"
_DIGITS = {
    first + digit: str(digit) for first in (0x0660, 0x06F0, 0x0966) for digit in range(10)
}  # Arabic, Persian, Devanagari
_LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ς": "σ", "ـ": None}
)
UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_UNSPACED = re.compile(f"[{UNSPACED}]+")
# Marks above and below a letter are dropped where a reader takes them for accents; in Indic scripts they are vowels.
_ACCENTED = re.compile("[a-zα-ωа-яء-ي\u05d0-\u05ea]")
_KEPT_CYRILLIC = {("и", "\u0306"): "й"}


def _marks() -> str:
    """Unicode's combining marks as ranges of a character class: a word goes on over them."""
    planes = (range(0x300, 0x1F000), range(0xE0100, 0xE01F0))
    codes = [code for plane in planes for code in plane if unicodedata.category(chr(code)) in ("Mn", "Mc")]
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


_TOKEN = re.compile(rf"{_NUMBER}|(?:[^\W_]|[{_marks()}])+")


def language_key(tag: str | None) -> str | None:
    """The language of a BCP 47 tag where its words can be stemmed, else None."""
    key = (tag or "").partition("-")[0].lower()
    return key if key in STEMMERS else None


def words(text: str) -> list[tuple[str, int, int]]:
    """The words and numbers of a text as they stand, each with where it starts and ends in it."""
    return [(match[0], match.start(), match.end()) for match in _TOKEN.finditer(text.translate(_DIGITS))]


def terms(text: str, language: str | None = None) -> list[str]:
    """The terms of a text in order. ``language``: of the text, as a BCP 47 tag."""
    return [term for _, forms in spelt(text, language) for term in forms]


def spelt(text: str, language: str | None) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The words of a text in order, each with its terms."""
    key = language_key(language)
    for word in _TOKEN.findall(unicodedata.normalize("NFKC", text).translate(_DIGITS)):
        yield word, _terms_of(word, key)


def variants(word: str, languages: Iterable[str]) -> list[list[str]]:
    """The terms of one word of a query in each language that the archive holds, each form once."""
    forms = [terms(word), *(terms(word, language) for language in languages)]
    return [form for place, form in enumerate(forms) if form and form not in forms[:place]]


@lru_cache(maxsize=200_000)
def _terms_of(word: str, language: str | None) -> tuple[str, ...]:
    if word[0] in "0123456789":
        return (_number(word),)
    folded = fold(word)
    if not _UNSPACED.search(folded):
        return (_stem(folded[:LONGEST], language),)
    found: list[str] = []
    for part in re.split(f"([{UNSPACED}]+)", folded):
        if _UNSPACED.match(part):
            found += [part[i : i + 2] for i in range(max(1, len(part) - 1))]
        elif part:
            found.append(_stem(part[:LONGEST], language))
    return tuple(found)


def fold(word: str) -> str:
    """A word without case and accents."""
    lower = word.lower().translate(_LETTERS)
    if lower.isascii():
        return lower
    kept: list[str] = []
    for character in unicodedata.normalize("NFKD", lower):
        if unicodedata.category(character) != "Mn" or not kept:
            kept.append(character)
        elif (kept[-1], character) in _KEPT_CYRILLIC:
            kept[-1] = _KEPT_CYRILLIC[kept[-1], character]
        elif not _ACCENTED.match(kept[-1]):
            kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept)).translate(_LETTERS)


def _number(word: str) -> str:
    """``1,874`` and ``1.874`` as 1874, ``3,5`` as 3.5: three digits after a separator are a group."""
    parts = re.split(f"[{_GROUP}]", word)
    if len(parts) == 1:
        return word
    groups = [part for part in parts[1:] if len(part) == 3]
    if len(groups) == len(parts) - 1:
        return "".join(parts)
    return f"{''.join(parts[:-1])}.{parts[-1]}"


@cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(STEMMERS[language], 0)  # what is known is kept by _terms_of


def _stem(word: str, language: str | None) -> str:
    return _stemmer(language).stemWord(word) if language else word
