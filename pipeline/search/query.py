"""A question as it is typed, and what it asks of the index: words, "quoted phrases", -excluded words, and filters.

A word is looked for in the form that each language of the archive gives it, so that nobody has to say in which
language he asks. Pure string work.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from folioscope.pipeline.search import analysis
from folioscope.pipeline.search.engine import Phrase, Wanted

Kind = Literal["page", "shot"]
_QUOTED = re.compile(r"[\"“„«]([^\"“”„«»]+)[\"”“»]")
_EXCLUDED = re.compile(r"(?:^|(?<=\s))-(?=[^\W_])(\S+)")
LONGEST = 1000  # characters of a query that are looked at


@dataclass(frozen=True, slots=True)
class Filters:
    """Which pages and shots are searched. ``path``: a glob of the path or its end, or a folder. Days are inclusive,
    of the file's last change; ``language`` is the first part of a BCP 47 tag."""

    kind: Kind | None = None
    path: str | None = None
    since: date | None = None
    until: date | None = None
    language: str | None = None
    verified: bool | None = None
    flag: str | None = None

    def condition(self) -> str | None:
        """The filters as a condition over the index's columns."""
        parts = [
            self.kind and f"kind = {_quoted(self.kind)}",
            self.path and f"regexp_like(paths, {_quoted(_path_pattern(self.path))})",
            self.since and f"date >= DATE '{self.since.isoformat()}'",
            self.until and f"date <= DATE '{self.until.isoformat()}'",
            self.language and _language_condition(self.language),
            None if self.verified is None else f"verified = {str(self.verified).lower()}",
            self.flag and f"array_has(flags, {_quoted(self.flag)})",
        ]
        return " AND ".join(part for part in parts if part) or None


@dataclass(frozen=True, slots=True)
class Query:
    """A query understood. ``terms`` are all that may be marked in what is found; ``asked`` the words one by one."""

    text: str
    wanted: Wanted
    asked: tuple[tuple[str, frozenset[str]], ...] = ()
    terms: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_empty(self) -> bool:
        return not self.wanted.words and not self.wanted.phrases


def parse_query(text: str, languages: Sequence[str], filters: Filters | None = None) -> Query:
    """What a query asks of an archive in these languages. Words without content count only where there is nothing
    else, or within a phrase."""
    text = text[:LONGEST]
    quoted = _QUOTED.findall(text)
    rest = _QUOTED.sub(" ", text)
    without = [term for word in _EXCLUDED.findall(rest) for form in analysis.variants(word, languages) for term in form]
    plain = [word for word, _, _ in analysis.words(_EXCLUDED.sub(" ", rest))]
    content = [word for word in plain if word.lower() not in analysis.STOP_WORDS]
    chosen = content or ([] if quoted else plain)
    asked = tuple((word, frozenset(_flat(analysis.variants(word, languages)))) for word in dict.fromkeys(chosen))
    phrases: list[Phrase] = [forms for words in quoted if (forms := analysis.variants(words, languages))]
    words = list(dict.fromkeys(term for word in chosen for term in _flat(analysis.variants(word, languages))))
    wanted = Wanted(words, phrases, list(dict.fromkeys(without)), filters.condition() if filters else None)
    in_phrases = (term for phrase in phrases for form in phrase for term in form)
    return Query(text, wanted, asked, frozenset([*words, *in_phrases]))


def _flat(forms: Sequence[Sequence[str]]) -> list[str]:
    return [term for form in forms for term in form]


def _quoted(value: str) -> str:
    """A string of SQL: nothing that stands in it can end it."""
    return "'" + value.replace("'", "''") + "'"


def _language_condition(tag: str) -> str:
    tag = tag.lower()
    return f"(lower(language) = {_quoted(tag)} OR starts_with(lower(language), {_quoted(tag + '-')}))"


def _path_pattern(glob: str) -> str:
    """A glob over a path or its end, or a folder with all below it, as a regular expression over lines of paths."""
    pieces = {"**": "[^\\n]*", "*": "[^/\\n]*", "?": "[^/\\n]"}
    pattern = "".join(pieces.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*|\?)", glob.rstrip("/")))
    return f"(?m)(^|/){pattern}(/[^\\n]*)?$"
