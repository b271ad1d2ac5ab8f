"""Replicas of other packages: found by place or by name, refused in one line that says what to do."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from folioscope.model.load import ModelChoice, UnknownModelError, describe_replica, load_replica
from folioscope.model.protocol import Block, DocumentText, PageInput, PageText, Question, TextLayer
from folioscope.pipeline.config import parse_config
from folioscope.pipeline.one_file import FileReader

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "extending.md").read_text()
QUESTIONS = "- id: keeper\n  question: Who is the keeper of the lighthouse?\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the page's replica, in which commands run."""
    [code] = re.findall(r"^```python\n# first_lines\.py\n(.*?)^```", PAGE, re.M | re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 25
    (tmp_path / "first_lines.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in {"first_lines", "broken", "needy", "parts"} & set(sys.modules):
        del sys.modules[name]


def refusal(name: str) -> str:
    with pytest.raises(UnknownModelError) as raised:
        describe_replica(ModelChoice(name))
    told = str(raised.value)
    assert told.startswith(f"--model {name}: ")
    assert "\n" not in told
    return told


def test_the_replica_of_the_page_reads_and_understands(place: Path) -> None:
    choice = ModelChoice("first_lines:FirstLines")
    assert describe_replica(choice).name == "first-lines"
    replica = load_replica(choice)
    layer = TextLayer("usable", "visible text", (Block("text", "The keeper of the lighthouse"), Block("text", "rows")))
    [reading] = replica.read([None, PageInput(1, 10, 10, None, layer)])
    assert not isinstance(reading, Exception)
    assert reading.text == "The keeper of the lighthouse\n\nrows"
    document = DocumentText("a", "a.pdf", None, (PageText(4, reading.text),))
    [answer] = replica.answer(document, [Question("keeper", "Who is the keeper of the lighthouse?")])
    assert (answer.text, answer.evidence[0].page_number) == ("The keeper of the lighthouse", 4)
    [nothing] = replica.answer(document, [Question("sea", "How deep is the sea?")])
    assert (nothing.answerable, nothing.evidence) == (False, ())


def test_one_file_is_read_by_it(place: Path, make_pdf: Any) -> None:
    path = make_pdf(place / "a.pdf", ["The keeper of the lighthouse"])
    config = parse_config(inputs=(str(path),), output="-", model="first_lines:FirstLines", layout="fast")
    with FileReader(config) as reader:
        assert reader.read(str(path)).markdown == "The keeper of the lighthouse"


def test_an_installed_package_gives_it_a_name(place: Path) -> None:
    folder = place / "first_lines-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: first-lines\nVersion: 1.0\n")
    names = "[folioscope.replicas]\nfirst-lines = first_lines:FirstLines\ngone = nowhere:Replica\n"
    (folder / "entry_points.txt").write_text(names)
    sys.path.append(str(place))
    assert describe_replica(ModelChoice("first-lines")).name == "first-lines"
    assert "did you mean first-lines?" in refusal("firstlines")
    assert "the package first-lines brings it as nowhere:Replica" in refusal("gone")


def test_what_is_not_there_is_refused_with_what_to_do(place: Path) -> None:
    (place / "broken.py").write_text("1 / 0\n")
    (place / "needy.py").write_text("import no_such_package\n")
    (place / "parts.py").write_text(
        "from folioscope.model.protocol import ReplicaDescription\n"
        "class Bare: pass\n"
        "class Half:\n    description = ReplicaDescription('half', '1', True)\n    def read(self, segments): ...\n"
        "class Ours(Half):\n    description = ReplicaDescription('embedded', '1', True, tasks=('read',))\n"
    )
    assert "no module nowhere here: install its package" in refusal("nowhere:Replica")
    assert "no module first_lines.deep here" in refusal("first_lines.deep:Replica")
    assert "did you mean FirstLines?" in refusal("first_lines:FirstLine")
    assert "importing broken raised ZeroDivisionError: division by zero" in refusal("broken:Replica")
    assert "needy needs no_such_package: install it" in refusal("needy:Replica")
    assert "it needs an attribute description" in refusal("parts:Bare")
    assert "it lacks understand, which" in refusal("parts:Half")
    assert "give it a name of its own" in refusal("parts:Ours")
    assert "choose one of embedded, fake, nano, or give a replica of your own" in refusal("no-such")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_leads_to_tables_as_typed(place: Path, make_pdf: Any) -> None:
    make_pdf(place / "report.pdf", ["The keeper of the lighthouse is Margaret Oyelaran."])
    (place / "ARCHIVE").mkdir()
    make_pdf(place / "ARCHIVE" / "a.pdf", ["In June", "The keeper of the lighthouse is Tomas Lindqvist."])
    (place / "questions.yaml").write_text(QUESTIONS)
    commands = re.findall(r"^folioscope read .*first_lines.*$", PAGE, re.M)
    assert len(commands) == 2
    kept = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    for line in commands:
        words = [sys.executable, "-m", "folioscope", *shlex.split(line)[1:]]
        done = subprocess.run(
            words, cwd=place, env={**kept, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stderr
    [answer] = pq.read_table(place / "TABLES" / "answers").to_pylist()
    assert answer["model"] == "first-lines@1"
    assert answer["answer"] == "The keeper of the lighthouse is Tomas Lindqvist."
    assert (answer["evidence"][0]["page_number"], answer["evidence"][0]["verified"]) == (2, True)
