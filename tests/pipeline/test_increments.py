"""A run in many increments gives the rows of a run in one; readers see each; memory and work are those of one or two."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from runs import ask, prepare, run, touch
from test_publish import assert_plain_readers_see_the_manifest

from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.run import Outcome
from folioscope.pipeline.stages.budget import StopReason
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.accounting import Counts
from folioscope.pipeline.tables.audit import audit
from folioscope.pipeline.tables.manifest import load_manifest
from folioscope.pipeline.tables.publish import Publication

pytestmark = pytest.mark.usefixtures("inline_actors")
QUESTIONS = (
    QuestionSpec(id="who", question="Who keeps the lighthouse?"),
    QuestionSpec(id="some", question="Which page?", assets="*/sub/*"),
)
DOCUMENTS = 5
TABLES = {
    "segments": "SELECT asset_id, segment, recipe_id, text FROM all_segments ORDER BY ALL",
    "summaries": "SELECT asset_id, recipe_id, summary FROM all_summaries ORDER BY ALL",
    "answers": "SELECT asset_id, question_id, recipe_id, answer FROM all_answers ORDER BY ALL",
    "failures": "SELECT uri, stage, reason FROM all_failures ORDER BY ALL",
    "assets": "SELECT uri, asset_id, status, reason, read_recipe_id FROM assets ORDER BY ALL",
}


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    folder = tmp_path / "in"
    for number in range(DOCUMENTS):
        path = folder / ("sub" if number % 2 else ".") / f"{number}.pdf"
        touch(make_pdf(path, [f"Document {number}, page {page}." for page in range(3)]), 1 + number)
    (folder / "copy.pdf").write_bytes((folder / "sub" / "3.pdf").read_bytes())
    (folder / "sub" / "again.pdf").write_bytes((folder / "0.pdf").read_bytes())
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and no more")
    (folder / "note.docx").write_bytes(b"another kind of file")
    return folder


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The manifests that were published, in order."""
    found: list[Any] = []
    real = Publication.publish

    def watched(publication: Publication, check: Any) -> Any:
        found.append(real(publication, check))
        return found[-1]

    monkeypatch.setattr(Publication, "publish", watched)
    return found


@pytest.mark.parametrize("files", [2])
def test_many_increments_give_the_rows_and_the_accounting_of_one(
    files: int, archive: Path, tmp_path: Path, published: list[Any]
) -> None:
    whole = run(archive, tmp_path / "whole", questions=QUESTIONS)
    assert len(published) == 1
    published.clear()
    many = run(archive, tmp_path / "many", questions=QUESTIONS, increment_files=files)
    assert len(published) >= DOCUMENTS // files
    assert many.accounting == whole.accounting
    assert many.accounting.balanced
    for name, sql in TABLES.items():
        assert ask(tmp_path / "many", sql) == ask(tmp_path / "whole", sql), name
    assert ask(tmp_path / "many", "SELECT assets.seen FROM runs") == [(DOCUMENTS + 4,)]
    assert_plain_readers_see_the_manifest(tmp_path / "many")
    assert not list((tmp_path / "many" / "_work").rglob("*/commits/**/*.json"))
    assert audit(OutputStore(str(tmp_path / "many"))).sound

    again = run(archive, tmp_path / "many", questions=QUESTIONS, increment_files=files)
    assert again.accounting.segments == Counts(3 * DOCUMENTS, 0, 3 * DOCUMENTS, 0, 0)
    assert again.accounting.balanced


def test_readers_see_the_first_increment_before_the_second_is_done(
    archive: Path, tmp_path: Path, published: list[Any]
) -> None:
    run(archive, tmp_path / "out", increment_files=2)
    pages = [sum(file.rows for file in manifest.tables["segments"]) for manifest in published]
    assert pages == sorted(pages)
    assert 0 < pages[0] < pages[-1] == 3 * DOCUMENTS


