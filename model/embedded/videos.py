"""A video's summary from what it shows and says, each sentence with its seconds, and its chapters.

Where whole sentences were shown or said the most central ones are taken, as of a document; where there are fewer than
five, the largest other words join them. Of several tracks that say the same in their languages, one is summed up: the
one in the language that is spoken. A video without words has an empty summary, and chapters by its shots alone.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

from rapidfuzz import fuzz

from folioscope.model.embedded.chapters import chapters_of, letter_size
from folioscope.model.embedded.sentences import Sentence, sentences_of
from folioscope.model.embedded.summarize import MAX_SENTENCES, is_readable, most_central
from folioscope.model.plain_text import normal_form
from folioscope.model.protocol import KeyPoint, Summary, Usage, VideoText

SETTINGS: Final = {"videos": "3"}
REPEATED = 90.0  # likeness of two lines of which one is the other, read again
MOST_CANDIDATES = 300
FEWEST_LETTERS = 4


def summarize_video(video: VideoText) -> Summary:
    """Up to five lines that were shown or said, in that order; none where there are none."""
    begun = time.perf_counter()
    sentences = sentences_of(video, main_track_alone=True)
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
    chapters = chapters_of(video.shots)
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
