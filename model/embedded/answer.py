"""Answers found, never written: a verbatim sentence of the document or film with its place, or "not found".

Passages are retrieved by BM25. The document is taken to hold the answer only where one passage covers what the question
asks about: its names and numbers all, its other words for the most part, and something of the kind asked for (a name
for *who*, a number for *how many*, a date for *when*) beside them. So most wrong answers end as "not found". The index
costs about 50 µs a sentence, a question a millisecond.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import bm25s
import numpy as np

from model.embedded.sentences import Sentence, sentences_of
from model.protocol import Answer, AssetText, FilmText, Question, Usage
from model.words import FUNCTION_WORDS, content_tokens, tokens

SETTINGS: Final = {"retrieval": "bm25", "coverage": "0.69", "answerer": "2"}
WINDOW = 3  # sentences a passage
CANDIDATES = 8
COVERAGE = 0.69
_NUMBER = re.compile(
    r"\d|[一二三四五六七八九十百千万]|\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty|hundred|"
    r"thousand|million|dozen|ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|\w+zig|\w*hundert|\w*tausend|"
    r"deux|trois|quatre|cinq|sept|huit|neuf|dix|onze|douze|vingt|trente|quarante|cinquante|soixante|cent|mille|"
    r"dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|veinte|treinta|cien)\b",
    re.I,
)
_DATE = re.compile(
    r"\b(1[0-9]|20|21)\d\d\b|\b\d{1,2}[./:-]\d{1,2}\b|[年月日]|\b\d{1,2}\s?[ap]\.?m\b|"
    r"\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez|janv|févr|avr|juin|juil|août|déc|ene|abr|ago|"
    r"dic|mon|tues|wednes|thurs|fri|satur|sun)\w*\b",
    re.I,
)
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-ZÀ-ÞΑ-ΩА-Я][\w’'-]+")
_HOW_MANY = (
    r"\b(how (many|much|long|far|old|high|deep|large|big|wide)|wie ?viele?|combien|cuánt|quant[io]|hoeveel)|多少|几"
)
_WHEN = r"\b(when|(what|which) (year|date|day|time|month)|wann|quand|cuándo|quando|wanneer)\b|何时|什么时候"
_WHO_WHERE = r"\b(who|whom|whose|where|wer|wem|wen|wo|qui|où|quién|dónde|chi|dove|wie is)\b|谁|哪里"
_KINDS: Final = tuple(
    (kind, re.compile(pattern, re.I))
    for kind, pattern in (("number", _HOW_MANY), ("date", _WHEN), ("name", _WHO_WHERE))
)
_COUNTED = re.compile(r"\b(?:how many|wie ?viele|combien d[e'’]|cuánt[oa]s|quant[ie]|hoeveel)\s*(\w+)", re.I)
_CHECKS: Final = {"number": _NUMBER, "date": _DATE, "name": _NAME}


@dataclass(frozen=True, slots=True)
class _Index:
    """The passages of a document or film: a window of sentences around each sentence, within its page or shot."""

    sentences: list[Sentence]
    windows: list[list[int]]
    terms: list[frozenset[str]]
    idf: dict[str, float]
    unseen_idf: float
    retriever: bm25s.BM25 | None
    names_stand_out: bool  # False in German, which writes every noun with a capital
    headings_answer: bool  # on a screen the largest words say what is meant; on a page they only name it


def answer(asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
    """One answer a question, in order; the document or film is indexed once."""
    begun = time.perf_counter()
    index = _build(asset)
    building = (time.perf_counter() - begun) / max(1, len(questions))
    return [_answer(index, question, building) for question in questions]


def _build(asset: AssetText) -> _Index:
    sentences = sentences_of(asset)
    terms = [frozenset(tokens(sentence.text)) for sentence in sentences]
    windows = [_window(sentences, i) for i in range(len(sentences))]
    frequency = Counter(term for group in terms for term in group)
    idf = {term: math.log(1 + len(sentences) / count) for term, count in frequency.items()}
    retriever = None
    if sentences:
        retriever = bm25s.BM25()
        corpus = [[term for i in window for term in tokens(sentences[i].text)] or ["\0"] for window in windows]
        retriever.index(corpus, show_progress=False)
    is_film = isinstance(asset, FilmText)
    segments = asset.shots if isinstance(asset, FilmText) else asset.pages
    languages = [segment.language for segment in segments]
    german = languages.count("de") > len(languages) / 2
    unseen = math.log(2 + len(sentences))
    return _Index(sentences, windows, terms, idf, unseen, retriever, not german, is_film)


def _window(sentences: list[Sentence], centre: int) -> list[int]:
    """The sentence, its neighbours in the page or shot, and the heading that it stands under."""
    half = WINDOW // 2
    segment = sentences[centre].segment
    near = [
        i
        for i in range(max(0, centre - half), min(len(sentences), centre + half + 1))
        if sentences[i].segment == segment
    ]
    heading = next((i for i in range(centre, max(-1, centre - 12), -1) if sentences[i].kind == "heading"), None)
    return near if heading is None or heading in near else [heading, *near]


def _answer(index: _Index, question: Question, building: float) -> Answer:
    begun = time.perf_counter()
    wanted = list(dict.fromkeys(content_tokens(question.text)))
    best: tuple[float, int] | None = None
    if wanted and index.retriever is not None:
        for centre in _retrieve(index, wanted):
            score = _score(index, centre, question.text, wanted)
            if score is not None and (best is None or score > best[0]):
                best = (score, centre)
    usage = Usage(seconds=building + time.perf_counter() - begun)
    if best is None:
        return Answer(question.question_id, None, False, None, usage=usage)
    sentence = index.sentences[best[1]]
    return Answer(question.question_id, sentence.text, True, min(1.0, best[0]), (sentence.evidence,), usage=usage)


def _retrieve(index: _Index, wanted: list[str]) -> list[int]:
    known = [term for term in wanted if term in index.idf]
    if not known or index.retriever is None:
        return []
    scores = index.retriever.get_scores(known)
    return [int(i) for i in np.argsort(-scores, kind="stable")[:CANDIDATES] if scores[i] > 0]


def _score(index: _Index, centre: int, question: str, wanted: list[str]) -> float | None:
    """How well the passage around a sentence answers; None where it does not hold what is asked about."""
    passage = frozenset().union(*(index.terms[i] for i in index.windows[centre]))
    weight = {term: index.idf.get(term, index.unseen_idf) for term in wanted}
    covered = sum(weight[term] for term in wanted if term in passage) / sum(weight.values())
    names = _names(question, index.names_stand_out)
    counted = _COUNTED.search(question)
    if counted is not None and not set(content_tokens(counted[1])) <= passage:
        return None  # what is to be counted must be there
    if covered < COVERAGE or not names <= passage:
        return None
    sentence = index.sentences[centre]
    if sentence.kind == "heading" and not index.headings_answer:
        return None
    kind = next((kind for kind, pattern in _KINDS if pattern.search(question)), None)
    if kind is not None and not _holds_kind(sentence.text, kind, question):
        return None
    # Whom it is about may stand in the sentence before; what is asked about them stands in the answer.
    relation = [term for term in wanted if term not in names] or wanted
    own = sum(weight[term] for term in relation if term in index.terms[centre]) / sum(weight[term] for term in relation)
    return 0.5 * covered + 0.5 * own


def _names(question: str, names_stand_out: bool) -> frozenset[str]:
    """Terms of the names and numbers in a question: a passage that lacks one is about something else."""
    words = re.findall(r"[^\W_][\w'’.,-]*", question)
    named = [
        word for word in words[1:] if names_stand_out and word[0].isupper() and word.casefold() not in FUNCTION_WORDS
    ]
    numbers = [word for word in words if word[0].isdigit()]
    return frozenset(term for word in (*named, *numbers) for term in content_tokens(word))


def _holds_kind(text: str, kind: str, question: str) -> bool:
    """True where the sentence holds something of the kind asked for that the question did not bring itself."""
    asked = {word.casefold() for word in re.findall(r"\w+", question)}
    return any(
        not {word.casefold() for word in re.findall(r"\w+", match[0])} <= asked
        for match in _CHECKS[kind].finditer(text)
    ) or (kind == "name" and not text.isascii())
