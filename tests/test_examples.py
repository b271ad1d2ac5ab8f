"""The demo archive is drawn once: drawn again it would be other files to the run that reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def draw(folder: Path) -> dict[str, tuple[int, bytes]]:
    subprocess.run(
        [sys.executable, "examples/make_archive.py", str(folder)], cwd=PROJECT, check=True, capture_output=True
    )
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_the_demo_archive_is_drawn_once(tmp_path: Path) -> None:
    first = draw(tmp_path / "archive")
    assert len(first) == 20
    (tmp_path / "archive" / "notices" / "crue.pdf").unlink()
    again = draw(tmp_path / "archive")
    assert again.keys() == first.keys()
    assert {name for name in first if first[name] != again[name]} == {"crue.pdf"}
