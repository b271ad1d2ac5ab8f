"""A listing that lost most of what it knew stops the run; what could not be listed is not taken for deleted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from runs import ask, prepare, run

from folioscope.pipeline.planning.deletions import TooManyDeletedError

pytestmark = pytest.mark.usefixtures("inline_actors")

READ = {"tasks": ("read",)}


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    folder = tmp_path / "in"
    for number in range(12):
        make_pdf(folder / ("sub" if number % 2 else "top") / f"{number}.pdf", [f"Page of file {number}."])
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def statuses(output: Path) -> dict[str, int]:
    return dict(ask(output, "SELECT status, count(*) FROM assets GROUP BY status"))


def test_an_archive_that_vanished_stops_the_run_before_it_writes(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(archive, output, **READ)
    before = {name: data for name, data in files_of(output).items() if "_lease" not in name}
    for path in archive.rglob("*.pdf"):
        path.unlink()
    with pytest.raises(TooManyDeletedError, match=r"12 of 12 known files .*11\.pdf.*mounted.*--max-deleted 1"):
        run(archive, output, **READ)
    with pytest.raises(TooManyDeletedError):
        prepare(archive, output, **READ).preview()
    assert {name: data for name, data in files_of(output).items() if "_lease" not in name} == before
    outcome = run(archive, output, **READ, max_deleted=1.0)
    assert outcome.accounting.balanced
    assert statuses(output) == {"deleted": 12}


def test_a_share_may_go_and_more_may_not(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(archive, output, **READ)
    paths = sorted(archive.rglob("*.pdf"))
    for path in paths[:5]:
        path.unlink()
    with pytest.raises(TooManyDeletedError, match="5 of 12"):
        run(archive, output, **READ, max_deleted=0.0)
    run(archive, output, **READ)
    assert statuses(output) == {"deleted": 5, "done": 7}, "a few files may go from a small archive"
    for path in paths[5:11]:
        path.unlink()
    with pytest.raises(TooManyDeletedError, match="6 of 7"):
        run(archive, output, **READ)
    run(archive, output, **READ, max_deleted=0.9)
    assert statuses(output) == {"deleted": 11, "done": 1}


def test_a_narrower_glob_and_an_unreadable_folder_delete_nothing(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    run(archive, output, **READ)
    run(archive / "*.pdf", output, **READ)
    run(archive / "top" / "*.pdf", output, **READ)
    assert statuses(output) == {"done": 12}
    real = os.scandir

    def scandir(path: str) -> Any:
        if path == str(archive / "sub"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    (archive / "top" / "0.pdf").unlink()
    outcome = run(archive, output, **READ)
    assert outcome.accounting.balanced
    assert outcome.accounting.assets.seen == 5 + 1, "five files and the folder"
    assert outcome.accounting.assets.failed == 1
    assert statuses(output) == {"deleted": 1, "done": 11}
    [(uri, stage, reason)] = ask(output, "SELECT uri, stage, reason FROM failures")
    assert (uri, stage, reason) == (str(archive / "sub"), "plan", "permission_denied")
    monkeypatch.undo()
    run(archive, output, **READ)
    assert ask(output, "SELECT uri FROM failures") == [], "the folder was listed again"
