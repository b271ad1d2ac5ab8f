"""Failures are taken up again when asked: their rows go when the work is done and stay, counted, where it is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from runs import ask, prepare, run

from folioscope.model.fake import FakeReplica
from folioscope.model.protocol import Answer, DocumentText, PageInput, Question, Reading, Summary
from folioscope.pipeline.config import parse_config
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.planning.estimate import FilePlan
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.stages import replica as stage
from folioscope.pipeline.tables.accounting import Counts

pytestmark = pytest.mark.usefixtures("inline_actors")

QUESTIONS = (QuestionSpec(id="who", question="Who keeps it?"), QuestionSpec(id="page", question="Which page?"))
FAILURES = "SELECT stage, segment, question_id, attempts FROM failures ORDER BY ALL"


class Sick(FakeReplica):
    """Fails at second pages, at summaries and at one question, as long as it is sick."""

    sick = True

    def read(self, pages: Iterable[PageInput]) -> Iterator[Reading | Exception]:
        for page in pages:
            yield from [RuntimeError("sick")] if self.sick and page.page_number == 2 else super().read([page])

    def summarize(self, document: DocumentText) -> Summary:
        if self.sick:
            raise RuntimeError("sick")
        return super().summarize(document)

    def answer(self, document: DocumentText, questions: Sequence[Question]) -> list[Answer]:
        if self.sick and any(question.question_id == "who" for question in questions):
            raise RuntimeError("sick")
        return super().answer(document, questions)


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch) -> Sick:
    sick = Sick()
    monkeypatch.setattr(stage, "load_replica", lambda choice: sick)
    return sick


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    make_pdf(tmp_path / "archive" / "a.pdf", ["Page one.", "Page two.", "Page three."])
    return tmp_path / "archive"


def test_failures_stay_until_asked_for_and_go_when_done(archive: Path, tmp_path: Path, replica: Sick) -> None:
    output = tmp_path / "out"
    first = run(archive, output, questions=QUESTIONS)
    assert first.accounting.balanced
    assert ask(output, FAILURES) == [
        ("answer", None, "who", 1),
        ("read", 2, None, 1),
        ("summarize", None, None, 1),
    ]
    assert run(archive, output, questions=QUESTIONS).accounting.segments == Counts(3, 0, 2, 1, 0)

    again = run(archive, output, questions=QUESTIONS, retry_failed=("all",))
    assert again.accounting.balanced
    assert again.accounting.segments == Counts(3, 0, 2, 1, 0)
    assert [row[3] for row in ask(output, FAILURES)] == [2, 2, 2]

    replica.sick = False
    planned = prepare(archive, output, questions=QUESTIONS, retry_failed=("model_error",)).preview()
    assert planned.files == FilePlan(unfinished=1)
    assert (planned.known_pages, planned.summaries, planned.answers) == (1, 1, 1)
    mended = run(archive, output, questions=QUESTIONS, retry_failed=("model_error",))
    assert mended.accounting.balanced
    assert mended.accounting.segments == Counts(3, 1, 2, 0, 0)
    assert mended.accounting.summaries == Counts(1, 1, 0, 0, 0)
    assert mended.accounting.answers == Counts(2, 1, 1, 0, 0)
    assert ask(output, "SELECT * FROM all_failures") == []
    assert ask(output, "SELECT status, reason FROM assets") == [("done", None)]
    assert ask(output, "SELECT page_number FROM pages ORDER BY 1") == [(1,), (2,), (3,)]


def test_what_a_store_did_not_give_is_tried_again_unasked(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise Failure(Reason.STORAGE_ERROR, "the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr("folioscope.pipeline.stages.file_access.DownloadCache.open", gone)
        assert run(archive, tmp_path / "out", tasks=("read",)).accounting.segments == Counts(3, 0, 0, 3, 0)
    mended = run(archive, tmp_path / "out", tasks=("read",))
    assert mended.accounting.balanced
    assert mended.accounting.segments == Counts(3, 3, 0, 0, 0)


def test_other_reasons_are_left_alone(archive: Path, tmp_path: Path, replica: Sick) -> None:
    output = tmp_path / "out"
    run(archive, output)
    replica.sick = False
    outcome = run(archive, output, retry_failed=("decode_timeout", "worker_died"))
    assert outcome.accounting.segments == Counts(3, 0, 2, 1, 0)
    assert len(ask(output, FAILURES)) == 2


def test_what_a_budget_does_not_reach_keeps_its_failure(archive: Path, tmp_path: Path, replica: Sick) -> None:
    output = tmp_path / "out"
    run(archive, output, questions=QUESTIONS)
    replica.sick = False
    stopped = run(archive, output, questions=QUESTIONS, retry_failed=("all",), max_replica_hours=1e-9)
    assert stopped.usage.stopped
    assert stopped.accounting.balanced, stopped.accounting
    left = ask(output, FAILURES)
    assert left
    assert all(row[3] == 1 for row in left)
    done = run(archive, output, questions=QUESTIONS, retry_failed=("all",))
    assert done.accounting.balanced
    assert ask(output, FAILURES) == []


def test_files_are_looked_into_again(tmp_path: Path, make_pdf: Any) -> None:
    folder, output = tmp_path / "archive", tmp_path / "out"
    make_pdf(folder / "a.pdf", ["fine"])
    (folder / "empty.pdf").write_bytes(b"")
    run(folder, output)
    run(folder, output)
    assert ask(output, "SELECT reason, attempts FROM failures") == [("empty_file", 1)]
    assert prepare(folder, output, retry_failed=("empty_file",)).preview().files == FilePlan(retried=1, reused=1)
    assert run(folder, output, retry_failed=("empty_file",)).accounting.balanced
    assert ask(output, "SELECT reason, attempts FROM failures") == [("empty_file", 2)]
    make_pdf(folder / "empty.pdf", ["no longer empty"])
    assert run(folder, output).accounting.segments == Counts(2, 1, 1, 0, 0)
    assert ask(output, "SELECT * FROM all_failures") == []


def test_an_unlisted_input_is_one_failure_that_goes_when_it_is_there(tmp_path: Path, make_pdf: Any) -> None:
    folder, output = tmp_path / "archive", tmp_path / "out"
    for night in (1, 2):
        run(folder, output)
        assert ask(output, "SELECT reason, attempts FROM failures") == [("not_found", night)]
    make_pdf(folder / "a.pdf", ["here at last"])
    run(folder, output)
    assert ask(output, "SELECT * FROM all_failures") == []


def test_unknown_reasons_are_refused() -> None:
    with pytest.raises(ConfigError, match="no such reason: bad_luck"):
        parse_config(inputs=("in",), output="out", retry_failed=("bad_luck",))
