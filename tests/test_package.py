"""The wheel: all of the package is in it, and it works beside folders that have our parts' names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PARTS = ("folioscope", "jobs", "model", "pipeline", "schemas")
LIBRARY = """
import folioscope
print(folioscope.read("a.pdf", layout="fast").markdown)
with folioscope.open("tables") as tables:
    print(tables.pages().num_rows, tables.search("lighthouse")[0].page_number)
"""


def test_every_package_and_data_file_is_declared() -> None:
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent for part in PARTS for path in (PROJECT / part).rglob("__init__.py")}
    names = {".".join(["folioscope", *folder.relative_to(PROJECT).parts]) for folder in folders}
    assert set(declared["packages"]) == {name.removeprefix("folioscope.folioscope") or "folioscope" for name in names}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in (*PARTS, "pyproject.toml", "README.md", "LICENSE"):
        path = PROJECT / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(path, source / name, ignore=ignore) if path.is_dir() else shutil.copy(path, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_one_import_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"folioscope"}
    for part in PARTS[1:]:
        for path in (PROJECT / part).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.name != "README.md":
                assert f"folioscope/{path.relative_to(PROJECT)}" in names
    assert "folioscope/py.typed" in names


def hostile(folder: Path, make_pdf: Any) -> Path:
    """A folder of someone else's, with modules of our parts' names."""
    (folder / "pipeline").mkdir(parents=True)
    for name in ("pipeline/__init__.py", "jobs.py", "model.py", "schemas.py"):
        (folder / name).write_text("raise RuntimeError('somebody else\\'s')\n")
    words = "The keeper of the lighthouse retired. Margaret Oyelaran was succeeded by Tomas Lindqvist in June."
    make_pdf(folder / "a.pdf", [words])
    return folder


def outside(folder: Path, command: list[str], **variables: str) -> str:
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "RAY_ADDRESS")}
    done = subprocess.run(
        command, cwd=folder, env={**kept, **variables}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_installed_it_reads_runs_and_answers_beside_hostile_names(wheel: Path, tmp_path: Path, make_pdf: Any) -> None:
    folder = hostile(tmp_path / "work", make_pdf)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    found = {"PYTHONPATH": str(tmp_path / "installed")}
    command = [sys.executable, "-c", "from folioscope.jobs.main import main; main()"]
    assert "lighthouse" in outside(folder, [*command, "read", "a.pdf", "--layout", "fast"], **found)
    options = ["--layout", "fast", "--replicas", "1", "--kinds", "documents"]
    outside(folder, [*command, "read", ".", "--output", "tables", *options], **found)
    assert "page 1" in outside(folder, [*command, "search", "tables", "lighthouse"], **found)
    assert "1 1" in outside(folder, [sys.executable, "-c", LIBRARY], **found)
    code = "import folioscope.pipeline as p; print(p.__file__)"
    assert str(tmp_path / "installed") in outside(folder, [sys.executable, "-c", code], **found)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_in_a_fresh_environment_the_core_is_enough(wheel: Path, tmp_path: Path, make_pdf: Any) -> None:
    folder = hostile(tmp_path / "work", make_pdf)
    venv.create(tmp_path / "venv", with_pip=True)
    tools = tmp_path / "venv" / "bin"
    outside(folder, [str(tools / "pip"), "install", "-q", "--no-compile", str(wheel)])
    packages = next((tmp_path / "venv" / "lib").glob("python*")) / "site-packages"
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) >> 20
    assert not (packages / "torch").exists()
    assert not (packages / "av").exists()
    sys.stdout.write(f"the core takes {size} MB\n")
    command = str(tools / "folioscope")
    assert "lighthouse" in outside(folder, [command, "read", "a.pdf"])
    outside(folder, [command, "read", ".", "--output", "tables", "--layout", "fast", "--replicas", "1"])
    assert "found there" in outside(folder, [command, "ask", "tables", "Who succeeded Margaret Oyelaran?"])
    assert "1 1" in outside(folder, [str(tools / "python"), "-c", LIBRARY])
    told = subprocess.run([command, "read", "a.pdf", "--model", "nano"], cwd=folder, capture_output=True, text=True)
    assert told.returncode == 2
    assert "pip install 'folioscope[kimi]'" in told.stderr
    assert "Traceback" not in told.stderr
