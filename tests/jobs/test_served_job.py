"""A whole job against a model server that throttles, drops, truncates, talks nonsense and echoes the key in an error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "model"))

from chat_server import KEY, serving  # noqa: E402
from faulty_server import PAGE, REFUSED_QUESTION, answer  # noqa: E402


@pytest.mark.slow
def test_nothing_is_lost_and_the_key_is_in_no_file(tmp_path: Path, make_pdf: Any) -> None:
    for name in ("a", "b", "c"):
        make_pdf(tmp_path / "in" / f"{name}.pdf", [f"page {number} of {name}" for number in range(4)])
    questions = [{"id": "when", "question": "When was it rebuilt?"}, {"id": "no", "question": REFUSED_QUESTION}]
    (tmp_path / "questions.json").write_text(json.dumps(questions))
    ray_folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))  # sockets want a short path
    output = tmp_path / "out"
    try:
        with serving(answer) as server:
            done = subprocess.run(
                [
                    *(sys.executable, "jobs/extract_docs.py", "--input", str(tmp_path / "in"), "--output", str(output)),
                    *("--model", f"{server.url}#tiny", "--questions", str(tmp_path / "questions.json")),
                    *("--replicas", "1", "--max-failures", "3", "--price-per-million-tokens", "1,2"),
                    *("--route", "model", "--canary-minutes", "0"),  # it says the same of every page
                ],
                cwd=PROJECT,
                env={**os.environ, "FOLIOSCOPE_API_KEY": KEY, "RAY_TMPDIR": str(ray_folder)},
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            assert server.keys == [f"Bearer {KEY}"] * len(server.keys)
        assert done.returncode == 0, done.stdout + done.stderr
        written = [done.stdout.encode(), done.stderr.encode()]
        files = [path for folder in (tmp_path, ray_folder) for path in folder.rglob("*") if path.is_file()]
        assert not [path for path in files if KEY.encode() in path.read_bytes()]
        assert not any(KEY.encode() in text for text in written)
    finally:
        shutil.rmtree(ray_folder, ignore_errors=True)
    with duckdb.connect() as database:
        database.execute("SET VARIABLE output = $1", [str(output)])
        database.execute((output / "views.sql").read_text())
        pages = database.sql("SELECT count(*), min(text), max(text) FROM pages").fetchall()
        assert pages == [(12, PAGE, PAGE)]
        assert database.sql("SELECT count(*) FROM documents WHERE summary = 'A weir.'").fetchall() == [(3,)]
        assert database.sql("SELECT count(*), min(answer) FROM current_answers").fetchall() == [(3, "1987")]
        messages = database.sql("SELECT message FROM failures").fetchall()
        assert len(messages) == 3
        assert all("The key [key] may not ask this." in message for [message] in messages)
        [(model, cost)] = database.sql("SELECT max(model), max(cost) FROM runs, all_segments").fetchall()
        assert model == "openai:tiny@served"
        assert cost > 0
