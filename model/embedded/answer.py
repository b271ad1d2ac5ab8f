"""Answers found, never written: a verbatim sentence of the document or video with its place, or "not found".

Passages are retrieved by BM25. The document is taken to hold the answer only where one passage covers what the
question asks about: its names and numbers all, its other words for the most part, and in the sentence itself something
of the kind asked for (``asked.py``) that the question did not bring. A row of a table is read with the names of its
columns: the answer is then the row's label, the column's name and the cell. So most wrong answers end as "not found".
The index costs about 50 µs a sentence, a question some milliseconds.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import bm25s
import numpy as np

from folioscope.model.embedded.asked import Asked, is_number
from folioscope.model.embedded.sentences import Sentence, sentences_of
from folioscope.model.protocol import Answer, AssetText, Question, Usage, VideoText
from folioscope.model.words import content_tokens, tokens

SETTINGS: Final = {"retrieval": "bm25", "coverage": "0.66", "answerer": "5", "words": "snowball"}
WINDOW = 3  # sentences a passage
COVERAGE = 0.66  # of the question's words, by how rare they are, that a passage must hold
OWN = 0.5  # of what is asked, names aside, that the sentence itself must hold
HEADING_REACH = 12  # sentences up to which a heading counts for those below it
OWN_OF_FIGURES = 0.6  # of all that is asked, where a figure is: what it is of stands beside it
COUNTED = 0.15  # for a number right before what "how many" counts
_FIGURES = frozenset({"money", "percent", "duration", "number"})
_REFERENCES = re.compile(
    r"\W*(?:\d+\.?\s*)?(?:references|bibliography|works cited|literature(?: cited)?|literatur(?:verzeichnis)?|"
    r"références|bibliographie|referencias|bibliografía)\W*$",
    re.I,
)
SEVERAL = 2  # figures of a row, among more of which a reader cannot tell the one that is meant
_NOTE_OF_YEAR = re.compile(r"(?:(?<=\b\d{4})|(?<=\b\d{4}[-–]\d\d))\.(?=\d{1,3}\b)")


@dataclass(frozen=True, slots=True)
class _Index:
    """The passages of a document or video: a window of sentences around each sentence, within its page or shot."""

    sentences: list[Sentence]
    windows: list[list[int]]
    terms: list[frozenset[str]]
    idf: dict[str, float]
    unseen_idf: float
    retriever: bm25s.BM25 | None
    language: str | None
    names_stand_out: bool  # False in German, which writes every noun with a capital
    in_references: list[bool]  # whether a sentence belongs to a list of what is cited
    headings_answer: bool  # on a screen the largest words say what is meant; on a page they only name it


def answer(asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
    """One answer a question, in order; the document or video is indexed once."""
    begun = time.perf_counter()
    index = _build(asset)
    building = (time.perf_counter() - begun) / max(1, len(questions))
    return [_answer(index, question, building) for question in questions]


def _build(asset: AssetText) -> _Index:
    segments = asset.shots if isinstance(asset, VideoText) else asset.pages
    languages = Counter(segment.language for segment in segments if segment.language)
    language = languages.most_common(1)[0][0] if languages else None
    sentences = sentences_of(asset)
    terms = [frozenset(tokens(_with_names(sentence), language)) for sentence in sentences]
    windows = [_window(sentences, i) for i in range(len(sentences))]
    frequency = Counter(term for group in terms for term in group)
    idf = {term: math.log(1 + len(sentences) / count) for term, count in frequency.items()}
    retriever = None
    if sentences:
        retriever = bm25s.BM25()
        own = [tokens(_with_names(sentence), language) for sentence in sentences]
        corpus = [[term for i in window for term in own[i]] or ["\0"] for window in windows]
        retriever.index(corpus, show_progress=False)
    unseen = math.log(2 + len(sentences))
    is_video = isinstance(asset, VideoText)
    cited = _in_references(sentences)
    return _Index(sentences, windows, terms, idf, unseen, retriever, language, language != "de", cited, is_video)


def _in_references(sentences: Sequence[Sentence]) -> list[bool]:
    found, inside = [], False
    for sentence in sentences:
        if sentence.kind == "heading":
            inside = _REFERENCES.match(sentence.text) is not None
        found.append(inside)
    return found


def _with_names(sentence: Sentence) -> str:
    """A sentence's words; of a table's row also the names of its columns. The number of a note is none of a year's."""
    return " ".join(
        (_NOTE_OF_YEAR.sub(". ", sentence.text), *dict.fromkeys(cell.name for cell in sentence.cells if cell.name))
    )


