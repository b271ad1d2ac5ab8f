"""Answers that must be JSON of one form: parsed strictly, so that nothing a document says can change a field's kind.

A model may put the object into a code fence; nothing else around it is taken. Unknown keys, wrong types and missing
keys are refused with a sentence that the model gets back for its one repair.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\Z", re.S)
MOST_POINTS = 32
MOST_LINES = 64
MOST_CHAPTERS = 32


class FormError(ValueError):
    """What the model wrote is not of the form asked for. The message says what is wrong with it."""


class TruncatedThoughtError(RuntimeError):
    """A Thinking model was cut off before it came to an answer."""


@dataclass(frozen=True, slots=True)
class Point:
    text: str
    page: int
    quote: str


@dataclass(frozen=True, slots=True)
class SummaryForm:
    summary: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """``answer``, ``page`` and ``quote`` are None where the question is not answerable."""

    answerable: bool
    answer: str | None = None
    page: int | None = None
    quote: str | None = None


def parse_summary(text: str) -> SummaryForm:
    """Raises :class:`FormError`."""
    whole = _object(text, required={"summary", "key_points"})
    points = whole["key_points"]
    if not isinstance(points, list) or len(points) > MOST_POINTS:
        raise FormError(f"key_points is not a list of at most {MOST_POINTS}")
    return SummaryForm(_text(whole, "summary"), tuple(_point(point) for point in points))


def parse_answer(text: str) -> AnswerForm:
    """Raises :class:`FormError`."""
    whole = _object(text, required={"answerable"}, optional={"answer", "page", "quote"})
    if whole["answerable"] is False:
        return AnswerForm(False)
    if whole["answerable"] is not True:
        raise FormError("answerable is neither true nor false")
    if missing := sorted({"answer", "page", "quote"} - whole.keys()):
        raise FormError(f"{', '.join(missing)} missing")
    return AnswerForm(True, _text(whole, "answer"), _page(whole), _text(whole, "quote"))


def _point(value: Any) -> Point:
    if not isinstance(value, dict) or value.keys() != {"text", "page", "quote"}:
        raise FormError("a key point is not an object of text, page and quote")
    return Point(_text(value, "text"), _page(value), _text(value, "quote"))


def _object(text: str, required: set[str], optional: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    fenced = _FENCE.match(text.strip())
    try:
        whole = json.loads(fenced[1] if fenced else text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise FormError(f"it is no JSON: {error}") from error
    if not isinstance(whole, dict):
        raise FormError("it is no JSON object")
    if missing := sorted(required - whole.keys()):
        raise FormError(f"{', '.join(missing)} missing")
    if unknown := sorted(whole.keys() - required - optional):
        raise FormError(f"{', '.join(unknown)[:80]} not asked for")
    return whole


def _text(whole: dict[str, Any], key: str) -> str:
    if not isinstance(whole[key], str) or not whole[key].strip():
        raise FormError(f"{key} is not a text")
    return str(whole[key]).strip()


def _page(whole: dict[str, Any]) -> int:
    page = whole["page"]
    if isinstance(page, bool) or not isinstance(page, int) or page < 1:
        raise FormError("page is not a page number")
    return page


# Films: places are numbers of frames or shots, which the pipeline turns into times; a model tells no times of its own.


@dataclass(frozen=True, slots=True)
class ShotLine:
    """Words on the screen, from frame ``first`` to frame ``last``, counted from 1."""

    words: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ShotForm:
    lines: tuple[ShotLine, ...]
    caption: str | None


@dataclass(frozen=True, slots=True)
class FilmPoint:
    """``quote`` is empty where the shot shows it and no words say it."""

    text: str
    shot: int
    quote: str


@dataclass(frozen=True, slots=True)
class FilmChapter:
    title: str
    first_shot: int


@dataclass(frozen=True, slots=True)
class FilmSummaryForm:
    summary: str
    points: tuple[FilmPoint, ...] = ()
    chapters: tuple[FilmChapter, ...] = ()


@dataclass(frozen=True, slots=True)
class FilmAnswerForm:
    """``point`` is None where the question is not answerable; its text is the answer."""

    point: FilmPoint | None


def parse_shot(text: str, frames: int) -> ShotForm:
    """Raises :class:`FormError`."""
    whole = _object(text, required={"text", "caption"})
    lines = _list(whole, "text", MOST_LINES)
    caption = whole["caption"]
    if caption is not None and not isinstance(caption, str):
        raise FormError("caption is not a text")
    return ShotForm(tuple(_line(line, frames) for line in lines), (caption or "").strip() or None)


def parse_film_summary(text: str, shots: Collection[int]) -> FilmSummaryForm:
    """Raises :class:`FormError`, also where a shot is named that was not shown."""
    whole = _object(text, required={"summary", "key_points", "chapters"})
    points = tuple(_film_point(point, "text", shots) for point in _list(whole, "key_points", MOST_POINTS))
    chapters = tuple(_film_chapter(chapter, shots) for chapter in _list(whole, "chapters", MOST_CHAPTERS))
    firsts = [chapter.first_shot for chapter in chapters]
    if any(later <= earlier for earlier, later in pairwise(firsts)):
        raise FormError("each chapter must begin at a later shot than the one before")
    return FilmSummaryForm(_text(whole, "summary"), points, chapters)


def parse_parts_summary(text: str) -> str:
    """Raises :class:`FormError`."""
    return _text(_object(text, required={"summary"}), "summary")


def parse_film_answer(text: str, shots: Collection[int]) -> FilmAnswerForm:
    """Raises :class:`FormError`, also where a shot is named that was not shown."""
    whole = _object(text, required={"answerable"}, optional={"answer", "shot", "quote"})
    if whole["answerable"] is False:
        return FilmAnswerForm(None)
    if whole["answerable"] is not True:
        raise FormError("answerable is neither true nor false")
    return FilmAnswerForm(_film_point({key: whole[key] for key in whole if key != "answerable"}, "answer", shots))


def _line(value: Any, frames: int) -> ShotLine:
    if not isinstance(value, dict) or value.keys() != {"words", "first", "last"}:
        raise FormError("a piece of text is not an object of words, first and last")
    first, last = _number(value, "first", range(1, frames + 1)), _number(value, "last", range(1, frames + 1))
    if last < first:
        raise FormError("a piece of text has its last frame before its first")
    return ShotLine(_text(value, "words"), first, last)


def _film_point(value: Any, text: str, shots: Collection[int]) -> FilmPoint:
    if not isinstance(value, dict) or value.keys() != {text, "shot", "quote"}:
        raise FormError(f"{text}, shot and quote are wanted together, and nothing else")
    if not isinstance(value["quote"], str):
        raise FormError("quote is not a text")
    return FilmPoint(_text(value, text), _number(value, "shot", shots), value["quote"].strip())


def _film_chapter(value: Any, shots: Collection[int]) -> FilmChapter:
    if not isinstance(value, dict) or value.keys() != {"title", "first_shot"}:
        raise FormError("a chapter is not an object of title and first_shot")
    return FilmChapter(_text(value, "title"), _number(value, "first_shot", shots))


def _list(whole: dict[str, Any], key: str, most: int) -> list[Any]:
    values = whole[key]
    if not isinstance(values, list) or len(values) > most:
        raise FormError(f"{key} is not a list of at most {most}")
    return values


def _number(whole: dict[str, Any], key: str, known: Collection[int]) -> int:
    number = whole[key]
    if isinstance(number, bool) or not isinstance(number, int) or number not in known:
        raise FormError(f"{key} is not the number of one that was shown")
    return number
