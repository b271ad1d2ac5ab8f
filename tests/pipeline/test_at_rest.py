"""Files at rest are left out of the plan and counted: a night gives the same rows and figures as if all were planned."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import ask, prepare, touch

from folioscope.pipeline import run_plan
from folioscope.pipeline.planning import at_rest
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.run import Outcome
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.accounting import Counts
from folioscope.pipeline.tables.audit import audit
from folioscope.pipeline.tables.ledger import Ledger

pytestmark = pytest.mark.usefixtures("inline_actors")
WHO = QuestionSpec(id="who", question="Who keeps the lighthouse?")
WHERE = QuestionSpec(id="where", question="Where is the lighthouse?")
SOME = QuestionSpec(id="some", question="Which page?", assets="*/sub/*")
QUESTIONS = (WHO, SOME)
PLAIN = 3  # documents that no question for some files means, one of them twice
TABLES = {
    "segments": "SELECT asset_id, segment, recipe_id, text FROM all_segments ORDER BY ALL",
    "summaries": "SELECT asset_id, recipe_id, summary FROM all_summaries ORDER BY ALL",
    "answers": "SELECT asset_id, question_id, recipe_id, answer FROM all_answers ORDER BY ALL",
    "failures": "SELECT uri, stage, reason FROM all_failures ORDER BY ALL",
    "assets": "SELECT * EXCLUDE (run_id, first_seen_at) FROM assets ORDER BY ALL",
    "runs": "SELECT assets, segments, summaries, answers FROM runs ORDER BY run_id",
}


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    folder = tmp_path / "in"
    for number in range(PLAIN):
        touch(make_pdf(folder / f"{number}.pdf", [f"Document {number}, page {page}." for page in range(2)]), 1)
    touch(make_pdf(folder / "sub" / "meant.pdf", ["The lighthouse."]), 1)
    (folder / "copy.pdf").write_bytes((folder / "0.pdf").read_bytes())
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and no more")
    (folder / "note.docx").write_bytes(b"another kind of file")
    return folder


def nothing(_: Path) -> None: ...


def add_a_copy(folder: Path) -> None:
    (folder / "second.pdf").write_bytes((folder / "1.pdf").read_bytes())


def add_a_copy_that_is_meant(folder: Path) -> None:
    (folder / "sub" / "second.pdf").write_bytes((folder / "1.pdf").read_bytes())


def change(folder: Path) -> None:
    (folder / "1.pdf").write_bytes((folder / "sub" / "meant.pdf").read_bytes())


def go(folder: Path) -> None:
    (folder / "0.pdf").unlink()


def move(folder: Path) -> None:
    (folder / "2.pdf").rename(folder / "sub" / "moved.pdf")


@pytest.mark.parametrize(
    ("edit", "options"),
    [
        (nothing, {}),
        (add_a_copy, {}),
        pytest.param(add_a_copy, {"increment_files": 1}, marks=pytest.mark.slow),
        pytest.param(add_a_copy_that_is_meant, {}, marks=pytest.mark.slow),
        (change, {}),
        (go, {}),
        pytest.param(move, {"increment_files": 1}, marks=pytest.mark.slow),
        (nothing, {"questions": (WHO, WHERE, SOME)}),
        pytest.param(nothing, {"questions": (WHO,)}, marks=pytest.mark.slow),
        pytest.param(nothing, {"questions": (), "tasks": ("read",)}, marks=pytest.mark.slow),
        (nothing, {"tasks": ("answer",)}),
        pytest.param(nothing, {"limit": 2}, marks=pytest.mark.slow),
        (change, {"revision": "another"}),
    ],
)
def test_a_night_with_files_at_rest_gives_what_a_night_that_plans_over_all_gives(
    edit: Callable[[Path], None],
    options: dict[str, Any],
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, other = tmp_path / "out", tmp_path / "other"
    prepare(archive, output, questions=QUESTIONS).execute()
    shutil.copytree(output, other)
    edit(archive)
    night = {"questions": QUESTIONS} | options
    preview = prepare(archive, output, **night).preview()
    outcome = prepare(archive, output, **night).execute()
    mark = at_rest.mark_at_rest

    def mark_none(ledger: Ledger, *about: Any) -> None:
        mark(ledger, *about)
        ledger.db.execute("DELETE FROM at_rest; CREATE OR REPLACE TABLE listed_open AS SELECT * FROM listing")

    monkeypatch.setattr(run_plan.at_rest, "mark_at_rest", mark_none)
    assert prepare(archive, other, **night).preview() == preview
    expected: Outcome = prepare(archive, other, **night).execute()
    assert outcome.accounting == expected.accounting
    assert outcome.accounting.balanced
    for name, sql in TABLES.items():
        assert ask(output, sql) == ask(other, sql), name
    assert outcome.problems == expected.problems
    assert audit(OutputStore(str(output))).sound


def test_nothing_is_planned_over_files_at_rest(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out"
    prepare(archive, output, questions=QUESTIONS).execute()
    planned: list[str] = []
    count = at_rest.count_at_rest

    def watched(ledger: Ledger, *about: Any) -> Any:
        planned.extend(ledger.query("SELECT uri FROM files ORDER BY uri")["uri"].to_pylist())
        return count(ledger, *about)

    monkeypatch.setattr(at_rest, "count_at_rest", watched)
    outcome = prepare(archive, output, questions=QUESTIONS).execute()
    assert [uri.removeprefix(f"{archive}/") for uri in planned] == ["broken.pdf", "note.docx", "sub/meant.pdf"]
    assert outcome.accounting.segments == Counts(2 * PLAIN + 1, 0, 2 * PLAIN + 1, 0, 0)
    assert outcome.accounting.answers == Counts(PLAIN + 2, 0, PLAIN + 2, 0, 0)
