"""A film's summary from the words on its screen, each with the seconds in which they stood there, and its chapters.

Where whole sentences were shown the most central ones are taken, as of a document; where there are fewer than five, the
largest other words join them. A film that shows no words has an empty summary, and chapters by its shots alone.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from rapidfuzz import fuzz

from model.embedded.chapters import chapters_of, letter_size
from model.embedded.sentences import Sentence, sentences_of
from model.embedded.summarize import MAX_SENTENCES, is_readable, most_central
from model.plain_text import normal_form
from model.protocol import FilmText, KeyPoint, Summary, Usage

SETTINGS: Final = {"films": "1"}
REPEATED = 90.0  # likeness of two lines of which one is the other, read again
MOST_CANDIDATES = 300
FEWEST_LETTERS = 4


def summarize_film(film: FilmText) -> Summary:
    """Up to five lines of on-screen text in the order in which they were shown; none where it shows none."""
    begun = time.perf_counter()
    sentences = sentences_of(film)
    distinct = _distinct(sentences)
    letters: Counter[int] = Counter()
    for sentence in sentences:
        letters[sentence.block] += len(sentence.text)
    chosen = most_central([sentence for sentence in distinct if is_readable(sentence)])
    others = [sentence for sentence in distinct if sentence.kind != "row" and sentence not in chosen]
    others.sort(key=lambda sentence: letter_size(sentence.bbox, letters[sentence.block]), reverse=True)
    chosen = sorted([*chosen, *others[: MAX_SENTENCES - len(chosen)]], key=lambda sentence: sentence.order)
    points = tuple(KeyPoint(sentence.text, (sentence.evidence,)) for sentence in chosen)
    text = " ".join(_closed(point.text) for point in points)
    chapters = chapters_of(film.shots)
    return Summary(text, "extractive", points, chapters, Usage(seconds=time.perf_counter() - begun))


def _distinct(sentences: list[Sentence]) -> list[Sentence]:
    """The first showing of each line of words; one that stands in every shot is the same line all the time."""
    kept: list[Sentence] = []
    seen: list[str] = []
    for sentence in sentences:
        words = normal_form(sentence.text)
        if sum(character.isalpha() for character in words) < FEWEST_LETTERS or words in seen:
            continue
        if not any(fuzz.ratio(words, other, score_cutoff=REPEATED) for other in seen):
            kept.append(sentence)
            seen.append(words)
        if len(kept) == MOST_CANDIDATES:
            break
    return kept


def _closed(text: str) -> str:
    """The line with a full stop where it ends without a mark, so that lines can be told apart in one paragraph."""
    return text if not text[-1:].isalnum() else f"{text}."
