"""What a question asks for: the kind of thing an answer must hold, the names it is about, the words it must share.

Rules over the question's words, in the languages that are met most. Microseconds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from folioscope.model.words import FUNCTION_WORDS, content_tokens

Kind = Literal["money", "percent", "duration", "number", "year", "date", "name"]

_DIGITS = r"\d[\d.,]*"
_WRITTEN = (
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|"
    r"eighty|ninety|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)-\w+|hundred|thousand|million|dozen|half|"
    r"ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|\w+zig|\w*hundert|\w*tausend|"
    r"deux|trois|quatre|cinq|sept|huit|neuf|dix|onze|douze|vingt|trente|quarante|cinquante|soixante|cent|mille|"
    r"dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|veinte|treinta|cien"
)
_NUMBER = re.compile(rf"\d|[一二三四五六七八九十百千万]|\b(?:{_WRITTEN})\b", re.I)
_MONEY = re.compile(
    rf"[$£€¥]\s?{_DIGITS}|\b(?:{_DIGITS}|{_WRITTEN})\s*(?:thousand|million|billion|trillion)?\s*"
    r"(?:dollars?|euros?|pounds?|crowns?|francs?|yen|marks?|cents?|kronor|pesos?|rupees?|usd|eur|gbp|chf|€|£)\b|"
    rf"\b(?:usd|eur|gbp|chf|rs\.?)\s?{_DIGITS}|\b{_DIGITS}\s*(?:thousand|million|billion)\b|{_DIGITS}\s*[€£]",
    re.I,
)
_PERCENT = re.compile(
    r"\d\s*(?:%|percent|per cent|pct|prozent|pour cent|por ciento)|"
    r"\b(?:half|third|quarter|fifth|one in \w+|\d+ (?:in|of) \d+)\b",
    re.I,
)
_DURATION = re.compile(
    rf"(?:\b(?:{_WRITTEN})|{_DIGITS})[\s-]*(?:\w+[\s-]){{0,1}}?"
    r"(?:years?|months?|weeks?|days?|hours?|minutes?|seconds?|decades?|centuries|jahren?|monaten?|wochen?|tagen?|stunden?|ans|"
    r"mois|jours?|heures?|años|meses|días|horas|km|kilomet\w+|met(?:er|re)s?|miles?|feet|foot|inch\w*|cm|mm|pages?)\b|"
    rf"\bage[sd]? (?:of )?{_DIGITS}",
    re.I,
)
_YEAR = re.compile(r"\b(?:1\d|20|21)\d\d\b")
_MONTH = (
    r"jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch|s)?|märz?|apr(?:il)?|may|mai|june?|juni|juin|july?|juli|juillet|aug(?:ust)?|"
    r"août|sept?(?:ember|embre)?|o[ck]t(?:ober|obre)?|nov(?:ember|embre)?|de[cz](?:ember)?|janv(?:ier)?|févr(?:ier)?|avr(?:il)?|"
    r"déc(?:embre)?|ene(?:ro)?|abr(?:il)?|ago(?:sto)?|dic(?:iembre)?"
)
_DATE = re.compile(
    r"\b(?:1\d|20|21)\d\d\b|\b\d{1,2}[./:-]\d{1,2}\b|[年月日]|\b\d{1,2}\s?[ap]\.?m\b|"
    rf"\b(?:{_MONTH})\.?\s+\d|\d\.?\s+(?:{_MONTH})\b|"  # "may" and "march" are months beside a number
    r"\b(?:january|february|april|june|july|august|september|october|november|december|januar|februar|märz|juni|juli|oktober|"
    r"dezember|(?:mon|tues|wednes|thurs|fri|satur|sun)days?)\b|\b(?:in|of|since|until|by|last|next) (?-i:May|March)\b",
    re.I,
)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-ÞΑ-ΩА-Я][\w’'-]+")
_YEARS = re.compile(r"\b(?:1\d|20|21)\d\d(?:\s?[–/-]\s?\d{2,4})?\b")
_BETWEEN = 4  # words from a number to what it counts
CHECKS: Final[dict[Kind, re.Pattern[str]]] = {
    "money": _MONEY,
    "percent": _PERCENT,
    "duration": _DURATION,
    "number": _NUMBER,
    "year": _YEAR,
    "date": _DATE,
    "name": _NAME,
}
_MONEY_WORDS = (
    r"cost|price|pa(?:y|id)|spen[dt]|worth|earn|charge|fee|salary|income|budget|revenue|expense|dollars|euros|funding|"
    r"grant|debt|borrow|loan|wages?|kosten|kostet|coût|coûte|cuesta|costó"
)
_PATTERNS: Final[tuple[tuple[Kind, str], ...]] = (
    (
        "percent",
        r"\b(?:(?:what|which) (?:\w+ )?(?:percent|percentage|share|proportion|fraction)\b|how many percent|"
        r"what (?:is|was|were|are) (?:the )?(?:[\w-]+ ){0,6}?(?:rate|percentage|percent|share|proportion)\b|"
        r"wie ?viel prozent|welcher anteil|quel pourcentage|qué porcentaje)",
    ),
    (
        "money",
        rf"\bhow much\b.*\b(?:{_MONEY_WORDS})|"
        r"\bwhat (?:is|was|were|are) the (?:\w+ ){0,3}?(?:cost|price|fee|budget)\b",
    ),
    (
        "duration",
        r"\b(?:how (?:long|old)|(?:what|which) age|wie lange|wie alt|combien de temps|quel âge|cuánto tiempo)\b",
    ),
    (
        "number",
        r"\bhow (?:many|much|far|high|deep|large|big|wide|tall|heavy|fast)|"
        r"\b(?:wie ?viele?|wie (?:hoch|weit|tief|groß))\b",
    ),
    ("number", r"\b(?:combien|cuánt\w+|quant[io]|hoeveel)\b|多少|几"),
    ("number", r"\bwhat (?:is|was|were|are) the (?:total |average |mean |median )?(?:number|count)\b"),
    ("year", r"\b(?:what|which) year\b|\bin welchem jahr\b|\bquelle année\b|\bqué año\b"),
    ("date", r"\b(?:when|(?:what|which) (?:date|day|time|month)|wann|quand|cuándo|quando|wanneer)\b|何时|什么时候"),
    ("name", r"\b(?:who|whom|whose|where|wer|wem|wen|wo|qui|où|quién|dónde|chi|dove|wie is)\b|谁|哪里"),
)
_KINDS: Final = tuple((kind, re.compile(pattern, re.I)) for kind, pattern in _PATTERNS)
_THING = re.compile(
    r"\b(?:which|what|how many|how much|wie ?viele?|welche[rsmn]?|combien d[e'’]|cuánt[oa]s|quant[ie]|hoeveel)\s+(\w+)",
    re.I,
)
_LIGHT = re.compile(
    r"\b(?:came?|come|comes|go|goes|went|took part|take part|takes place|took place|belongs? to)\b", re.I
)
_SAID_BY_KIND = re.compile(
    r"\b(?:percent|percentages?|share|proportion|fraction|number|count|amount|date|year|time|usual|usually)\b", re.I
)
_VERBS = frozenset(
    "is are was were be been do does did has have had can could will would shall should may might must kind type sort "
    "name percent percentage share proportion fraction rate year date day time month age number amount wird werden hat "
    "haben ist sind war waren".split()
)


@dataclass(frozen=True, slots=True)
class Asked:
    """``terms`` are the question's, in order; ``names`` those of names and numbers in it.

    ``thing`` is what "which", "what" or "how many" names or counts.
    """

    text: str
    kind: Kind | None
    terms: tuple[str, ...]
    names: frozenset[str]
    thing: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, question: str, language: str | None, *, names_stand_out: bool) -> Asked:
        """``names_stand_out``: False in German, which writes every noun with a capital."""
        terms = tuple(dict.fromkeys(content_tokens(_SAID_BY_KIND.sub(" ", _LIGHT.sub(" ", question)), language)))
        kind = next((kind for kind, pattern in _KINDS if pattern.search(question)), None)
        thing = _THING.search(question)
        return cls(
            question,
            kind,
            terms,
            _names(question, language, names_stand_out),
            _thing(thing[1] if thing else "", language),
            frozenset(word.casefold() for word in re.findall(r"\w+", question)),
        )

    def is_answered_by_cell(self, text: str) -> bool:
        """As ``is_answered_by`` for a cell of a table, whose unit may stand in the column's name."""
        if self.kind in ("money", "percent", "duration", "number"):
            return any(c.isdigit() for c in text)
        return self.kind is None or self.kind == "name" or CHECKS[self.kind].search(text) is not None

    def counts(self, terms: Sequence[str], numbers: Sequence[bool]) -> bool:
        """True where what "how many" counts stands right after a number in a sentence."""
        return any(
            number and any(term in self.thing for term in terms[place + 1 : place + 1 + _BETWEEN])
            for place, number in enumerate(numbers)
        )

    def is_answered_by(self, text: str) -> bool:
        """True where a text holds something of the kind asked for that the question did not bring itself."""
        if self.kind is None:
            return True
        if self.kind == "number":
            text = _YEARS.sub(" ", text)
        for match in CHECKS[self.kind].finditer(text):
            if not {word.casefold() for word in re.findall(r"\w+", match[0])} <= self.words:
                return True
        return self.kind == "name" and not text.isascii() and any(c > "\u2e80" for c in text)


def _names(question: str, language: str | None, names_stand_out: bool) -> frozenset[str]:
    words = re.findall(r"[^\W_][\w'’.,-]*", question)
    named = [
        word for word in words[1:] if names_stand_out and word[0].isupper() and word.casefold() not in FUNCTION_WORDS
    ]
    numbers = [word for word in words if word[0].isdigit()]
    return frozenset(term for word in (*named, *numbers) for term in content_tokens(word, language))


def _thing(word: str, language: str | None) -> frozenset[str]:
    return frozenset() if word.casefold() in _VERBS else frozenset(content_tokens(word, language))
