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
# Also as their stems.
_WORD_OF_NUMBER = re.compile(rf"{_WRITTEN}|twelv|billion|(?:twen|thir|for|fif|six|seven|eigh|nine)ti|hundr", re.I)
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
    r"\b(?:1\d|20|21)\d\ds?\b|\b\d{1,2}[./:-]\d{1,2}\b|[年月日]|\b\d{1,2}\s?[ap]\.?m\b|"
    rf"\b(?:{_MONTH})\.?\s+\d|\d\.?\s+(?:{_MONTH})\b|"  # "may" and "march" are months beside a number
    r"\b(?:january|february|april|june|july|august|september|october|november|december|januar|februar|märz|juni|juli|oktober|"
    r"dezember|(?:mon|tues|wednes|thurs|fri|satur|sun)days?)\b|\b(?:in|of|since|until|by|last|next) (?-i:May|March)\b",
    re.I,
)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-ÞΑ-ΩА-Я][\w’'-]+")
_YEARS = re.compile(r"\b(?:1\d|20|21)\d\d(?:\s?[–/-]\s?\d{2,4})?\b")
_MARKER = re.compile(r"(?<![\w.$£€])\(?\d{1,2}\)")  # of an item in a list
_RATIO = re.compile(r"\b\d+[\s-]in[\s-]\d+\b|\bage[sd]? (?:of )?\d+(?:\s(?:to|and|or)\s\w+)?", re.I)
_COMPOUND = re.compile(r"\b[^\W\d_]{2,}(?:-[^\W\d_]{2,})+\b")
_HOLDING = re.compile(
    r"\bwhat (?:do|does|did) (?P<holder>.+?) (?P<verb>includ|contain|compris|cover|consist)\w*", re.I
)  # "what does X include": X holds something, so it stands before the verb
_COUNTERS = frozenset("stück stuck exemplar unité unit unidad ejemplar exemplair".split())  # whatever is counted
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
        r"what (?:is|was|were|are) (?:the )?(?:[\w-]+ ){0,6}?(?:percentage|percent|share|proportion)\b|"
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
    (
        "number",
        r"\bwhat (?:is|was|were|are) the (?:(?:total|average|mean|median) \w|"
        r"(?:[\w-]+ ){0,6}?(?:number|count|rate|speed)\b)",
    ),
    ("year", r"\b(?:what|which) year\b|\bin welchem jahr\b|\bquelle année\b|\bqué año\b"),
    ("date", r"\b(?:when|(?:what|which) (?:date|day|time|month)|wann|quand|cuándo|quando|wanneer)\b|何时|什么时候"),
    ("name", r"\b(?:who|whom|whose|where|wer|wem|wen|wo|qui|où|quién|dónde|chi|dove|wie is)\b|谁|哪里"),
)
_KINDS: Final = tuple((kind, re.compile(pattern, re.I)) for kind, pattern in _PATTERNS)
_THING = re.compile(
    r"\b(?:which|what|how many|how much|wie ?viele?|welche[rsmn]?|combien d[e'’]|cuánt[oa]s|quant[ie]|hoeveel)\s+(\w+)",
    re.I,
)
# What "which" names without the answer saying so: "introduced by IBM" tells which company.
_CLASSES = re.compile(
    r"\b(?:which|what) (?:company|companies|firm|manufacturer|person|people|author|president|scientist|engineer|"
    r"researcher|inventor)\b",
    re.I,
)
_LABELS = re.compile(
    r"\b(?:table|figure|fig\.|chapter|section|page|appendix|part|volume|no\.)\s*\d[\d.]*|^\d{1,3}\s+(?=[A-Z])", re.I
)
_COUNTING = re.compile(r"\b(?:how many|wie ?viele|combien d|cuánt[oa]s|quant[ie]|hoeveel)", re.I)
_PERCENTAGES = re.compile(rf"{_DIGITS}\s*(?:%|percent\b|per cent\b)", re.I)
_SUBJECT = re.compile(
    r"^(?:what|which) (?:is|was|are|were) (?:the |an? )?(?P<subject>[\w\s’'-]+?)"
    r"(?: (?:of|in|for|to|at|on|by|from|set)\b|\?|$)",
    re.I,
)
_BRACKETED = re.compile(r"((?:[^\W\d_][\w-]*\s){1,3})\((\d[\d,.]*)\)(?= [a-z])")
_NOTED = re.compile(r"(?<=[^\W\d_])[.,;]\d{1,3}\b")  # the number of a note after a word
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

    ``thing`` is what "which", "what" or "how many" names or counts, ``subject`` what "what is" asks for, ``compounds``
    are hyphenated words, their hyphens taken out.
    """

    text: str
    kind: Kind | None
    terms: tuple[str, ...]
    names: frozenset[str]
    thing: frozenset[str]
    words: frozenset[str]
    compounds: tuple[str, ...] = ()
    subject: frozenset[str] = frozenset()

    @classmethod
    def of(cls, question: str, language: str | None, *, names_stand_out: bool) -> Asked:
        """``names_stand_out``: False in German, which writes every noun with a capital."""
        terms = tuple(dict.fromkeys(content_tokens(_SAID_BY_KIND.sub(" ", _LIGHT.sub(" ", question)), language)))
        kind = next((kind for kind, pattern in _KINDS if pattern.search(question)), None)
        thing = _THING.search(question)
        if kind is None and _CLASSES.search(question):
            kind, thing = "name", None
            terms = tuple(dict.fromkeys(content_tokens(_SAID_BY_KIND.sub(" ", _CLASSES.sub(" ", question)), language)))
        subject = _SUBJECT.search(question)
        return cls(
            question,
            kind,
            terms,
            _names(question, language, names_stand_out),
            _thing(thing[1] if thing else "", language),
            frozenset(word.casefold() for word in re.findall(r"\w+", question)),
            tuple(_parted(word) for word in _COMPOUND.findall(question)),
            frozenset(content_tokens(_SAID_BY_KIND.sub(" ", subject["subject"]), language)) if subject else frozenset(),
        )

    @property
    def counts_things(self) -> bool:
        """True of "how many", where what is counted is named."""
        return self.kind == "number" and bool(self.thing) and _COUNTING.search(self.text) is not None

    def holds_compounds(self, text: str) -> bool:
        """True where the question's hyphenated words stand in a text, with their hyphens or without."""
        parted = _parted(text)
        return all(re.search(rf"\b{re.escape(word)}", parted) for word in self.compounds)

    def is_turned_round(self, text: str, language: str | None) -> bool:
        """True where the question asks what something includes, and the text says what includes it."""
        asked = _HOLDING.search(self.text)
        if asked is None:
            return False
        said = re.search(rf"\b{asked['verb']}\w*", text, re.I)
        holder = set(content_tokens(asked["holder"], language))
        if said is None:
            return False
        return len(holder & set(content_tokens(text[: said.start()], language))) <= len(holder) / 2

    def is_answered_by_cell(self, text: str) -> bool:
        """As ``is_answered_by`` for a cell of a table, whose unit may stand in the column's name."""
        if self.kind in ("money", "percent", "duration", "number"):
            return any(c.isdigit() for c in text)
        return self.kind is None or self.kind == "name" or CHECKS[self.kind].search(text) is not None

    def counted_in(self, text: str) -> str:
        """A text without numbers that count nothing: years, of items and notes, ratios; for "how many" also shares."""
        text = _NOTED.sub(" ", _LABELS.sub(" ", _YEARS.sub(" ", text)))
        text = _BRACKETED.sub(r"\2 \1", text)  # "programs (15)" are 15 programs
        text = _RATIO.sub(" ", _MARKER.sub(" ", text))
        return _PERCENTAGES.sub(" ", text) if self.counts_things else text

    def counts(self, terms: Sequence[str], numbers: Sequence[bool]) -> bool:
        """True where what "how many" counts stands right after a number in a sentence."""
        counted = self.thing if self.thing & set(terms) else self.thing | _COUNTERS
        return any(
            number and any(term in counted for term in terms[place + 1 : place + 1 + _BETWEEN])
            for place, number in enumerate(numbers)
        )

    def figure_follows(self, terms: Sequence[str], numbers: Sequence[bool]) -> bool:
        """True where a number stands right after the last word of what "what is" asks for."""
        return any(
            term in self.subject and any(numbers[place + 1 : place + 1 + _BETWEEN])
            for place, term in enumerate(terms)
            if self.subject <= set(terms[max(0, place - 2 * len(self.subject)) : place + 1])
        )

    def is_answered_by(self, text: str) -> bool:
        """True where a text holds something of the kind asked for that the question did not bring itself."""
        if self.kind is None:
            return True
        if self.kind == "number":
            text = self.counted_in(text)
        for match in CHECKS[self.kind].finditer(text):
            if not {word.casefold() for word in re.findall(r"\w+", match[0])} <= self.words:
                return True
        return self.kind == "name" and not text.isascii() and any(c > "\u2e80" for c in text)


def is_number(term: str) -> bool:
    """True of a term that is a number, in digits or as a word."""
    return any(c.isdigit() for c in term) or _WORD_OF_NUMBER.fullmatch(term) is not None


def _parted(text: str) -> str:
    return text.casefold().replace("-", " ").replace("\u2010", " ")


def _names(question: str, language: str | None, names_stand_out: bool) -> frozenset[str]:
    words = re.findall(r"[^\W_][\w'’.,-]*", question)
    named = [
        word for word in words[1:] if names_stand_out and word[0].isupper() and word.casefold() not in FUNCTION_WORDS
    ]
    numbers = [word for word in words if word[0].isdigit()]
    return frozenset(term for word in (*named, *numbers) for term in content_tokens(word, language))


def _thing(word: str, language: str | None) -> frozenset[str]:
    return frozenset() if word.casefold() in _VERBS else frozenset(content_tokens(word, language))