def test_an_increment_that_overtakes_an_older_one_is_published_after_it(
    archive: Path, tmp_path: Path, published: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older one's last block stays with its actor until nothing else is left: what it committed is kept."""
    output, committed = tmp_path / "out", []

    def held_back(source: Iterator[pa.Table | None], actor: type, job: object, **_: object) -> Iterator[pa.Table]:
        call, held, waits = actor(job), None, 0
        for number, block in enumerate(source):
            if block is not None:
                if number == 1:
                    held = block
                else:
                    yield call(block)
            elif held is not None and waits < 40:
                waits += 1
                time.sleep(0.05)  # the next increment is made ready beside this
            elif held is not None:
                committed.extend({path.parts[-6] for path in output.rglob("_work/*/commits/*/read/*/*.json")})
                yield call(held)
                held = None

    monkeypatch.setattr("folioscope.pipeline.stage_runner.run_actors", held_back)
    outcome = run(archive, output, increment_files=2)
    assert len(set(committed)) > 1, "no increment overtook the first"
    assert outcome.accounting.balanced, outcome.accounting
    assert outcome.accounting.segments.done == 3 * DOCUMENTS
    assert [manifest.generation for manifest in published] == sorted(manifest.generation for manifest in published)
    assert audit(OutputStore(str(output))).sound


def rerun(archive: Path, output: Path) -> Outcome:
    return run(archive, output, questions=QUESTIONS, increment_files=2)


@pytest.mark.guarantee(
    fault="driver killed",
    moment="identify, read, understand, publish",
    outcome="of a run in increments those that are published stay; the same command carries on with the rest",
)
@pytest.mark.parametrize("increment", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_that_dies_between_increments_carries_on(
    increment: int, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rerun(archive, tmp_path / "calm")
    count = 0
    real = Publication.publish

    def dying(publication: Publication, check: Any) -> Any:
        nonlocal count
        count += 1
        if count > increment:
            raise MemoryError
        return real(publication, check)

    with monkeypatch.context() as patch:
        patch.setattr(Publication, "publish", dying)
        with pytest.raises(MemoryError):
            rerun(archive, tmp_path / "out")
    assert (load_manifest(OutputStore(str(tmp_path / "out"))).generation > 0) is (increment > 0)
    outcome = rerun(archive, tmp_path / "out")
    assert outcome.accounting.balanced
    assert outcome.accounting.segments.done < 3 * DOCUMENTS
    for name, sql in TABLES.items():
        assert ask(tmp_path / "out", sql) == ask(tmp_path / "calm", sql), name


@pytest.mark.slow
def test_a_budget_holds_across_increments_and_the_newest_come_first(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    stopped = run(archive, output, increment_files=2, max_replica_hours=1e-9)
    assert stopped.usage.stopped is StopReason.BUDGET_SPENT
    assert stopped.accounting.balanced, stopped.accounting
    assert stopped.accounting.segments.done > 0
    assert ask(output, "SELECT DISTINCT reason FROM assets WHERE status = 'pending'") == [("budget_spent",)]
    assert ask(output, "SELECT count(*) FROM assets") == [(DOCUMENTS + 4,)]
    again = run(archive, output, increment_files=2, max_replica_hours=1e-9)
    assert again.accounting.balanced, again.accounting
    assert again.accounting.segments.reused == stopped.accounting.segments.done
    done = run(archive, output, increment_files=2)
    assert done.accounting.segments.done + done.accounting.segments.reused == 3 * DOCUMENTS
    assert done.accounting.balanced


def test_a_passed_deadline_leaves_every_file_pending(archive: Path, tmp_path: Path) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    outcome = run(archive, tmp_path / "out", increment_files=2, deadline=past)
    assert outcome.accounting.balanced
    assert outcome.accounting.assets == Counts(DOCUMENTS + 4, 0, 0, 0, DOCUMENTS + 4)


@pytest.mark.slow
def test_a_file_that_goes_is_deleted_by_a_run_of_many_increments(archive: Path, tmp_path: Path, make_pdf: Any) -> None:
    output = tmp_path / "out"
    rerun(archive, output)
    (archive / "2.pdf").unlink()
    for number in range(3):
        make_pdf(archive / f"new-{number}.pdf", [f"new {number}"])
    outcome = rerun(archive, output)
    assert outcome.accounting.balanced
    assert outcome.accounting.segments.done == 3
    assert ask(output, "SELECT parse_filename(uri) FROM assets WHERE status = 'deleted'") == [("2.pdf",)]
    planned = prepare(archive, output, questions=QUESTIONS).preview()
    assert planned.empty
