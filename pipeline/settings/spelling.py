"""What people write for a setting, turned into its value: lists with commas, files of questions, ``6h``, prices."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from folioscope.pipeline.durations import parse_deadline
from folioscope.pipeline.kinds import KINDS
from folioscope.pipeline.questions import load_passwords, load_questions


def words(given: object) -> object:
    """``read,answer`` as its words; anything else as it is."""
    return tuple(word.strip() for word in given.split(",") if word.strip()) if isinstance(given, str) else given


def kinds(given: object) -> object:
    """``documents`` is short for the kinds of documents, ``videos`` for those of videos."""
    named = words(given)
    if not isinstance(named, tuple | list):
        return named
    return tuple(kind for word in named for kind in _spelt_out(word))


def _spelt_out(word: object) -> tuple[object, ...]:
    return next((kinds for media, kinds in KINDS.items() if media == word), (word,))


def questions(given: object) -> object:
    """The path or URL of a file of questions as what stands in it."""
    return load_questions(given) if isinstance(given, str | Path) else given


def passwords(given: object) -> object:
    """The path or URL of a file of passwords as what stands in it."""
    return load_passwords(given) if isinstance(given, str | Path) else given


def moment(given: object) -> object:
    """``6h`` and ``2026-03-01T06:00`` as a moment."""
    return parse_deadline(given, datetime.now(UTC)) if isinstance(given, str) else given


def models(given: object) -> object:
    """Several servers of one model as one value, with spaces between."""
    return " ".join(map(str, given)) if isinstance(given, tuple | list) else given


def prices(given: object) -> object:
    """``0.60,2.50`` as two numbers."""
    return tuple(given.split(",")) if isinstance(given, str) else given
