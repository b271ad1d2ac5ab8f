"""The report's command line: where it writes by default, what it says, and how it ends."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from sample_rows import asset, page, publish

from folioscope.jobs.report import command


def test_it_names_the_one_file_to_open(tmp_path: Path) -> None:
    assets = [asset("a.pdf", "a" * 64), asset("b.pdf", "b" * 64)]
    publish(tmp_path, {"assets": assets, "segments": [page("a" * 64, 1)]})
    done = CliRunner().invoke(command, [str(tmp_path), "--limit", "1"])
    assert done.exit_code == 0
    index = tmp_path / "report" / "index.html"
    assert done.stdout.splitlines()[-1] == index.as_uri()
    assert index.is_file()
    assert "1 of 2 files" in done.stderr


def test_nothing_to_show_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(tmp_path)])
    assert done.exit_code == 1
    assert "folioscope read first" in done.stderr


def test_it_says_which_pages_are_sharp_and_why_others_are_not(tmp_path: Path) -> None:
    rows = {"assets": [asset(str(tmp_path / "gone.pdf"), "a" * 64)], "segments": [page("a" * 64, 1), page("a" * 64, 2)]}
    (tmp_path / "out").mkdir()
    publish(tmp_path / "out", rows)
    done = CliRunner().invoke(command, [str(tmp_path / "out")])
    assert "2 pages and shots with the small picture: the file is no longer where it was read." in done.stderr
    done = CliRunner().invoke(command, [str(tmp_path / "out"), "--sharp-pages", "0"])
    assert "small picture" not in done.stderr
    done = CliRunner().invoke(command, [str(tmp_path / "out"), "--password-file", str(tmp_path / "none.txt")])
    assert done.exit_code == 2
    assert "none.txt: cannot be read" in done.stderr
