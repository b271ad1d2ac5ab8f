"""Summaries from the document's own sentences: each verbatim, each with its page. Nothing is ever written.

Sentences near the front are ranked by how central they are to one another (LexRank, Erkan and Radev 2004), since a
document says early what it is about; deep sentences of long documents are mostly detail. Costs about 20 ms a document.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from typing import Final

import numpy as np

from folioscope.model.embedded.sentences import Sentence, sentences_of
from folioscope.model.protocol import DocumentText, KeyPoint, Summary, Usage
from folioscope.model.words import content_tokens

SETTINGS: Final = {"method": "lexrank", "sentences": "5", "summarizer": "1"}
MAX_SENTENCES = 5
HEAD_SHARE = 0.1
MIN_HEAD_PAGES = 2
MAX_CANDIDATES = 150
MIN_WORDS, MAX_CHARS = 6, 400
LEAD_WEIGHT = 0.4
SAME = 0.6  # two sentences this alike say the same
_DAMPING = 0.85
_BOILERPLATE = re.compile(
    r"\.{4,}|(?:\. ){4,}|©|\(c\) \d{4}|all rights reserved|copyright|https?://|www\.|doi:|@\w+\.|\bISBN\b|\bISSN\b|"
    r"licen[cs]ed under",
    re.I,
)


def summarize(document: DocumentText) -> Summary:
    """Up to five sentences of the document in reading order; fewer, or none, where it holds fewer."""
    begun = time.perf_counter()
    chosen = most_central(_candidates(document))
    points = tuple(
        KeyPoint(sentence.text, (sentence.evidence,))
        for sentence in sorted(chosen, key=lambda sentence: sentence.order)
    )
    text = " ".join(point.text for point in points)
    return Summary(text, "extractive", points, usage=Usage(seconds=time.perf_counter() - begun))


def _candidates(document: DocumentText) -> list[Sentence]:
    head = max(MIN_HEAD_PAGES, math.ceil(HEAD_SHARE * len(document.pages)))
    front = DocumentText(document.asset_id, document.uri, document.title, document.pages[:head])
    found = [sentence for sentence in sentences_of(front) if is_readable(sentence)]
    if len(found) < MAX_SENTENCES and len(document.pages) > head:  # a cover and a contents page say little
        more = DocumentText(document.asset_id, document.uri, document.title, document.pages[: 4 * head])
        found = [sentence for sentence in sentences_of(more) if is_readable(sentence)]
    return found[:MAX_CANDIDATES]


def is_readable(sentence: Sentence) -> bool:
    """A whole sentence of words: no heading, row, contents line, address or formula."""
    text = sentence.text
    solid = [c for c in text if not c.isspace()]
    letters = sum(c.isalpha() for c in solid)
    long_enough = len(text.split()) >= MIN_WORDS or (any("\u2e80" <= c <= "\ud7af" for c in text) and len(text) >= 10)
    return (
        sentence.kind == "text"
        and long_enough
        and len(text) <= MAX_CHARS
        and letters >= 0.7 * len(solid)
        and text[-1] in '.!?。！？؟…।"”’)'
        and not text[0].islower()
        and not _BOILERPLATE.search(text)
    )


def most_central(candidates: list[Sentence]) -> list[Sentence]:
    """The most central sentences that do not repeat one another."""
    if not candidates:
        return []
    vectors = _tf_idf([content_tokens(sentence.text) for sentence in candidates])
    likeness = vectors @ vectors.T
    score = _centrality(likeness)
    lead = 1.0 - np.arange(len(candidates)) / len(candidates)
    order = np.argsort(-(score / score.max() + LEAD_WEIGHT * lead), kind="stable")
    chosen: list[int] = []
    for index in order.tolist():
        if all(likeness[index, other] < SAME for other in chosen):
            chosen.append(index)
        if len(chosen) == MAX_SENTENCES:
            break
    return [candidates[index] for index in chosen]


def _tf_idf(texts: list[list[str]]) -> np.ndarray:
    terms = {term: column for column, term in enumerate(sorted({term for text in texts for term in text}))}
    matrix = np.zeros((len(texts), max(1, len(terms))))
    for row, text in enumerate(texts):
        for term, count in Counter(text).items():
            matrix[row, terms[term]] = count
    matrix *= np.log((1 + len(texts)) / (1 + (matrix > 0).sum(axis=0))) + 1
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(norms == 0, 1, norms))


def _centrality(likeness: np.ndarray) -> np.ndarray:
    """PageRank over the graph of likenesses."""
    weights = np.where(likeness > 0.05, likeness, 0.0) + 1e-9
    weights /= weights.sum(axis=1, keepdims=True)
    rank = np.full(len(weights), 1 / len(weights))
    for _ in range(50):
        rank = (1 - _DAMPING) / len(weights) + _DAMPING * rank @ weights
    return rank
