"""Expiry drops what nothing names, and no view of what is current changes by it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import ask, run
from sample_rows import MOMENT, Row, answer, asset, coverage, failure, page, publish, summary, thumbnail
from sample_rows import run as run_row

from folioscope.pipeline.storage.lease import Lease
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.audit import audit
from folioscope.pipeline.tables.manifest import ManifestError, load_manifest
from folioscope.pipeline.tables.retention import Keep, expire
from folioscope.schemas.tables import TABLES

PROJECT = Path(__file__).resolve().parents[2]
VIEWS = ("pages", "shots", "thumbnails", "documents", "videos", "current_answers", "failures")
RUNS = 4
DAYS = [MOMENT + timedelta(days=day) for day in range(RUNS)]


def views(output: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {view: sorted(map(repr, ask(output, f"SELECT * FROM {view}"))) for view in VIEWS}  # type: ignore[misc]


def silent(words: str) -> None:
    del words


@st.composite
def archives(draw: st.DrawFn) -> dict[str, list[Row]]:
    """Assets of a few contents under several paths, states and recipes, and results under recipes new and old."""
    number, moment = st.integers(0, RUNS - 1), st.sampled_from(DAYS)
    statuses = st.sampled_from(["done", "partial", "failed", "pending", "skipped", "deleted"])
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    for path in draw(st.sets(st.integers(0, 5), max_size=5)):
        rows["assets"].append(
            asset(
                f"{path}.pdf",
                draw(st.sampled_from(["A", "B", "C", None])),
                status=draw(statuses),
                read_recipe_id=draw(st.sampled_from(["read-1", "read-2", None])),
                summary_recipe_id=draw(st.sampled_from(["sum-1", "sum-2", None])),
                answer_recipe_ids=draw(st.lists(st.sampled_from(["ask-1", "ask-2"]), unique=True)),
                run_id=f"run-{draw(number)}",
            )
        )
    for content in "ABC":
        for version in ("1", "2"):
            for segment in draw(st.sets(st.integers(1, 2))):
                made = {"created_at": draw(moment), "run_id": f"run-{draw(number)}"}
                rows["segments"].append(page(content, segment, f"read-{version}", **made))
                rows["thumbnails"].append(thumbnail(content, segment, b"picture", f"read-{version}", **made))
            if draw(st.booleans()):
                made = {"created_at": draw(moment), "run_id": f"run-{draw(number)}"}
                rows["summaries"].append(summary(content, f"sum-{version}", **made))
                rows["answers"].append(answer(content, "who", f"ask-{version}", **made))
            if draw(st.booleans()):
                made = {"created_at": draw(moment), "run_id": f"run-{draw(number)}"}
                asked = {"where": f"ask-{version}", "when": draw(st.sampled_from(["ask-1", "ask-2"]))}
                rows["coverage"].append(coverage(content, asked, **made))
    for path in draw(st.sets(st.integers(0, 6), max_size=4)):
        recipe = draw(st.sampled_from(["read-1", "read-2", "sum-1", "ask-2", None]))
        content = draw(st.sampled_from(["A", "B", None]))
        rows["failures"].append(failure(f"{path}.pdf", content, recipe_id=recipe, created_at=draw(moment)))
    return {**rows, "runs": [run_row(f"run-{day}", started_at=DAYS[day]) for day in range(RUNS)]}


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=archives(), keep_runs=st.integers(1, RUNS), files=st.integers(1, 2))
def test_no_view_of_the_present_changes(rows: dict[str, list[Row]], keep_runs: int, files: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        publish(output, rows, files=files)
        (output / "views.sql").write_bytes((PROJECT / "schemas" / "views.sql").read_bytes())
        before = views(output)
        store = OutputStore(str(output))
        told = expire(store, Keep(runs=keep_runs), dry_run=True, notify=silent)
        assert views(output) == before
        done = expire(store, Keep(runs=keep_runs), dry_run=False, notify=silent)
        assert views(output) == before
        assert done.rows == told.rows
        assert expire(store, Keep(runs=keep_runs), dry_run=True, notify=silent).nothing
        cutoff = DAYS[RUNS - keep_runs]
        named = "(SELECT (asset_id, read_recipe_id) FROM assets)"
        old = f"created_at < TIMESTAMPTZ '{cutoff.isoformat()}'"
        if keep_runs < RUNS:
            unnamed = f"SELECT * FROM all_segments WHERE {old} AND (asset_id, recipe_id) NOT IN {named}"
            assert not ask(output, f"SELECT * FROM ({unnamed}) WHERE asset_id IN (SELECT asset_id FROM assets)")
            key = "asset_id, recipe_id, segment"
            assert ask(output, f"SELECT {key} FROM all_segments EXCEPT SELECT {key} FROM all_thumbnails") == []
            assert done.rows["thumbnails"] == done.rows["segments"]
        else:
            assert done.nothing


def test_tables_of_an_older_version_are_left_to_a_run(tmp_path: Path) -> None:
    output = publish(tmp_path / "out", {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1)]})
    manifest = json.loads((output / "manifest.json").read_text())
    manifest["tables"]["segments"][0]["schema_version"] = 2
    (output / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ManifestError, match="Run the same job again"):
        expire(OutputStore(str(output)), Keep(runs=1), dry_run=True, notify=silent)


@pytest.fixture
def nights(tmp_path: Path, make_pdf: Any) -> Path:
    """Three nights: the second with another resolution, after which a file is deleted, the third with nothing to do."""
    folder, output = tmp_path / "archive", tmp_path / "out"
    make_pdf(folder / "a.pdf", ["one", "two"])
    make_pdf(folder / "b.pdf", ["gone tomorrow"])
    run(folder, output)
    (folder / "b.pdf").unlink()
    run(folder, output, dpi=200)
    for _ in range(2):
        run(folder, output, dpi=200)
    return output


@pytest.mark.usefixtures("inline_actors")
def test_old_recipes_runs_and_tombstones_go_and_the_next_run_goes_on(nights: Path, tmp_path: Path) -> None:
    before = views(nights)
    store = OutputStore(str(nights))
    expired = expire(store, Keep(runs=1), dry_run=False, notify=silent)
    rows = {"assets": 1, "segments": 3, "thumbnails": 3, "summaries": 2, "answers": 0, "coverage": 0}
    assert expired.rows == rows | {"failures": 0, "runs": 2}
    assert views(nights) == before
    assert expired.bytes_after < expired.bytes_before
    listed = load_manifest(store).paths()
    assert listed <= {path.relative_to(nights).as_posix() for path in nights.rglob("*.parquet")}
    assert audit(store).sound
    assert run(tmp_path / "archive", nights, dpi=200).accounting.segments.reused == 2
    on_disk = {f"{table}/{path.name}" for table in TABLES for path in (nights / table).iterdir()}
    assert on_disk == {file.path for files in load_manifest(store).tables.values() for file in files}
    assert run(tmp_path / "archive", nights).accounting.segments.done == 2, "the expired recipe is read anew"


@pytest.mark.usefixtures("inline_actors")
def test_killed_before_the_manifest_it_changes_nothing(nights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = views(nights)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("folioscope.pipeline.tables.publish.save_manifest", die)
        with pytest.raises(KeyboardInterrupt):
            expire(OutputStore(str(nights)), Keep(runs=1), dry_run=False, notify=silent)
    assert views(nights) == before
    assert not expire(OutputStore(str(nights)), Keep(runs=1), dry_run=False, notify=silent).nothing
    assert views(nights) == before


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "jobs/expire.py", *arguments]
    return subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, timeout=600)


def test_the_command_asks_for_one_rule_and_says_what_goes(tmp_path: Path) -> None:
    publish(tmp_path, {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1), page("A", 1, "read-0")]})
    assert command(str(tmp_path)).returncode == 2
    assert "90d" in command(str(tmp_path), "--older-than", "soon").stderr
    told = command(str(tmp_path), "--older-than", "0d", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "segments: 1 row" in told.stdout
    with Lease(OutputStore(str(tmp_path)), "another run", silent):
        busy = command(str(tmp_path), "--keep-runs", "1")
    assert busy.returncode == 1
    assert "another run" in busy.stderr
