"""Words as retrieval sees them: case folded, cut to their stems, CJK in pairs of characters.

Where the language is known Snowball's stemmer cuts them (*superintendent* is not *superior*); where it is not, the
first six letters are the stemmer that needs no language (McNamee and Mayfield 2004): *preceded* meets *precedes*,
*Häuser* meets *Häusern*. *Rose* meets *rise* by a table. Function words of questions carry no information and are named
here for the languages we meet most.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

import Stemmer

from folioscope.model.irregular import BASE_OF

STEM = 6
STEMMERS: Final = {
    "da": "danish",
    "de": "german",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
_TOKEN = re.compile(r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")

FUNCTION_WORDS = frozenset(
    """
    a an and any are as at be been by can could did do does for from had has have he her his how i if in into is it its
    itself me more most much many my of on or our she should than that the their them there these they this those to
    was we were what when where which who whom whose why will with would you your about after all also between during
    high long far old deep large big wide often tall
    each every give given name list tell please according document page text
    der die das des dem den ein eine einer eines einem einen und oder ist sind war waren wer was wann wo wie warum
    welche welcher welches wieviel viele von vom zu zum zur im in am auf mit für aus bei nach wird werden wurde wurden
    hat haben nicht
    le la les l un une des du de d et ou est sont était étaient qui que quoi quand où comment pourquoi quel quelle
    quels quelles combien à au aux dans en par pour sur avec a ont ce cette ces se s il elle
    el los las una unos unas y o es son era eran quién quien qué que cuándo cuando dónde donde cómo como cuál cuáles
    cuánto cuántos del al con por para ha han
    lo gli e è sono chi che cosa quando dove come perché quale quali quanto quanti di da nel nella della
    het een of zijn wie wat wanneer waar welke hoeveel van voor met door op te
    os as em ou são quem qual quais onde da dos das no na com
    """.split()
)


def tokens(text: str, language: str | None = None) -> list[str]:
    """Terms of a text in order, function words included; ``language`` is a BCP 47 tag."""
    return [_stem(word, language) for word in _words(text)]


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    found: list[str] = []
    for run in _CJK.findall(folded):
        found.extend(run[i : i + 2] for i in range(max(1, len(run) - 1)))
    found.extend(
        token.partition("'")[0].partition("’")[0] if token[:1].isalpha() else token
        for token in _TOKEN.findall(_CJK.sub(" ", folded))
    )
    return found


def _stem(word: str, language: str | None = None) -> str:
    if not word[:1].isalpha() or _CJK.match(word):
        return word
    if language in STEMMERS:
        return _stemmed(BASE_OF.get(word, word) if language == "en" else word, language)
    word = BASE_OF.get(word, word)
    return (word[:-1] if len(word) > 3 and word.endswith("s") else word)[:STEM]


@cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    return Stemmer.Stemmer(STEMMERS[language])  # which keeps the stems of the words last asked for


def _stemmed(word: str, language: str) -> str:
    return str(_stemmer(language).stemWord(word))


_STEMMED = frozenset(_stem(word) for word in FUNCTION_WORDS)


def content_tokens(text: str, language: str | None = None) -> list[str]:
    """Terms of a text without function words."""
    if language in STEMMERS:
        return [_stem(word, language) for word in _words(text) if word not in FUNCTION_WORDS]
    return [token for token in tokens(text) if token not in _STEMMED]
