"""Whole runs with the fake replica: what is computed, what is reused, what fails, and that the accounting balances."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from folioscope.model.load import describe_replica
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.run import Outcome, Run
from folioscope.pipeline.tables.accounting import Counts

ON_RAY = pytest.mark.usefixtures("local_ray")
INLINE = pytest.mark.usefixtures("inline_actors")  # what the driver decides does not depend on who works

WHO = QuestionSpec(id="who", question="Who keeps the lighthouse?")


def run(inputs: Path | tuple[str, ...], output: Path, **options: Any) -> Outcome:
    listed = inputs if isinstance(inputs, tuple) else (str(inputs),)
    settings: dict[str, Any] = {"model": "fake", "layout": "fast", "pages_per_unit": 2, "replicas": 2} | options
    config = RunConfig(inputs=listed, output=str(output), **settings)
    return Run(config, describe_replica(config.choice)).execute()


def query(output: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        database.execute("SET VARIABLE output = $1", [str(output)])
        database.execute((output / "views.sql").read_text())
        return database.sql(sql).fetchall()


def page_keys(output: Path) -> list[tuple[Any, ...]]:
    return query(output, "SELECT asset_id, segment, recipe_id, text FROM all_segments ORDER BY ALL")


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    folder = tmp_path / "archive"
    make_pdf(folder / "a.pdf", [f"Page {n} tells of the lighthouse." for n in range(1, 6)])
    make_pdf(folder / "sub" / "b.pdf", ["Nothing here.", ""])
    return folder


@ON_RAY
def test_a_first_run_reads_everything_and_balances(archive: Path, tmp_path: Path) -> None:
    outcome = run(archive, tmp_path / "out", questions=(WHO,))
    assert outcome.accounting.balanced
    assert outcome.accounting.assets == Counts(2, 2, 0, 0, 0)
    assert outcome.accounting.segments == Counts(7, 7, 0, 0, 0)
    assert outcome.accounting.summaries == Counts(2, 2, 0, 0, 0)
    assert outcome.accounting.answers == Counts(2, 2, 0, 0, 0)
    pages = query(
        tmp_path / "out", "SELECT page_number, text, text_source FROM pages WHERE uri LIKE '%a.pdf' ORDER BY 1"
    )
    assert pages == [(n, f"Page {n} tells of the lighthouse.", "text_layer") for n in range(1, 6)]
    answers = query(tmp_path / "out", "SELECT answerable, evidence[1].verified FROM current_answers ORDER BY 1")
    assert answers == [(False, None), (True, True)]
    assert not list((tmp_path / "out" / "_work").rglob("*.parquet")), "published work must be cleared"


@INLINE
def test_the_same_command_again_computes_nothing_and_adds_no_row(archive: Path, tmp_path: Path) -> None:
    first = run(archive, tmp_path / "out", questions=(WHO,))
    again = run(archive, tmp_path / "out", questions=(WHO,))
    assert again.accounting.balanced
    assert again.accounting.segments == Counts(7, 0, 7, 0, 0)
    assert again.accounting.answers == Counts(2, 0, 2, 0, 0)
    for table in ("assets", "segments", "summaries", "answers", "failures"):
        assert again.manifest.tables[table] == first.manifest.tables[table]


@INLINE
def test_changed_renamed_and_deleted_files(archive: Path, tmp_path: Path, make_pdf: Any) -> None:
    output = tmp_path / "out"
    run(archive, output)
    (archive / "sub" / "b.pdf").rename(archive / "renamed.pdf")
    renamed = run(archive, output)
    assert renamed.accounting.segments == Counts(7, 0, 7, 0, 0)
    assert query(output, "SELECT status FROM assets WHERE uri LIKE '%/sub/b.pdf'") == [("deleted",)]

    make_pdf(archive / "a.pdf", ["The lighthouse is gone."])
    changed = run(archive, output)
    assert changed.accounting.segments == Counts(3, 1, 2, 0, 0)
    assert query(output, "SELECT text FROM pages WHERE uri LIKE '%/a.pdf'") == [("The lighthouse is gone.",)]

    (archive / "a.pdf").unlink()
    deleted = run(archive, output)
    assert deleted.accounting.segments == Counts(2, 0, 2, 0, 0)
    assert query(output, "SELECT count(*) FROM pages WHERE uri LIKE '%/a.pdf'") == [(0,)]


@INLINE
def test_a_run_that_died_over_more_inputs_leaves_no_failures_of_theirs(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, output = tmp_path / "other" / "truncated.pdf", tmp_path / "out"
    other.parent.mkdir()
    other.write_bytes(b"%PDF-1.4 and no more")
    both = (str(archive), str(other.parent))
    with monkeypatch.context() as dying:
        dying.setattr("folioscope.pipeline.increments.Increment.units_to_read", lambda _: sys.exit("killed"))
        with pytest.raises(SystemExit):
            run(both, output)
    assert run(archive, output).accounting.assets == Counts(2, 2, 0, 0, 0)
    assert query(output, "SELECT count(*) FROM all_failures") == [(0,)]
    assert run(both, output).accounting.assets == Counts(3, 0, 2, 1, 0)
    assert query(output, "SELECT uri FROM failures") == [(str(other),)]


@INLINE
def test_a_changed_question_recomputes_answers_alone(archive: Path, tmp_path: Path) -> None:
    run(archive, tmp_path / "out", questions=(WHO,))
    other = QuestionSpec(id="who", question="Who paints the lighthouse?")
    changed = run(archive, tmp_path / "out", questions=(other,))
    assert changed.accounting.segments == Counts(7, 0, 7, 0, 0)
    assert changed.accounting.summaries == Counts(2, 0, 2, 0, 0)
    assert changed.accounting.answers == Counts(2, 2, 0, 0, 0)
    assert query(tmp_path / "out", "SELECT DISTINCT question FROM current_answers") == [(other.question,)]
    back = run(archive, tmp_path / "out", questions=(WHO,))
    assert back.accounting.answers == Counts(2, 0, 2, 0, 0)
    assert query(tmp_path / "out", "SELECT DISTINCT question FROM current_answers") == [(WHO.question,)]


@INLINE
def test_another_resolution_is_another_recipe(archive: Path, tmp_path: Path) -> None:
    run(archive, tmp_path / "out")
    finer = run(archive, tmp_path / "out", dpi=200)
    assert finer.accounting.segments == Counts(7, 7, 0, 0, 0)
    assert query(tmp_path / "out", "SELECT count(*), count(DISTINCT asset_id || segment) FROM pages") == [(7, 7)]
    assert query(tmp_path / "out", "SELECT count(*) FROM all_segments") == [(14,)]


@INLINE
def test_other_units_do_not_read_again(archive: Path, tmp_path: Path) -> None:
    run(archive, tmp_path / "out")
    assert run(archive, tmp_path / "out", pages_per_unit=3).accounting.segments == Counts(7, 0, 7, 0, 0)


@ON_RAY
def test_bad_files_lose_nothing_else(archive: Path, tmp_path: Path, make_pdf: Any) -> None:
    (archive / "empty.pdf").write_bytes(b"")
    (archive / "note.pdf").write_text("only a note")
    (archive / "notes.txt").write_text("of no kind that is read")
    make_pdf(archive / "locked.pdf", ["secret lighthouse"], encryption=5, user_pw="open", owner_pw="open")
    output = tmp_path / "out"
    outcome = run(archive, output)
    assert outcome.accounting.balanced
    assert outcome.accounting.assets == Counts(6, 2, 0, 3, 1)
    assert outcome.accounting.segments == Counts(7, 7, 0, 0, 0)
    reasons = query(output, "SELECT parse_filename(uri), reason FROM failures ORDER BY 1")
    assert reasons == [("empty.pdf", "empty_file"), ("locked.pdf", "password_required"), ("note.pdf", "type_mismatch")]

    opened = run(archive, output, passwords=("wrong", "open"))
    assert opened.accounting.segments == Counts(8, 1, 7, 0, 0)
    assert query(output, "SELECT text FROM pages WHERE uri LIKE '%locked.pdf'") == [("secret lighthouse",)]
    assert len(query(output, "SELECT 1 FROM failures")) == 2


@INLINE
def test_the_same_bytes_twice_are_read_once(archive: Path, tmp_path: Path) -> None:
    (archive / "copy.pdf").write_bytes((archive / "a.pdf").read_bytes())
    outcome = run(archive, tmp_path / "out")
    assert outcome.accounting.assets.seen == 3
    assert outcome.accounting.segments == Counts(7, 7, 0, 0, 0)
    assert query(tmp_path / "out", "SELECT len(uris) FROM pages WHERE page_number = 5") == [(2,)]


@INLINE
def test_beyond_the_limit_is_skipped_and_later_taken_up(archive: Path, tmp_path: Path) -> None:
    limited = run(archive, tmp_path / "out", limit=1)
    assert limited.accounting.assets == Counts(2, 1, 0, 0, 1)
    rest = run(archive, tmp_path / "out")
    assert rest.accounting.assets == Counts(2, 1, 1, 0, 0)
    kept = run(archive, tmp_path / "out", limit=1)
    assert kept.accounting.balanced
    assert query(tmp_path / "out", "SELECT count(*) FROM documents WHERE status = 'done'") == [(2,)]


@INLINE
def test_an_input_that_is_not_there_is_a_failure_and_deletes_nothing(archive: Path, tmp_path: Path) -> None:
    run(archive, tmp_path / "out")
    archive.rename(tmp_path / "moved")
    outcome = run(archive, tmp_path / "out")
    assert outcome.accounting.balanced
    assert outcome.accounting.assets.failed == 1
    assert query(tmp_path / "out", "SELECT reason FROM failures") == [("not_found",)]
    assert query(tmp_path / "out", "SELECT count(*) FROM pages") == [(7,)]


@INLINE
def test_many_runs_are_merged_into_few_sorted_files(tmp_path: Path, make_pdf: Any) -> None:
    output, folder = tmp_path / "out", tmp_path / "archive"
    for night in range(10):
        make_pdf(folder / f"{night}.pdf", [f"night {night}", "second page"])
        outcome = run(folder, output, tasks=("read",))
    assert outcome.accounting.segments == Counts(20, 2, 18, 0, 0)
    assert len(outcome.manifest.tables["segments"]) < 9
    keys = [row[:2] for row in page_keys(output)]
    assert len(keys) == len(set(keys)) == 20
    on_disk = {f"segments/{path.name}" for path in (output / "segments").iterdir()}
    listed = {file.path for file in outcome.manifest.tables["segments"]}
    assert listed <= on_disk
    assert len(on_disk) <= 2 * len(listed) + 10


@INLINE
def test_what_a_crashed_publish_left_is_neither_read_nor_kept(archive: Path, tmp_path: Path, make_pdf: Any) -> None:
    output = tmp_path / "out"
    run(archive, output)
    (output / "segments" / "half-written.parquet").write_bytes(b"PAR1 truncated")
    stale = output / "_work" / "000001" / "segments" / "stale.parquet"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"published already")
    make_pdf(archive / "c.pdf", ["new"])
    assert run(archive, output).accounting.segments == Counts(8, 1, 7, 0, 0)
    assert not stale.exists()
    assert not (output / "segments" / "half-written.parquet").exists()
