"""The DuckDB views show what is current, once, and nothing that the manifest does not list."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from sample_rows import MOMENT, answer, asset, failure, page, publish, run, summary

from folioscope.schemas.migrations import to_table
from folioscope.schemas.tables import SCHEMA_VERSION

VIEWS_SQL = Path(__file__).resolve().parents[2] / "schemas" / "views.sql"

VIEWS = ("pages", "shots", "documents", "videos", "current_answers", "failures", "cost_by_run")
Rows = list[tuple[Any, ...]]


def opened(folder: Path | str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET VARIABLE output = $folder", {"folder": str(folder)})
    connection.execute(VIEWS_SQL.read_text(encoding="utf-8"))
    return connection


def ask(folder: Path, sql: str) -> Rows:
    with opened(folder) as connection:
        return connection.execute(sql).fetchall()


def test_starts_in_the_output_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1), page("A", 2)]}, files=2)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as connection:
        connection.execute(VIEWS_SQL.read_text(encoding="utf-8"))
        assert connection.execute("SELECT page_number FROM pages ORDER BY 1").fetchall() == [(1,), (2,)]


def test_every_view_opens_on_tables_without_rows(tmp_path: Path) -> None:
    publish(tmp_path, {})
    with opened(tmp_path) as connection:
        for view in (*VIEWS, "current_assets", "current_content", "assets", "all_segments", "runs"):
            assert connection.execute(f"SELECT * FROM {view}").fetchall() == [], view


def test_files_outside_the_manifest_are_not_read(tmp_path: Path) -> None:
    publish(tmp_path, {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1)]})
    pq.write_table(to_table("segments", [page("A", 2)]), tmp_path / "segments" / "left-by-a-crash.parquet")
    (tmp_path / "segments" / "truncated.parquet").write_bytes(b"PAR1")
    assert ask(tmp_path, "SELECT page_number FROM pages") == [(1,)]


def test_loading_again_shows_the_next_publication(tmp_path: Path) -> None:
    publish(tmp_path, {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1)]})
    with opened(tmp_path) as connection:
        shutil.rmtree(tmp_path)
        publish(tmp_path, {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1), page("A", 2)]}, files=2)
        connection.execute(VIEWS_SQL.read_text(encoding="utf-8"))
        assert connection.execute("SELECT count(*) FROM pages").fetchall() == [(2,)]


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, {}, version=SCHEMA_VERSION + 1)
    with pytest.raises(duckdb.Error, match=f"schema version {SCHEMA_VERSION + 1}"):
        opened(tmp_path)


def test_copies_share_their_pages_and_have_a_document_each(tmp_path: Path) -> None:
    rows = {
        "assets": [asset("z/copy.pdf", "A"), asset("a.pdf", "A"), asset("gone.pdf", "A", status="deleted")],
        "segments": [page("A", 1), page("A", 2)],
        "summaries": [summary("A")],
    }
    publish(tmp_path, rows)
    assert ask(tmp_path, "SELECT uri, uris, page_number FROM pages ORDER BY page_number") == [
        ("a.pdf", ["a.pdf", "z/copy.pdf"], 1),
        ("a.pdf", ["a.pdf", "z/copy.pdf"], 2),
    ]
    assert ask(tmp_path, "SELECT uri, summary FROM documents ORDER BY uri") == [
        ("a.pdf", "about A"),
        ("z/copy.pdf", "about A"),
    ]


def test_copies_read_by_different_recipes_show_the_newest_reading(tmp_path: Path) -> None:
    rows = {
        "assets": [
            asset("a.pdf", "A", run_id="run-2", read_recipe_id="read-2"),
            asset("b.pdf", "A", run_id="run-1"),
            asset("c.pdf", "A", run_id="run-3", read_recipe_id="read-3", status="pending"),
        ],
        "segments": [page("A", 1), page("A", 1, "read-2", text="better")],
    }
    publish(tmp_path, rows)
    assert ask(tmp_path, "SELECT text FROM pages") == [("better",)]


def test_deleted_changed_and_outdated_rows_leave_the_current_views(tmp_path: Path) -> None:
    rows = {
        "assets": [
            asset("gone.pdf", "GONE", status="deleted"),
            asset("changed.pdf", "NEW"),
            asset("reread.pdf", "REREAD", read_recipe_id="read-2", summary_recipe_id="sum-2"),
        ],
        "segments": [page("GONE", 1), page("OLD", 1), page("NEW", 1), page("REREAD", 1), page("REREAD", 1, "read-2")],
        "summaries": [summary("GONE"), summary("OLD"), summary("REREAD"), summary("REREAD", "sum-2", summary="new")],
    }
    publish(tmp_path, rows)
    assert ask(tmp_path, "SELECT asset_id, recipe_id FROM pages ORDER BY ALL") == [
        ("NEW", "read-1"),
        ("REREAD", "read-2"),
    ]
    assert ask(tmp_path, "SELECT uri, summary FROM documents ORDER BY ALL") == [
        ("changed.pdf", None),
        ("reread.pdf", "new"),
    ]
    assert ask(tmp_path, "SELECT count(*) FROM all_segments") == [(5,)]


def test_current_answers_follow_the_questions_last_asked(tmp_path: Path) -> None:
    rows = {
        "assets": [asset("a.pdf", "A", answer_recipe_ids=["rent-2", "term-1"]), asset("b.pdf", "B")],
        "answers": [
            answer("A", "rent", "rent-1"),
            answer("A", "rent", "rent-2"),
            answer("A", "term", "term-1", answer=None, answerable=False, evidence=[]),
            answer("B", "rent", "rent-2"),
        ],
    }
    publish(tmp_path, rows)
    assert ask(tmp_path, "SELECT uri, question_id, answer, evidence[1].quote FROM current_answers ORDER BY ALL") == [
        ("a.pdf", "rent", "rent by rent-2", "quote for rent"),
        ("a.pdf", "term", None, None),
    ]


def test_copies_asked_differently_keep_one_answer_a_question(tmp_path: Path) -> None:
    rows = {
        "assets": [
            asset("a.pdf", "A", answer_recipe_ids=["rent-1", "term-1"], run_id="run-1"),
            asset("b.pdf", "A", answer_recipe_ids=["rent-2"], run_id="run-2"),
        ],
        "answers": [
            answer("A", "rent", "rent-1", created_at=MOMENT.replace(hour=20)),
            answer("A", "rent", "rent-2"),
            answer("A", "term", "term-1"),
        ],
    }
    publish(tmp_path, rows)
    assert ask(tmp_path, "SELECT question_id, recipe_id FROM current_answers ORDER BY ALL") == [
        ("rent", "rent-2"),
        ("term", "term-1"),
    ]


def test_failures_are_those_of_the_current_state(tmp_path: Path) -> None:
    rows = {
        "assets": [
            asset("truncated.pdf", "TRUNCATED", status="failed", page_count=None),
            asset("locked.pdf", None, status="failed"),
            asset("gone.pdf", "GONE", status="deleted"),
            asset("mended.pdf", "MENDED"),
            asset("half.pdf", "HALF", status="partial", answer_recipe_ids=["rent-2"]),
            asset("copy-of-gone.pdf", "COPIED", status="partial"),
            asset("copied.pdf", "COPIED", status="deleted"),
        ],
        "failures": [
            failure("truncated.pdf", "TRUNCATED"),
            failure("locked.pdf", None, reason="permission_denied"),
            failure("gone.pdf", "GONE"),
            failure("mended.pdf", "TRUNCATED-BEFORE"),
            failure("mended.pdf", None),
            failure("half.pdf", "HALF", stage="read", segment=1, recipe_id="read-1", reason="model_error"),
            failure("half.pdf", "HALF", stage="read", segment=2, recipe_id="read-0", reason="outdated"),
            failure("half.pdf", "HALF", stage="summarize", recipe_id="sum-1", reason="model_error"),
            failure("half.pdf", "HALF", stage="answer", question_id="q", recipe_id="rent-2", reason="model_error"),
            failure("half.pdf", "HALF", stage="answer", question_id="q", recipe_id="rent-1", reason="outdated"),
            failure("copied.pdf", "COPIED", stage="decode", segment=1, recipe_id="read-1", reason="pixel_limit"),
            failure("s3://no-such-bucket/", None, reason="not_found"),
        ],
    }
    publish(tmp_path, rows)
    assert ask(tmp_path, "SELECT uri, stage, reason FROM failures ORDER BY ALL") == [
        ("copy-of-gone.pdf", "decode", "pixel_limit"),
        ("half.pdf", "answer", "model_error"),
        ("half.pdf", "read", "model_error"),
        ("half.pdf", "summarize", "model_error"),
        ("locked.pdf", "plan", "permission_denied"),
        ("s3://no-such-bucket/", "plan", "not_found"),
        ("truncated.pdf", "plan", "damaged_file"),
    ]


def test_documents_and_videos_part_the_archive(tmp_path: Path) -> None:
    shot = page("V", 1, kind="shot", page_number=None, start_s=0.0, end_s=2.5, text="a title card")
    rows = {
        "assets": [
            asset("video.mp4", "V", kind="video", page_count=None, duration_s=2.5, codec="h264"),
            asset("scan.png", "I", kind="image", page_count=1),
            asset("notes.txt", None, kind=None, status="skipped"),
            asset("locked.pdf", "L", status="failed", reason="password_required"),
        ],
        "segments": [shot, page("I", 1)],
        "summaries": [summary("V")],
    }
    publish(tmp_path, rows)
    assert ask(tmp_path, "SELECT uri, status, reason FROM documents ORDER BY ALL") == [
        ("locked.pdf", "failed", "password_required"),
        ("scan.png", "done", None),
    ]
    assert ask(tmp_path, "SELECT uri, duration_s, summary FROM videos") == [("video.mp4", 2.5, "about V")]
    assert ask(tmp_path, "SELECT segment, start_s, end_s, text FROM shots") == [(1, 0.0, 2.5, "a title card")]
    assert ask(tmp_path, "SELECT uri FROM pages") == [("scan.png",)]


def test_cost_by_run_divides_by_what_was_measured(tmp_path: Path) -> None:
    idle = run("run-2", busy_seconds=0.0, idle_seconds=0.0, finished_at=None, cost=None)
    publish(tmp_path, {"runs": [run("run-1"), idle]})
    columns = "run_id, pages, wall_seconds, pages_per_second, busy_share, cost, cost_per_1000_pages"
    rows = ask(tmp_path, f"SELECT {columns} FROM cost_by_run ORDER BY 1")
    assert rows == [("run-1", 6, 60.0, 0.1, 0.75, 0.12, 20.0), ("run-2", 6, None, None, None, None, None)]


def test_documents_tell_how_many_of_their_pages_were_read(tmp_path: Path) -> None:
    given_up = failure("b.pdf", "B", stage="read", segment=2, recipe_id="read-1")
    rows = {
        "assets": [asset("a.pdf", "A"), asset("b.pdf", "B", status="partial")],
        "segments": [page("A", 1), page("A", 2), page("A", 1, "read-0"), page("B", 1)],
        "failures": [given_up, {**given_up, "recipe_id": "read-0"}],
    }
    publish(tmp_path, rows)
    assert ask(tmp_path, "SELECT uri, page_count, pages_read, pages_failed FROM documents ORDER BY uri") == [
        ("a.pdf", 2, 2, 0),
        ("b.pdf", 2, 1, 1),
    ]
