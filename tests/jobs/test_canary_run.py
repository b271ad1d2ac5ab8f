"""A whole run against a model server that cannot read, or no longer can: three actors are stopped, then the run."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image

from folioscope.model.canary import FOLDER

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "model"))

from chat_server import KEY, Say, serving, words  # noqa: E402

KNOWN = {path.stem: path.with_suffix(".txt").read_text() for path in FOLDER.glob("*.png")}
RUBBISH = "!" * 100
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]


class Reader:
    """Reads pages of known text, and says the same of any other; from ``failing`` on it writes rubbish alone."""

    def __init__(self) -> None:
        self.failing = False
        self.fails_after: int | None = None
        self.pages = 0
        self._known = {name: np.asarray(Image.open(FOLDER / f"{name}.png").convert("L"), int) for name in KNOWN}

    def __call__(self, body: dict[str, Any], number: int) -> Say:
        name = self._name_of(body)
        self.pages += name is None
        failing = self.failing or (self.fails_after is not None and self.pages > self.fails_after)
        return Say(words(RUBBISH if failing else KNOWN.get(name or "", "The weir was rebuilt in 1987.")))

    def _name_of(self, body: dict[str, Any]) -> str | None:
        data = re.findall(r"data:image/\w+;base64,([^\"]+)", json.dumps(body))
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[0]))).convert("L"), int)
        alike = (name for name, known in self._known.items() if known.shape == shown.shape)
        return next((name for name in alike if np.abs(self._known[name] - shown).mean() < 4), None)


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    for number in range(12):
        make_pdf(tmp_path / "in" / f"{number}.pdf", [f"page {page} of {number}" for page in range(4)])
    return tmp_path / "in"


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)  # sockets want a short path


def read(archive: Path, url: str, ray_folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "folioscope", "read", str(archive), "--output", str(archive.parent / "out"))
    settings = ("--model", f"{url}#tiny", "--route", "model", "--tasks", "read", "--pages-per-unit", "2")
    return subprocess.run(
        [*command, *settings, *options],
        cwd=PROJECT,
        env={**os.environ, "FOLIOSCOPE_API_KEY": KEY, "RAY_TMPDIR": str(ray_folder)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def pages(output: Path) -> list[str]:
    with duckdb.connect() as database:
        database.execute("SET VARIABLE output = $1", [str(output)])
        database.execute((output / "views.sql").read_text())
        return [text for (text,) in database.sql("SELECT text FROM pages").fetchall()]


def test_a_model_that_cannot_read_stops_the_run_before_any_page(archive: Path, ray_folder: Path) -> None:
    reader = Reader()
    reader.failing = True
    with serving(reader) as server:
        done = read(archive, server.url, ray_folder)
        assert done.returncode == 8, done.stdout + done.stderr
        # Three stop the run; on a busy machine one more may have ended before it heard of that.
        assert re.search(r"\b[3-9] actors could not read a page of known text", done.stderr), done.stderr
        assert "!!!!" in done.stderr
        assert reader.pages == 0
        assert pages(archive.parent / "out") == []
        reader.failing = False
        again = read(archive, server.url, ray_folder)
        assert again.returncode == 0, again.stdout + again.stderr
    assert pages(archive.parent / "out") == ["The weir was rebuilt in 1987."] * 48


def test_one_that_degenerates_keeps_what_was_read_and_says_from_when_it_may_be_wrong(
    archive: Path, ray_folder: Path
) -> None:
    reader = Reader()
    reader.fails_after = 20
    with serving(reader) as server:
        options = ("--replicas", "1", "--increment-files", "2", "--canary-minutes", "0.00001")
        done = read(archive, server.url, ray_folder, *options)
        assert done.returncode == 8, done.stdout + done.stderr
        assert "may be wrong" in done.stderr
        kept = pages(archive.parent / "out")
        assert sum("!" not in text for text in kept) >= 4
        reader.fails_after = None
        again = read(archive, server.url, ray_folder, *options)
        assert again.returncode == 0, again.stdout + again.stderr
    assert len(pages(archive.parent / "out")) == 48
