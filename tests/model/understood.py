"""One document or video, understood with nothing else beside it."""

from __future__ import annotations

from collections.abc import Sequence

from folioscope.model.protocol import Answer, AssetTasks, AssetText, Question, Replica, Summary


def summary_of(replica: Replica, asset: AssetText) -> Summary:
    """Raises what it failed of."""
    [found] = replica.understand([AssetTasks(asset, summarize=True)])
    if isinstance(found.summary, Exception):
        raise found.summary
    assert found.summary is not None
    return found.summary


def answers_of(replica: Replica, asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
    """Raises what the first of them failed of."""
    [found] = replica.understand([AssetTasks(asset, questions=tuple(questions))])
    for answer in found.answers:
        if isinstance(answer, Exception):
            raise answer
    return [answer for answer in found.answers if isinstance(answer, Answer)]