def _window(sentences: list[Sentence], centre: int) -> list[int]:
    """The sentence, its neighbours in the page or shot, and the heading that it stands under.

    What a row of a table says does not go on in the next one: its passage is the row and the heading or caption above.
    """
    half = WINDOW // 2
    segment, block = sentences[centre].segment, sentences[centre].block
    if sentences[centre].kind == "row":
        first = centre
        while first > 0 and sentences[first - 1].block == block:
            first -= 1
        section = next((i for i in range(centre - 1, first - 1, -1) if len(sentences[i].cells) == 1), None)
        near = [i for i in range(max(0, first - 2), first) if sentences[i].segment == segment]
        near += [centre] if section is None else [section, centre]
    else:
        first = centre
        near = [
            i
            for i in range(max(0, centre - half), min(len(sentences), centre + half + 1))
            if sentences[i].segment == segment
        ]
    above = range(first, max(-1, first - HEADING_REACH), -1)
    heading = next((i for i in above if sentences[i].kind == "heading"), None)
    return near if heading is None or heading in near else [heading, *near]


def _answer(index: _Index, question: Question, building: float) -> Answer:
    begun = time.perf_counter()
    asked = Asked.of(question.text, index.language, names_stand_out=index.names_stand_out)
    best: tuple[float, str, int] | None = None
    for centre in _retrieve(index, asked.terms):
        found = _judge(index, centre, asked)
        if found is not None and (best is None or found[0] > best[0]):
            best = (*found, centre)
    usage = Usage(seconds=building + time.perf_counter() - begun)
    if best is None:
        return Answer(question.question_id, None, False, None, usage=usage)
    score, text, centre = best
    evidence = (index.sentences[centre].evidence,)
    return Answer(question.question_id, text, True, min(1.0, score), evidence, usage=usage)


def _retrieve(index: _Index, wanted: Sequence[str]) -> list[int]:
    """Every passage that holds a word of the question, the most telling first."""
    known = [term for term in wanted if term in index.idf]
    if not known or index.retriever is None:
        return []
    scores = index.retriever.get_scores(known)
    return [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > 0]


def _judge(index: _Index, centre: int, asked: Asked) -> tuple[float, str] | None:
    """(how well the passage around a sentence answers, the answer); None where it does not hold what is asked about."""
    sentence, own = index.sentences[centre], index.terms[centre]
    if sentence.kind == "names" or (sentence.kind == "heading" and not index.headings_answer):
        return None
    if sentence.text.endswith(":"):
        return None  # the answer comes after it
    passage = frozenset().union(*(index.terms[i] for i in index.windows[centre]))
    if not (asked.names | asked.thing) <= passage:
        return None
    covered = _share(index, asked.terms, passage)
    # Whom it is about may stand in the sentence before; what is asked about them stands in the answer.
    if sentence.kind == "row":
        own |= _section_terms(index, centre)
        if not {name for name in asked.names if name[0].isdigit()} <= own:
            return None
    relation = _share(index, [term for term in asked.terms if term not in asked.names] or asked.terms, own)
    if covered < COVERAGE or relation < OWN:
        return None
    counted = _counts(index, sentence, asked)
    if sentence.cells:
        text = _from_row(index, sentence, asked)
    else:
        text = sentence.text if _answers(index, centre, own, asked, counted=counted) else None
    if text is None or not asked.holds_compounds(" ".join(index.sentences[i].text for i in index.windows[centre])):
        return None
    if not set(content_tokens(text, index.language)) - set(asked.terms):
        return None  # it only restates the question
    named = 1.0 if asked.names <= own else 0.0
    return 0.4 * covered + 0.4 * relation + 0.2 * named + (COUNTED if counted else 0.0), text


