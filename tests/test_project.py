"""The project's own promises: who may import whom, and a demo archive that is what it says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from examples.make_archive import PASSWORD, make_archive
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
