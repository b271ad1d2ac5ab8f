"""Answers that must be JSON of one form: parsed strictly, so that nothing a document says can change a field's kind.

A model may put the object into a code fence; nothing else around it is taken. Unknown keys, wrong types and missing
keys are refused with a sentence that the model gets back for its one repair.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n```\Z", re.S)
MOST_POINTS = 32


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
