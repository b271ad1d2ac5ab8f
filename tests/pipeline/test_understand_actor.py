"""The understand actor: a question that the model stumbles over costs the other questions nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from model.fake import FakeReplica
from model.load import ModelChoice
from model.protocol import Answer, DocumentText, Question, Reading, Summary
from pipeline.decode.pages import DecodedPage
from pipeline.rows import Provenance, page_row
from pipeline.stages import understand
from pipeline.stages.understand import DOCUMENTS, UnderstandActor, UnderstandJob
from pipeline.store import OutputStore
from pipeline.work import PageUnit, WorkArea

ASSET = "a" * 64
PROVENANCE = Provenance("summary-recipe", "run", "fake@1")


class Stumbling(FakeReplica):
    """Raises where a question says so; counts how often it was called."""

    calls = 0

    def answer(self, document: DocumentText, questions: Sequence[Question]) -> list[Answer]:
        self.calls += 1
        if any("raise" in question.text for question in questions):
            raise RuntimeError("no such weight")
        return [Answer(question.question_id, "yes", True) for question in questions]

    def summarize(self, document: DocumentText) -> Summary:
        raise RuntimeError("no summary")


def documents(questions: dict[str, str]) -> pa.Table:
    asked = [{"question_id": id_, "question": text, "recipe_id": f"r-{id_}"} for id_, text in questions.items()]
    unit = PageUnit(ASSET, 1, 1, "read-recipe")
    row = {
        "asset_id": ASSET,
        "uri": "a.pdf",
        "etag": "e",
        "size": 1,
        "kind": "pdf",
        "title": None,
        "segment_files": [f"_work/000001/segments/{unit.key}.parquet"],
        "summary_wanted": True,
        "questions": asked,
    }
    return pa.Table.from_pylist([row], schema=DOCUMENTS)


def test_each_question_and_the_summary_fail_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = WorkArea(OutputStore(str(tmp_path)), 1)
    page = DecodedPage(1, 10, 10, 0, None, None)
    row = page_row(ASSET, page, Reading("words", "model"), Provenance("read-recipe", "run", "fake@1"))
    work.commit_unit(PageUnit(ASSET, 1, 1, "read-recipe"), [row], [])
    replica = Stumbling()
    monkeypatch.setattr(understand, "load_replica", lambda choice: replica)
    actor = UnderstandActor(UnderstandJob(work, ModelChoice("fake"), "read-recipe", PROVENANCE, 60.0))

    [result] = actor(documents({"one": "fine", "two": "raise", "three": "fine"})).to_pylist()

    assert (result["done"], result["failed"]) == (2, 2)
    assert replica.calls == 4
    answers = pa.concat_tables(work.read(work.names("answers"))).to_pylist()
    assert sorted(answer["question_id"] for answer in answers) == ["one", "three"]
    failures = pa.concat_tables(work.read(work.names("failures"))).to_pylist()
    assert {(f["stage"], f["question_id"], f["recipe_id"]) for f in failures} == {
        ("answer", "two", "r-two"),
        ("summarize", None, "summary-recipe"),
    }
    assert all("no s" in failure["message"] for failure in failures)
