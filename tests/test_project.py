"""The project's own promises: who may import whom, and a demo archive that is what it says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import typer.main
import yaml

from examples.make_archive import PASSWORD, make_archive
from jobs.extract_docs import app
from pipeline.config import load_questions
from pipeline.decode.children import ChildLimits, DecodeChildren
from pipeline.failures import Failure

PROJECT = Path(__file__).resolve().parents[1]
ROOMS = ("jobs", "pipeline", "model", "schemas")
MAY_IMPORT = {
    "schemas": set(),
    "model": {"schemas"},
    "pipeline": {"model", "schemas"},
    "jobs": {"pipeline", "model", "schemas"},
}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str) -> None:
    for path in (PROJECT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                other = name.partition(".")[0]
                assert other not in ROOMS or other == room or other in MAY_IMPORT[room], f"{path} imports {name}"


def test_the_manifest_for_kubernetes_starts_a_job_that_there_is() -> None:
    manifest = yaml.safe_load((PROJECT / "deploy" / "rayjob.yaml").read_text())
    words = manifest["spec"]["entrypoint"].split()
    assert (PROJECT / words[1].removeprefix("/opt/folioscope/")).is_file()
    assert "WORKDIR /opt/folioscope" in (PROJECT / "Dockerfile").read_text()
    known = {option for parameter in typer.main.get_command(app).params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    cluster = manifest["spec"]["rayClusterSpec"]
    images = {
        container["image"]
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
        for container in group["template"]["spec"]["containers"]
    }
    assert len(images) == 1, "head and workers run the same code"


def test_the_demo_archive_is_what_it_says(tmp_path: Path) -> None:
    files = make_archive(tmp_path / "archive")
    children = DecodeChildren(1, ChildLimits(), (PASSWORD,))
    outcomes = {}
    for path in files:
        try:
            outcomes[path.name] = children.probe(path, path.name).page_count if path.stat().st_size else "empty"
        except Failure as failure:
            outcomes[path.name] = failure.reason.value
    children.close()
    assert outcomes["annual-report-2024.pdf"] == 6
    assert outcomes["fax.tiff"] == 2
    assert outcomes["salaries-locked.pdf"] == 1
    assert outcomes["minutes-locked-password-lost.pdf"] == "password_required"
    assert outcomes["a-note-named.pdf"] == "type_mismatch"
    assert outcomes["empty.pdf"] == "empty"
    again = make_archive(tmp_path / "again")
    same = [a.name for a, b in zip(files, again, strict=True) if "locked" in a.name or a.read_bytes() == b.read_bytes()]
    assert same == [path.name for path in files], "drawn the same each time; locked files hold random salt"
    assert load_questions(PROJECT / "examples" / "questions.yaml")
