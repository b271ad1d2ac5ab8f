"""Scores of whole pages and documents against truth: OmniDocBench (and MDPBench), READoc, KITAB-Bench.

Stated where it is computed: what is the official rule, and what stands in for one that needs tools we do not have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bs4 import BeautifulSoup
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment

from folioscope.pipeline.evaluation.items import Mark
from folioscope.pipeline.evaluation.rules.page_parts import (
    comparable_formula,
    comparable_table,
    comparable_text,
    parts_of,
)
from folioscope.pipeline.evaluation.rules.tables import html_tables_of, teds
from folioscope.pipeline.evaluation.rules.texts import edit_share

# Parts of the truth that are looked for, so that they match nothing else, and are not scored.
UNSCORED = frozenset(
    {
        *("figure_caption", "figure_footnote", "table_caption", "table_footnote", "code_algorithm"),
        *("code_algorithm_caption", "header", "footer", "page_footnote", "page_number", "equation_caption"),
    }
)
CHRF_ORDERS = 6
_BETA = 2.0


@dataclass(frozen=True, slots=True)
class TruePart:
    """A block of the truth, in reading order; ``order`` counts from 1, 0 where the truth gives none."""

    category: str
    content: str
    order: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A block of the truth and what was taken for it; either may be missing (-1)."""

    true: int
    found: int
    edits: int
    length: int


def matched(true: Sequence[str], found: Sequence[str]) -> list[Pair]:
    """One to one, at the least sum of edit shares. What is left of ``found`` is one pair more, as one text."""
    pairs: list[Pair] = []
    taken: dict[int, int] = {}
    if true and found:
        costs = np.array([[edit_share(one, other) for other in found] for one in true])
        rows, columns = linear_sum_assignment(costs)
        taken = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    for place, text in enumerate(true):
        other = found[taken[place]] if place in taken else ""
        length = max(len(text), len(other))
        pairs.append(Pair(place, taken.get(place, -1), Levenshtein.distance(text, other), length))
    rest = "".join(text for place, text in enumerate(found) if place not in taken.values())
    if rest:
        pairs.append(Pair(-1, -1, len(rest), len(rest)))
    return pairs


def omnidocbench_marks(truth: Sequence[TruePart], page: str) -> list[Mark]:
    """Text, formulas, tables and reading order of a page, each 0..1 (1 is best), as marks of its own.

    The official suite's ``simple_match`` with its normal forms; its default also joins and splits blocks, so that ours
    is never the kinder. Formulas by edits; the official CDM compares pictures that LaTeX drew.
    """
    parts = parts_of(page)
    texts = [
        (part, text)
        for part in truth
        if part.category not in ("table", "formula")
        for text in [comparable_text(part.content)]
        if text
    ]
    found = [text for text in map(comparable_text, parts.texts) if text]
    pairs = [
        pair
        for pair in matched([text for _, text in texts], found)
        if pair.true < 0 or texts[pair.true][0].category not in UNSCORED
    ]
    marks: list[Mark] = []
    length = sum(pair.length for pair in pairs)
    if length:
        marks.append(Mark("text", 1.0 - sum(pair.edits for pair in pairs) / length))
    order = _order_of(pairs, [part.order for part, _ in texts])
    if order is not None:
        marks.append(Mark("order", order))
    marks += _formula_marks([part.content for part in truth if part.category == "formula"], parts.formulas)
    marks += _table_marks([part.content for part in truth if part.category == "table"], parts.tables)
    return marks


def _order_of(pairs: Sequence[Pair], orders: Sequence[int]) -> float | None:
    wanted = sorted(orders[pair.true] for pair in pairs if pair.true >= 0 and orders[pair.true])
    told = [orders[pair.true] for pair in sorted(pairs, key=lambda pair: pair.found) if pair.true >= 0 <= pair.found]
    told = [order for order in told if order]
    longest = max(len(wanted), len(told))
    return 1.0 - Levenshtein.distance(wanted, told) / longest if longest else None


def _formula_marks(true: Sequence[str], found: Sequence[str]) -> list[Mark]:
    wanted = [text for text in map(comparable_formula, true) if text]
    pairs = [pair for pair in matched(wanted, [f for f in map(comparable_formula, found) if f]) if pair.true >= 0]
    length = sum(pair.length for pair in pairs)
    return [Mark("formula", 1.0 - sum(pair.edits for pair in pairs) / length)] if length else []


def _table_marks(true: Sequence[str], found: Sequence[str]) -> list[Mark]:
    """One mark a table: the suite's mean is over tables, not pages."""
    wanted, told = [comparable_table(table) for table in true], [comparable_table(table) for table in found]
    pairs = matched(wanted, told)
    return [
        Mark("table", teds(told[pair.found], wanted[pair.true]) if pair.found >= 0 else 0.0)
        for pair in pairs
        if pair.true >= 0
    ]


# READoc


def readoc_marks(truth: str, document: str) -> list[Mark]:
    """Edit likeness and word-set F of the plain text, and likeness and order of the headings' text and of the words.

    READoc first standardises both sides with Pandoc and scores formulas and LaTeX tables; here both sides are reduced
    to words by one rule, so that scores compare replicas with each other and not with its paper.
    """
    wanted, told = plain_words(truth), plain_words(document)
    marks: list[Mark] = []
    if wanted:
        marks += [Mark("text_eds", 1.0 - edit_share(told, wanted)), Mark("text_f1", word_set_f(told, wanted))]
    headings, found = "\n".join(headings_of(truth)), "\n".join(headings_of(document))
    if headings:
        marks.append(Mark("head_eds", 1.0 - edit_share(found, headings)))
    order = word_order(told.split(), wanted.split())
    return marks if order is None else [*marks, Mark("word_kt", order)]


