"""Words as retrieval sees them: case folded, cut to their first six letters, CJK in pairs of characters.

Cutting is the stemmer that needs no language (McNamee and Mayfield 2004): *preceded* meets *precedes*, *Häuser* meets
*Häusern*. Function words of questions carry no information and are named here for the languages we meet most.
"""

from __future__ import annotations

import re
import unicodedata

STEM = 6
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


def tokens(text: str) -> list[str]:
    """Terms of a text in order, function words included."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    found: list[str] = []
    for run in _CJK.findall(folded):
        found.extend(run[i : i + 2] for i in range(max(1, len(run) - 1)))
    for token in _TOKEN.findall(_CJK.sub(" ", folded)):
        word = token.partition("'")[0].partition("’")[0] if token[:1].isalpha() else token
        found.append(_stem(word) if word[:1].isalpha() else word)
    return found


def _stem(word: str) -> str:
    return (word[:-1] if len(word) > 3 and word.endswith("s") else word)[:STEM]


_STEMMED = frozenset(_stem(word) for word in FUNCTION_WORDS)


def content_tokens(text: str) -> list[str]:
    """Terms of a text without function words."""
    return [token for token in tokens(text) if token not in _STEMMED]