def _answers(index: _Index, centre: int, own: frozenset[str], asked: Asked, *, counted: bool) -> bool:
    """True where a sentence of running text itself says what is asked, and is not what somebody else is cited with."""
    text = index.sentences[centre].text
    if index.in_references[centre] or not asked.is_answered_by(text) or asked.is_turned_round(text, index.language):
        return False
    if asked.kind in _FIGURES and not asked.holds_compounds(text):
        return False
    return _is_about(index, own, asked) and (counted or not asked.counts_things)


def _is_about(index: _Index, own: frozenset[str], asked: Asked) -> bool:
    """True where a sentence itself names what "what is" asks for, and of a figure most of what it is of."""
    of_figure = _share(index, asked.terms, own) if asked.kind in _FIGURES else 1.0
    return asked.subject <= own and of_figure >= OWN_OF_FIGURES


def _counts(index: _Index, sentence: Sentence, asked: Asked) -> bool:
    """Whether a number stands beside what it counts or tells."""
    if not (asked.thing or asked.subject):
        return False
    terms = tokens(asked.counted_in(sentence.text), index.language)
    numbers = list(map(is_number, terms))
    return asked.counts(terms, numbers) if asked.thing else asked.figure_follows(terms, numbers)


def _section_terms(index: _Index, centre: int) -> frozenset[str]:
    """Terms of the row with a single cell that a table's row stands under."""
    found = (i for i in index.windows[centre] if i != centre and len(index.sentences[i].cells) == 1)
    return frozenset().union(*(index.terms[i] for i in found))


def _share(index: _Index, terms: Iterable[str], held: frozenset[str]) -> float:
    """The share of terms that are held, by how rare each is."""
    weight = {term: index.idf.get(term, index.unseen_idf) for term in terms}
    return sum(value for term, value in weight.items() if term in held) / (sum(weight.values()) or 1.0)


def _from_row(index: _Index, sentence: Sentence, asked: Asked) -> str | None:
    """What a row answers: its label with the one cell whose column the question names, else the row as it stands.

    None where the question names nothing that stands in the row itself.
    """
    wanted = set(asked.terms)
    label, *others = sentence.cells
    in_label = wanted & set(content_tokens(label.text, index.language))
    if not others:
        return None
    if not in_label:
        back = any(wanted & set(content_tokens(cell.text, index.language)) for cell in others)
        return sentence.text if back and asked.kind in (None, "name") else None
    others = [cell for cell in others if asked.is_answered_by_cell(cell.text)]
    if not others:
        return None
    left = wanted - in_label
    scored = [(_weight(index, left & set(content_tokens(cell.name, index.language))), cell) for cell in others]
    most = max(weight for weight, _ in scored)
    best = [cell for weight, cell in scored if weight == most]
    if len(best) > 1:  # "Total Costs All Funds" before "Total Direct Costs" for the total costs
        best = [cell for cell in best if _in_order(asked.terms, content_tokens(cell.name, index.language))] or best
    if not most or len(best) > 1:
        figures = sum(any(c.isdigit() for c in cell.text) for cell in others)
        return None if figures > SEVERAL and asked.kind in _FIGURES else sentence.text
    return f"{label.text}, {best[0].name}: {best[0].text}"


def _in_order(asked: Sequence[str], name: Sequence[str]) -> bool:
    """True where the words that a question and a name share stand in the name side by side, in the question's order."""
    shared = [term for term in asked if term in name]
    starts = range(len(name) - len(shared) + 1)
    return any(list(name[start : start + len(shared)]) == shared for start in starts)


def _weight(index: _Index, terms: Iterable[str]) -> float:
    return sum(index.idf.get(term, index.unseen_idf) for term in terms)
