"""Summaries, chapters and answers over a film: its shots in order, each with its times, its text and one of its frames.

A film beyond the context is summarised in parts, each with its chapters, then as a whole; a question about it is asked
of the shots that BM25 finds nearest. The model names shots by their numbers; the times are the shots' own. The frame
shown is the middle one of those that were read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from model.kimi.asking import FRAME_TOKENS, Asked, Asker, Limits, Nearest, Spent, fitting, parts
from model.kimi.conversation import Conversation, Item, Shared
from model.kimi.prompts import ANSWER_FILM, JOIN_FILM, ON_SCREEN, SEEN, SHOT, SUMMARIZE_FILM, SUMMARIZE_PARTS
from model.kimi.structured import (
    FilmPoint,
    FilmSummaryForm,
    parse_film_answer,
    parse_film_summary,
    parse_parts_summary,
)
from model.protocol import Answer, Chapter, Evidence, FilmText, KeyPoint, Question, ShotText, Summary

SHOT_LABEL_TOKENS = 32


@dataclass(frozen=True, slots=True)
class _Part:
    """Shots that one request is about, as the beginning of its prompt."""

    shots: dict[int, ShotText]
    shared: Shared
    key: str


class FilmUnderstander:
    def __init__(self, asker: Asker, conversation: Conversation, limits: Limits) -> None:
        self._asker = asker
        self._conversation = conversation
        self._limits = limits
        self._last: _Part | None = None

    def summarize(self, film: FilmText) -> Summary:
        """Raises ``FormNeverMetError``, ``TruncatedThoughtError``, ``RequestError``."""
        begun, spent = time.perf_counter(), Spent()
        runs = parts(self._costs(film), self._room(self._limits.summary.max_new_tokens))
        if not runs:
            return Summary("", "abstractive")
        points: list[KeyPoint] = []
        starts: list[tuple[str, float]] = []
        summaries: list[str] = []
        for run in runs:
            part = self._part(film, run)
            form = self._summary_of(part, spent)
            summaries.append(form.summary)
            points += [KeyPoint(point.text, (_evidence(point, part),)) for point in form.points]
            starts += [(chapter.title, part.shots[chapter.first_shot].start_s) for chapter in form.chapters]
        whole = summaries[0] if len(summaries) == 1 else self._joined(summaries, spent)
        usage = spent.usage(time.perf_counter() - begun)
        return Summary(whole, "abstractive", tuple(points), _chapters(film, starts), usage)

    def answer(self, film: FilmText, questions: Sequence[Question]) -> list[Answer]:
        """Raises as :meth:`summarize` does."""
        costs, room = self._costs(film), self._room(self._limits.answer.max_new_tokens)
        if not costs:
            return [Answer(question.question_id, None, False) for question in questions]
        if len(parts(costs, room)) == 1:
            return self._answers(self._part(film, range(len(film.shots))), questions)
        nearest = Nearest([f"{shot.text}\n{shot.caption or ''}" for shot in film.shots])
        found = []
        for question in questions:
            places = fitting(costs, nearest.order(question.text), room)
            found += self._answers(self._part(film, places), [question])
        return found

    def _answers(self, part: _Part, questions: Sequence[Question]) -> list[Answer]:
        begun = time.perf_counter()
        parse = partial(parse_film_answer, shots=part.shots.keys())
        asked = [
            Asked(part.shared, ANSWER_FILM + question.text, self._limits.answer, part.key, parse)
            for question in questions
        ]
        answers = []
        for question, one, completion in zip(questions, asked, self._asker.complete(asked), strict=True):
            spent = Spent()
            form, thoughts = self._asker.formed(one, completion, spent)
            point = form.point
            answers.append(
                Answer(
                    question.question_id,
                    None if point is None else point.text,
                    point is not None,
                    float(np.exp(completion.mean_logprob)),
                    () if point is None else (_evidence(point, part),),
                    thoughts,
                    spent.usage((time.perf_counter() - begun) / len(questions)),
                )
            )
        return answers

    def _summary_of(self, part: _Part, spent: Spent) -> FilmSummaryForm:
        parse = partial(parse_film_summary, shots=part.shots.keys())
        return self._asker.form(Asked(part.shared, SUMMARIZE_FILM, self._limits.summary, part.key, parse), spent)

    def _joined(self, summaries: Sequence[str], spent: Spent) -> str:
        shared = self._conversation.share([JOIN_FILM + "\n\n".join(summaries)])
        return self._asker.form(Asked(shared, SUMMARIZE_PARTS, self._limits.summary, None, parse_parts_summary), spent)

    def _part(self, film: FilmText, places: Sequence[int]) -> _Part:
        """The shots at these places; those last prepared are kept for the next task on the film."""
        shots = {film.shots[place].shot_number: film.shots[place] for place in places}
        key = f"{film.asset_id}:{','.join(map(str, shots))}"
        if self._last is None or self._last.key != key:
            items = [item for shot in shots.values() for item in _items(film, shot)]
            self._last = _Part(shots, self._conversation.share(items), key)
        return self._last

    def _room(self, new_tokens: int) -> int:
        return self._limits.context_tokens - FRAME_TOKENS - new_tokens

    def _costs(self, film: FilmText) -> list[int]:
        """Tokens that each shot takes. All frames of a film are of one size, so one is looked at."""
        picture = 0
        first = next((shot for shot in film.shots if shot.frame_times), None)
        if film.pictures is not None and first is not None:
            height, width = film.pictures(_middle(first)).shape[:2]
            picture = self._conversation.image_tokens(width, height)
        return [
            SHOT_LABEL_TOKENS
            + self._conversation.text_tokens(f"{shot.text}\n{shot.caption or ''}")
            + (picture if shot.frame_times else 0)
            for shot in film.shots
        ]


def _items(film: FilmText, shot: ShotText) -> Iterator[Item]:
    yield SHOT.format(number=shot.shot_number, start=_clock(shot.start_s), end=_clock(shot.end_s))
    if film.pictures is not None and shot.frame_times:
        yield film.pictures(_middle(shot))
    if shot.text:
        yield ON_SCREEN.format(text=shot.text)
    if shot.caption:
        yield SEEN.format(caption=shot.caption)


def _middle(shot: ShotText) -> float:
    return shot.frame_times[len(shot.frame_times) // 2]


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _evidence(point: FilmPoint, part: _Part) -> Evidence:
    shot = part.shots[point.shot]
    return Evidence(point.quote, start_s=shot.start_s, end_s=shot.end_s)


def _chapters(film: FilmText, starts: Sequence[tuple[str, float]]) -> tuple[Chapter, ...]:
    """Chapters from their titles and starts: each ends where the next one begins, and together they cover the film."""
    if not starts:
        return ()
    begins = [film.shots[0].start_s, *(start_s for _, start_s in starts[1:])]
    ends = [*begins[1:], film.shots[-1].end_s]
    titles = (title for title, _ in starts)
    return tuple(Chapter(title, start_s, end_s) for title, start_s, end_s in zip(titles, begins, ends, strict=True))