def plain_words(markdown: str) -> str:
    text = re.sub(r"(?m)^\s{0,3}(#{1,6}|[-*+]|\d+\.|>)\s+", "", markdown)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", " ", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<[^<>]+>|[|`*]|\b__|__\b", " ", text)
    return re.sub(r"\s+", " ", text).strip()


def headings_of(markdown: str) -> list[str]:
    return [plain_words(line) for line in markdown.splitlines() if re.match(r"\s{0,3}#{1,6}\s", line)]


def word_set_f(told: str, wanted: str) -> float:
    """F of the sets of words, as NLTK computes it for READoc."""
    one, other = set(told.split()), set(wanted.split())
    both = len(one & other)
    return 2 * both / (len(one) + len(other)) if one or other else 0.0


def word_order(told: Sequence[str], wanted: Sequence[str]) -> float | None:
    """1 less Kendall's distance between the orders in which common words first come; None for a truth of one word.

    0 where too few words are common for an order.
    """
    if len(wanted) <= 1:
        return None
    first_wanted, first_told = list(dict.fromkeys(wanted)), list(dict.fromkeys(told))
    common = set(first_wanted) & set(first_told)
    if len(common) < 2 or len(common) <= 0.1 * min(len(wanted), len(told)):
        return 0.0
    places = {word: place for place, word in enumerate(word for word in first_told if word in common)}
    order = [places[word] for word in first_wanted if word in common]
    return 1.0 - 2 * _inversions(order) / (len(order) * (len(order) - 1))


def _inversions(order: list[int]) -> int:
    if len(order) < 2:
        return 0
    middle = len(order) // 2
    left, right = order[:middle], order[middle:]
    count = _inversions(left) + _inversions(right)
    left.sort()
    right.sort()
    place = 0
    for value in right:
        while place < len(left) and left[place] <= value:
            place += 1
        count += len(left) - place
    order[:] = left + right
    return count


# KITAB-Bench


def kitab_marks(truth: str, document: str) -> list[Mark]:
    """The counts of a corpus-wide chrF on the text, and for each true table the best TEDS of those found."""
    wanted_text, wanted = html_tables_of(truth)
    told_text, told = html_tables_of(document)
    marks = chrf_marks(arabic_normal(told_text), arabic_normal(wanted_text))
    if wanted:
        best = [max((teds(_flat_table(one), _flat_table(other)) for one in told), default=0.0) for other in wanted]
        marks.append(Mark("teds", sum(best) / len(best)))
    return marks


def arabic_normal(text: str) -> str:
    """KITAB-Bench's normal form: no diacritics, one alef, heh for teh marbuta, yeh for alef maksura, no tatweel."""
    text = text.replace("<image>", "")
    text = re.sub(r"[\u064b-\u065f\u0670]", "", text)
    text = re.sub("[إأٱآا]", "ا", text).replace("ة", "ه").replace("ى", "ي").replace("ـ", "")
    return " ".join(text.split())


_TABLE_TAGS = frozenset({"table", "tr", "th", "tbody", "td"})
_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩", "0123456789")


def _flat_table(table: str) -> str:
    """Heading, body and footing rows in one body, western digits, no other tags.

    Cells are indented as the official code prints them: the blanks count among their characters.
    """
    soup = BeautifulSoup(arabic_normal(table).translate(_DIGITS), "html.parser")
    flat, body = soup.new_tag("table"), soup.new_tag("tbody")
    flat.append(body)
    for part in ("thead", "tbody", "tfoot", "table"):
        found = soup.find(part)
        if found is not None:
            for row in found.find_all("tr"):
                body.append(row)
            found.extract()
    printed = BeautifulSoup(str(flat.prettify()), "html.parser")
    for tag in printed.find_all(True):
        if tag.name not in _TABLE_TAGS:
            tag.unwrap()
    return str(printed)


def chrf_marks(told: str, wanted: str) -> list[Mark]:
    """Character n-grams of one document: precision and recall by order, weighed by how many there are."""
    one, other = "".join(told.split()), "".join(wanted.split())
    marks: list[Mark] = []
    for order in range(1, CHRF_ORDERS + 1):
        found, true = _grams(one, order), _grams(other, order)
        right = (found & true).total()
        for name, grams in (("p", found), ("r", true)):
            total = grams.total()
            marks.append(Mark(f"chrf_{name}{order}", right / total if total else 0.0, weight=float(total)))
    return marks


def _grams(text: str, order: int) -> Counter[str]:
    return Counter(text[place : place + order] for place in range(len(text) - order + 1))


def chrf(values: Mapping[str, float]) -> float:
    """chrF2 from the corpus' mean precision and recall of the orders that occur on both sides."""
    told = [(values.get(f"chrf_p{order}"), values.get(f"chrf_r{order}")) for order in range(1, CHRF_ORDERS + 1)]
    kept = [(p, r) for p, r in told if p is not None and r is not None]
    if not kept:
        return 0.0
    precision, recall = (sum(values) / len(kept) for values in zip(*kept, strict=True))
    under = _BETA**2 * precision + recall
    return (1 + _BETA**2) * precision * recall / under if under else 0.0
