"""What a run leaves undone is told: failures by reason with their files, skipped files by cause, what comes to nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from folioscope.jobs.main import main
from folioscope.pipeline.failures import MEANING, Reason
from folioscope.pipeline.tables.problems import SkippedGroup, skipped_words


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", *arguments, "--model", "fake"])


def test_an_input_that_cannot_be_listed_is_told_and_ends_a_plan_with_3(tmp_path: Path, make_pdf: Any) -> None:
    make_pdf(tmp_path / "in" / "a.pdf", ["one"])
    missing = str(tmp_path / "nowhere")
    done = plan(str(tmp_path / "in"), missing, "--output", str(tmp_path / "out"))
    assert done.exit_code == 3
    assert f"1 failed: not_found. {MEANING[Reason.NOT_FOUND]}" in done.stderr
    assert f"{missing}: there is no such file or folder" in done.stderr
    as_json = plan(missing, "--output", str(tmp_path / "out"), "--json", "--log-format", "json")
    assert as_json.exit_code == 3
    [group] = json.loads(as_json.stdout)["problems"]["failures"]
    assert (group["reason"], group["count"], group["examples"][0]["uri"]) == ("not_found", 1, missing)


@pytest.mark.usefixtures("local_ray")
def test_a_run_ends_with_its_failures_by_reason_and_five_files_of_each(tmp_path: Path, make_pdf: Any) -> None:
    make_pdf(tmp_path / "in" / "a.pdf", ["one"])
    for number in range(7):
        (tmp_path / "in" / f"empty-{number}.pdf").write_bytes(b"")
    (tmp_path / "in" / "letter.docx").write_bytes(b"PK")
    arguments = ["--model", "fake", "--layout", "fast", "--replicas", "1", "--tasks", "read"]
    done = CliRunner().invoke(main, ["read", str(tmp_path / "in"), "--output", str(tmp_path / "out"), *arguments])
    assert done.exit_code == 3, done.output
    assert "7 failed: empty_file." in done.stderr
    shown = [number for number in range(7) if f"empty-{number}.pdf: the file holds no bytes" in done.stderr]
    assert shown == [0, 1, 2, 3, 4]
    assert "and 2 more in the failures table" in done.stderr
    assert "skipped: 1 file of unsupported types: .docx" in done.stderr
    assert "model: tasks read; fake; replicas 1; layout fast" in done.stderr
    assert "input tokens" in done.stdout
    again = CliRunner().invoke(
        main,
        ["read", str(tmp_path / "in"), "--output", str(tmp_path / "out"), *arguments, "--log-format", "json"],
    )
    events = {line["event"]: line for line in map(json.loads, again.stderr.splitlines())}
    assert events["failures"]["count"] == 7
    assert len(events["failures"]["examples"]) == 5
    assert events["skipped"]["groups"][0]["endings"] == [".docx"]
    assert events["started"]["arguments"]["model"] == "fake"


def test_a_table_of_what_is_skipped_says_what_to_do() -> None:
    groups = [
        SkippedGroup("video", 3, False, (".mp4", ".mov")),
        SkippedGroup("pdf", 1, True, (".pdf",)),
        SkippedGroup(None, 7, False, (".docx", "none", ".a", ".b", ".c", ".d")),
        SkippedGroup(None, 2, False, (".zip",), inside=True),
    ]
    assert skipped_words(groups) == (
        "3 videos: to read them, use folioscope read, or --kinds videos; 1 PDF beyond --limit; "
        "7 files of unsupported types: .docx, no ending, .a, .b, .c, …; 2 attached files of unsupported types: .zip"
    )


@pytest.mark.parametrize(
    ("files", "options", "told"),
    [
        ((), (), "there is no file under"),
        (("a.docx", "b"), (), "none of the 2 files listed is of a kind that this run reads"),
        (("a.pdf",), ("--kinds", "videos"), "1 PDF: to read them, use folioscope read, or --kinds documents"),
        (("a.pdf",), ("--tasks", "answer"), "--tasks names answer, but there are no questions"),
        (("a.pdf",), ("--questions", "q.yaml"), "question rent: no file matches its assets leases/*"),
        (("a.pdf",), ("--questions", "q.yaml", "--tasks", "read"), "none is asked"),
        (("a.pdf",), ("--engine", "vllm"), "--engine means nothing to --model fake"),
        (("a.pdf",), ("--gpus-per-replica", "1"), "--gpus-per-replica means nothing to --model fake"),
    ],
)
def test_what_comes_to_nothing_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], options: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in files:
        Path("in", name).write_bytes(b"x")
    Path("q.yaml").write_text(
        "- {id: rent, question: How much, assets: leases/*}\n- {id: who, question: Who, assets: '*.pdf'}"
    )
    done = plan("in", "--output", "out", *options)
    assert done.exit_code == 0, done.output
    assert done.stderr.count(told) == 1, done.stderr
    assert "question who" not in done.stderr


def test_an_output_that_is_its_own_input_is_told(tmp_path: Path, make_pdf: Any) -> None:
    make_pdf(tmp_path / "a.pdf", ["one"])
    done = plan(str(tmp_path), "--output", str(tmp_path))
    assert "is an input, too" in done.stderr


def test_a_submitted_job_refuses_an_output_that_would_be_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.chdir(tmp_path)
    os.mkdir("in")
    done = CliRunner().invoke(main, ["read", "in", "--output", "out", "--model", "fake"])
    assert done.exit_code == 2
    assert "--output out: is relative" in done.stderr
    assert not Path("out").exists()
