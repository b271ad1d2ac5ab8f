"""A run that has nothing to do says why before it starts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from runs import prepare

pytestmark = pytest.mark.usefixtures("inline_actors")


def told(caplog: pytest.LogCaptureFixture, inputs: Path, output: Path, **options: Any) -> list[str]:
    with caplog.at_level(logging.WARNING, logger="folioscope"):
        prepare(inputs, output, **options).preview()
    return [record.getMessage() for record in caplog.records]


@pytest.fixture(autouse=True)
def _heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("folioscope"), "propagate", True)


def test_an_empty_folder_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "in").mkdir()
    assert told(caplog, tmp_path / "in", tmp_path / "out") == [
        f"there is no file under {tmp_path}/in; check the inputs"
    ]


def test_files_that_no_run_reads_are_told_by_their_endings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.docx", "b.docx", "c.odt", "plain"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_text("x")
    [words] = told(caplog, tmp_path / "in", tmp_path / "out")
    assert words.startswith("none of the 4 files listed is of a kind that this run reads")
    assert words.endswith(": 2 .docx, 1 without an ending, 1 .odt")


def test_an_output_that_is_an_input_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "same").mkdir()
    (tmp_path / "same" / "a.pdf").write_text("x")
    words = told(caplog, tmp_path / "same", tmp_path / "same")
    assert words[0] == f"the output {tmp_path}/same is an input, too: what lies under an output is never read"
