"""The report's command line: where it writes by default, what it says, and how it ends."""

from __future__ import annotations

from pathlib import Path

from sample_rows import asset, page, publish
from typer.testing import CliRunner

from jobs.report import app


def test_it_names_the_one_file_to_open(tmp_path: Path) -> None:
    assets = [asset("a.pdf", "a" * 64), asset("b.pdf", "b" * 64)]
    publish(tmp_path, {"assets": assets, "segments": [page("a" * 64, 1)]})
    done = CliRunner().invoke(app, [str(tmp_path), "--limit", "1"])
    assert done.exit_code == 0
    index = tmp_path / "report" / "index.html"
    assert done.stdout.splitlines()[-1] == index.as_uri()
    assert index.is_file()
    assert "1 of 2 files" in done.stderr


def test_nothing_to_show_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [str(tmp_path)])
    assert done.exit_code == 1
    assert "extract_docs.py first" in done.stderr
