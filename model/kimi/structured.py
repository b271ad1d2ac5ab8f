"""The forms that answers must have, and what is made of a model's attempts at them.

How an object is spelt is forgiven (``json_objects.py``), and so are keys that were not asked for and numbers in quotes.
What is wrong beyond that is refused with a sentence that the model gets back for its one repair; so nothing that a
document says can change a field's kind, or point to a page that was not shown. The JSON schemas are those of the same
classes, for engines that can hold a model to them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from itertools import pairwise
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic.functional_validators import AfterValidator

from folioscope.model.kimi.json_objects import find_object

MOST_POINTS = 32
MOST_LINES = 64
MOST_CHAPTERS = 32
_DIGITS = re.compile(r"\D{0,12}(\d{1,7})\D*\Z")  # "3", "p. 3", "page 3"


class FormError(ValueError):
    """What the model wrote is not of the form asked for. The message says what is wrong with it."""


def _number(value: Any) -> Any:
    """A number in words such as "page 3", or the first of several."""
    if isinstance(value, bool):
        raise ValueError("is not a number")
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str) and (match := _DIGITS.match(value)):
        return int(match[1])
    return value


def _shown(value: int, info: ValidationInfo) -> int:
    if info.context is not None and value not in info.context:
        raise ValueError("is not the number of one that was shown")
    return value


Text = Annotated[str, Field(min_length=1)]
Shown = Annotated[int, BeforeValidator(_number), AfterValidator(_shown)]
OrEmpty = Annotated[str, BeforeValidator(lambda value: value or "")]


class Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)


class Point(Form):
    text: Text
    page: Shown
    quote: Text


class SummaryForm(Form):
    summary: Text
    key_points: tuple[Point, ...] = Field(max_length=MOST_POINTS)


class PartsForm(Form):
    summary: Text


class AnswerForm(Form):
    """``answer``, ``page`` and ``quote`` are None where the question is not answerable."""

    answerable: bool
    answer: Text | None = None
    page: Shown | None = None
    quote: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_beside_no(cls, given: Any) -> Any:
        return _only_no(given)

    @model_validator(mode="after")
    def _whole(self) -> AnswerForm:
        _require_all(self.answerable, answer=self.answer, page=self.page, quote=self.quote)
        return self


# Videos: places are numbers of frames or shots, which the pipeline turns into times; a model tells no times of its own.


class ShotLine(Form):
    """Words on the screen, from frame ``first`` to frame ``last``, counted from 1."""

    words: Text
    first: Shown
    last: Shown

    @model_validator(mode="after")
    def _in_order(self) -> ShotLine:
        if self.last < self.first:
            raise ValueError("has its last frame before its first")
        return self


class ShotForm(Form):
    text: tuple[ShotLine, ...] = Field(max_length=MOST_LINES)
    caption: str | None


class VideoPoint(Form):
    """``quote`` is empty where the shot shows it and no words say it."""

    text: Text
    shot: Shown
    quote: OrEmpty


class VideoChapter(Form):
    title: Text
    first_shot: Shown


class VideoSummaryForm(Form):
    summary: Text
    key_points: tuple[VideoPoint, ...] = Field(max_length=MOST_POINTS)
    chapters: tuple[VideoChapter, ...] = Field(max_length=MOST_CHAPTERS)

    @model_validator(mode="after")
    def _in_order(self) -> VideoSummaryForm:
        if any(later.first_shot <= earlier.first_shot for earlier, later in pairwise(self.chapters)):
            raise ValueError("each chapter must begin at a later shot than the one before")
        return self


class VideoAnswerForm(Form):
    """``answer`` and ``shot`` are None where the question is not answerable."""

    answerable: bool
    answer: Text | None = None
    shot: Shown | None = None
    quote: OrEmpty = ""

    @model_validator(mode="before")
    @classmethod
    def _nothing_beside_no(cls, given: Any) -> Any:
        return _only_no(given)

    @model_validator(mode="after")
    def _whole(self) -> VideoAnswerForm:
        _require_all(self.answerable, answer=self.answer, shot=self.shot)
        return self


def _only_no(given: Any) -> Any:
    """Whoever says that it cannot answer may fill the other fields with anything."""
    if isinstance(given, dict) and str(given.get("answerable")).casefold() in ("false", "no", "0"):
        return {"answerable": False}
    return given


def _require_all(answerable: bool, **fields: object) -> None:
    missing = [name for name, value in fields.items() if value is None]
    if answerable and missing:
        raise ValueError(f"{', '.join(missing)} missing")


Asked = TypeVar("Asked", bound=Form)


def parse(kind: type[Asked], text: str, shown: Collection[int] | None = None) -> Asked:
    """The form in what a model wrote; ``shown`` are the numbers of pages, shots or frames that it may name.

    Raises :class:`FormError`.
    """
    required = [name for name, field in kind.model_fields.items() if field.is_required()]
    try:
        return kind.model_validate(find_object(text, required), context=None if shown is None else frozenset(shown))
    except ValidationError as error:
        raise FormError("; ".join(map(_told, error.errors()[:3]))) from error
    except ValueError as error:
        raise FormError(str(error)) from error


def _told(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    return f"{where} {error['msg'].removeprefix('Value error, ')}".strip()


def schema_of(kind: type[Form]) -> str:
    """The JSON schema of a form, as one line."""
    return json.dumps(kind.model_json_schema(), separators=(",", ":"))
