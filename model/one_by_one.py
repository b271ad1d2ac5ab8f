"""Understanding for replicas that work on one thing at a time: summaries and answers are made one after the other.

Costs nothing beside the tasks themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from folioscope.model.protocol import Answer, AssetTasks, AssetText, Question, Replica, Summary, Understanding


class OneByOne(Protocol):
    """The part of a replica that this needs."""

    def summarize(self, asset: AssetText) -> Summary: ...

    def answer(self, asset: AssetText, questions: Sequence[Question]) -> list[Answer]: ...


def understand_one_by_one(replica: OneByOne, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
    """As ``Replica.understand`` says. Questions are asked together, and alone where that fails."""
    for task in tasks:
        if task is not None:
            summary = _summary(replica, task.asset) if task.summarize else None
            yield Understanding(task.asset.asset_id, summary, tuple(_answers(replica, task.asset, task.questions)))


def answer_alone(replica: Replica, asset: AssetText, question: Question) -> Answer:
    """One question of one document or video, with nothing else beside it. Raises what it failed of."""
    [found] = replica.understand([AssetTasks(asset, questions=(question,))])
    [answer] = found.answers
    if isinstance(answer, Exception):
        raise answer
    return answer


def _summary(replica: OneByOne, asset: AssetText) -> Summary | Exception:
    try:
        return replica.summarize(asset)
    except Exception as error:  # noqa: BLE001  any model may raise anything; it stands in the task's place
        return error


def _answers(replica: OneByOne, asset: AssetText, questions: Sequence[Question]) -> Sequence[Answer | Exception]:
    if not questions:
        return []
    try:
        return replica.answer(asset, questions)
    except Exception as error:  # noqa: BLE001  as above
        if len(questions) == 1:
            return [error]
        return [answer for question in questions for answer in _answers(replica, asset, [question])]
