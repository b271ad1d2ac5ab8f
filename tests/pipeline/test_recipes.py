"""What is recomputed follows from what changed: the accounting count it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs import ask, prepare, run

from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.run import Run
from folioscope.pipeline.tables.accounting import Counts

pytestmark = pytest.mark.usefixtures("inline_actors")

WHO = QuestionSpec(id="who", question="Who keeps the lighthouse?")
WHEN = QuestionSpec(id="when", question="When was it built?")


@pytest.fixture
def output(tmp_path: Path, make_pdf: Any) -> Path:
    """An archive of two documents, four pages in all, read, summarised and asked one question."""
    make_pdf(tmp_path / "archive" / "a.pdf", ["one", "two", "three"])
    make_pdf(tmp_path / "archive" / "b.pdf", ["only"])
    run(tmp_path / "archive", tmp_path / "out", questions=(WHO,))
    return tmp_path / "out"


def test_a_new_question_computes_its_answers_alone(output: Path, tmp_path: Path) -> None:
    accounting = run(tmp_path / "archive", output, questions=(WHO, WHEN)).accounting
    assert accounting.segments == Counts(4, 0, 4, 0, 0)
    assert accounting.summaries == Counts(2, 0, 2, 0, 0)
    assert accounting.answers == Counts(4, 2, 2, 0, 0)


def test_another_way_of_answering_computes_answers_alone(output: Path, tmp_path: Path) -> None:
    asked = prepare(tmp_path / "archive", output, questions=(WHO,))
    settings = {**asked.replica.settings, "answer": {"prompt": "Answer in one word."}}
    accounting = Run(asked.config, replace(asked.replica, settings=settings)).execute().accounting
    assert accounting.segments == Counts(4, 0, 4, 0, 0)
    assert accounting.summaries == Counts(2, 0, 2, 0, 0)
    assert accounting.answers == Counts(2, 2, 0, 0, 0)


@pytest.mark.slow
def test_a_new_revision_computes_everything_and_the_old_one_again_nothing(output: Path, tmp_path: Path) -> None:
    accounting = run(tmp_path / "archive", output, questions=(WHO,), revision="2").accounting
    assert accounting.segments == Counts(4, 4, 0, 0, 0)
    assert accounting.summaries == accounting.answers == Counts(2, 2, 0, 0, 0)
    assert ask(output, "SELECT DISTINCT model FROM pages") == [("fake@2",)]
    back = run(tmp_path / "archive", output, questions=(WHO,)).accounting
    assert back.segments == Counts(4, 0, 4, 0, 0)
    assert back.answers == Counts(2, 0, 2, 0, 0)
    assert ask(output, "SELECT DISTINCT model FROM pages") == [("fake@1",)]


def test_a_new_revision_for_reading_alone_leaves_understanding_to_the_next_full_run(
    output: Path, tmp_path: Path
) -> None:
    read = run(tmp_path / "archive", output, tasks=("read",), revision="2").accounting
    assert read.segments == Counts(4, 4, 0, 0, 0)
    full = run(tmp_path / "archive", output, questions=(WHO,), revision="2").accounting
    assert full.segments == Counts(4, 0, 4, 0, 0)
    assert full.summaries == full.answers == Counts(2, 2, 0, 0, 0)


def test_a_deleted_file_leaves_one_tombstone_and_its_rows(output: Path, tmp_path: Path, make_pdf: Any) -> None:
    (tmp_path / "archive" / "b.pdf").unlink()
    for _ in range(2):
        run(tmp_path / "archive", output, questions=(WHO,))
        assert ask(output, "SELECT status FROM assets WHERE uri LIKE '%b.pdf'") == [("deleted",)]
        assert ask(output, "SELECT count(*) FROM pages") == [(3,)]
    stone = ask(output, "SELECT count(DISTINCT run_id) FROM assets WHERE status = 'deleted'")
    assert stone == [(1,)], "the second run must not touch the tombstone"
    make_pdf(tmp_path / "archive" / "b.pdf", ["only"])
    back = run(tmp_path / "archive", output, questions=(WHO,)).accounting
    assert back.segments == Counts(4, 0, 4, 0, 0)
    assert ask(output, "SELECT status FROM assets WHERE uri LIKE '%b.pdf'") == [("done",)]
