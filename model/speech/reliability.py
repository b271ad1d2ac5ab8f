"""Whether what a speech model wrote was said: the signs by which its inventions are told.

A flagged segment stays in the tables, so that it can be looked at; its words are in no text, summary or answer.
"""

from __future__ import annotations

import re
import zlib
from itertools import groupby
from typing import Final

LOW_LOGPROB: Final = "low_logprob"
NO_SPEECH: Final = "no_speech"
REPETITION: Final = "repetition"
MUSIC: Final = "music"
POOR_LOGPROB = -1.0  # mean over a segment's tokens
SILENT = 0.6  # probability that nobody speaks
SQUEEZED = 2.4  # times by which text is compressed that says the same over and over
MOST_TIMES = 4  # that a phrase is said in a row
LONGEST_PHRASE = 8  # words
_MARKS = re.compile(r"[\[(（【][^\])）】]*[\])）】]|[♪♫♬🎵🎶*]")
_WORD = re.compile(r"\w+")


def doubts(text: str, *, logprob: float | None = None, no_speech: float | None = None) -> tuple[str, ...]:
    """Why a segment must not be believed; () where nothing speaks against it."""
    found = []
    if logprob is not None and logprob < POOR_LOGPROB:
        found.append(LOW_LOGPROB)
    if no_speech is not None and no_speech > SILENT:
        found.append(NO_SPEECH)
    if is_repetitive(text):
        found.append(REPETITION)
    if text.strip() and not _WORD.search(_MARKS.sub("", text)):
        found.append(MUSIC)
    return tuple(found)


def is_repetitive(text: str) -> bool:
    """Whether a text says the same phrase over and over."""
    data = text.encode()
    if len(data) > 100 and len(data) / len(zlib.compress(data)) > SQUEEZED:
        return True
    words = [word.casefold() for word in _WORD.findall(text)]
    for length in range(1, LONGEST_PHRASE + 1):
        for first in range(length):
            phrases = [tuple(words[at : at + length]) for at in range(first, len(words) - length + 1, length)]
            if any(len(list(group)) > MOST_TIMES for _, group in groupby(phrases)):
                return True
    return False
