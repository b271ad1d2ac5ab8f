"""The two tasks of understanding, step by step: a summary, in parts where an asset passes the context, and an answer.

What is looked at is decided before: see :meth:`FormInquiry.prepare`, which counts tokens and searches, and costs up to
a second for a thousand pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from folioscope.model.kimi.asking import SEGMENTS_SHOWN, Asked, Limits, Nearest, Spent, Steps, fitting, formed, parts
from folioscope.model.kimi.conversation import Conversation, confidence
from folioscope.model.kimi.material import Material, Noted, material_of
from folioscope.model.protocol import Answer, AssetTasks, Question, Summary


@dataclass(frozen=True, slots=True)
class Plan:
    """Places of an asset's segments: ``parts`` are summarised one after the other; one tuple for each question."""

    parts: tuple[tuple[int, ...], ...]
    questions: tuple[tuple[int, ...], ...]


class FormInquiry:
    """An asset that is asked for forms, as :mod:`folioscope.model.kimi.structured` has them. See ``Inquiry``."""

    def __init__(self, asked: AssetTasks, conversation: Conversation, limits: Limits) -> None:
        self.segments = material_of(asked.asset)
        self._asked, self._conversation, self._limits = asked, conversation, limits
        self._plan = Plan((), ())

    def prepare(self) -> None:
        """Raises what the material's pictures raise."""
        costs, limits = self.segments.costs(self._conversation), self._limits
        runs = parts(costs, limits.room(limits.summary)) if self._asked.summarize else []
        looking = _Looking(self.segments, costs, limits.room(limits.answer))
        places = tuple(looking.places(question) for question in self._asked.questions)
        self._plan = Plan(tuple(map(tuple, runs)), places)

    def steps(self) -> Sequence[Steps[Summary | Answer]]:
        material, plan, conversation, limits = self.segments, self._plan, self._conversation, self._limits
        summary = [summarize(material, plan, conversation, limits)] if self._asked.summarize else []
        answers = (
            answer(material, places, question, conversation, limits)
            for question, places in zip(self._asked.questions, plan.questions, strict=True)
        )
        return [*summary, *answers]


class _Looking:
    """Which segments a question is asked of; the search is made for the first question that needs it."""

    def __init__(self, material: Material, costs: Sequence[int], room: int) -> None:
        self._material, self._costs, self._room = material, costs, room
        self._fits = len(parts(costs, room)) <= 1
        self._nearest: Nearest | None = None

    def places(self, question: Question) -> tuple[int, ...]:
        places = {number: place for place, number in enumerate(self._material.numbers)}
        chosen = [places[number] for number in question.segments or () if number in places]
        if not chosen and self._fits:
            return tuple(range(len(self._costs)))
        return tuple(fitting(self._costs, chosen or self._order(question)[:SEGMENTS_SHOWN], self._room))

    def _order(self, question: Question) -> list[int]:
        if self._nearest is None:
            self._nearest = Nearest([self._material.text(place) for place in range(len(self._costs))])
        return self._nearest.order(question.text)


def summarize(material: Material, plan: Plan, conversation: Conversation, limits: Limits) -> Steps[Summary]:
    """Raises as :func:`folioscope.model.kimi.asking.formed` does."""
    if not plan.parts:
        return Summary("", "abstractive")
    wording, spent = material.wording, Spent()
    found: list[Noted] = []
    for places in plan.parts:
        parse = partial(material.summary, numbers=[material.numbers[place] for place in places])
        asked = Asked(places, wording.summarize, limits.summary, parse, wording.summary_schema)
        noted = yield from formed(conversation, spent, asked)
        found.append(noted.form)
    whole = found[0].summary
    if len(found) > 1:
        text = "\n\n".join([wording.join_introduction, *(part.summary for part in found), wording.join])
        asked = Asked((), text, limits.summary, material.joined, wording.join_schema)
        joined = yield from formed(conversation, spent, asked)
        whole = joined.form.summary
    points = tuple(point for part in found for point in part.points)
    chapters = material.chapters([start for part in found for start in part.starts])
    return Summary(whole, "abstractive", points, chapters, spent.usage())


def answer(
    material: Material, places: tuple[int, ...], question: Question, conversation: Conversation, limits: Limits
) -> Steps[Answer]:
    """Raises as :func:`folioscope.model.kimi.asking.formed` does."""
    if not places:
        return Answer(question.question_id, None, False)
    wording, spent = material.wording, Spent()
    parse = partial(material.answer, numbers=[material.numbers[place] for place in places])
    asked = Asked(places, wording.answer + question.text, limits.answer, parse, wording.answer_schema)
    found = yield from formed(conversation, spent, asked)
    return Answer(
        question.question_id,
        found.form.text,
        found.form.text is not None,
        confidence(found.completion),
        found.form.evidence,
        found.thoughts,
        spent.usage(),
    )
