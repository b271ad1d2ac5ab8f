"""Drift between runs is found where it is, and chance is not taken for it."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sample_rows import Row, asset, failure, page, publish
from sample_rows import run as run_row

from folioscope.pipeline.readers.compare import Change, CompareError, compare_runs
from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.storage.store import OutputStore

PROJECT = Path(__file__).resolve().parents[2]


def pages(run_id: str, folder: str, count: int, **changes: Any) -> list[Row]:
    """One page a document, of varied length and likeness."""
    chance = random.Random(f"{run_id}{folder}")
    return [
        page(
            f"{run_id}-{folder}-{number}",
            1,
            **{
                "run_id": run_id,
                "text": "x" * chance.randint(500, 1500),
                "layer_agreement": chance.uniform(0.8, 1.0),
                "output_tokens": chance.randint(200, 400),
            }
            | changes,
        )
        for number in range(count)
    ]


def published(folder: Path, segments: Sequence[Row], failures: Sequence[Row] = ()) -> Path:
    contents = {row["asset_id"] for row in (*segments, *failures)}
    assets = [asset(f"s3://archive/{name.split('-')[1]}/deep/{name}.pdf", name) for name in sorted(contents)]
    publish(
        folder, {"assets": assets, "segments": segments, "failures": failures, "runs": [run_row("1"), run_row("2")]}
    )
    return folder


def compared(folder: Path, *names: str, depth: int = 1) -> list[Change]:
    before, after = names or (None, None)
    with open_views(OutputStore(str(folder))) as database:
        return compare_runs(database, before, after, depth)


def test_drift_is_told_by_folder_and_measure(tmp_path: Path) -> None:
    steady = [*pages("1", "letters", 200), *pages("2", "letters", 200)]
    worse = [*pages("1", "maps", 200), *pages("2", "maps", 120, flags=["loop"], language="de"), *pages("2", "maps", 80)]
    published(tmp_path, [*steady, *worse])
    moved = {(change.folder, change.measure) for change in compared(tmp_path) if change.moved}
    maps = {("maps", "loops"), ("maps", "language de"), ("maps", "language en")}
    assert maps <= moved
    assert not any(folder == "letters" for folder, _ in moved)
    loops = next(
        change for change in compared(tmp_path, "1", "2") if (change.folder, change.measure) == ("maps", "loops")
    )
    assert (loops.before, loops.pages_before) == (0, 200)
    assert loops.after > 0.3


def test_means_and_failures_move_too(tmp_path: Path) -> None:
    failures = [
        failure("f.pdf", f"2-letters-f{number}", stage="read", segment=1, run_id="2", recipe_id="read-1")
        for number in range(60)
    ]
    shorter = [*pages("1", "letters", 200), *pages("2", "letters", 200, text="short", layer_agreement=0.5)]
    published(tmp_path, shorter, failures)
    moved = {change.measure for change in compared(tmp_path) if change.moved and change.folder == "(all)"}
    assert {"characters", "likeness to text layer", "failed pages"} <= moved
    assert "output tokens" not in moved


def test_few_pages_are_not_judged(tmp_path: Path) -> None:
    published(tmp_path, [*pages("1", "letters", 10), *pages("2", "letters", 10, text="")])
    assert compared(tmp_path) == []


@pytest.mark.parametrize("seed", range(5))
def test_chance_is_not_taken_for_drift(tmp_path: Path, seed: int) -> None:
    rows = [row for run_id in "12" for folder in "abcdef" for row in pages(run_id, f"{folder}{seed}", 60)]
    published(tmp_path, rows)
    assert not any(change.moved for change in compared(tmp_path))


def test_the_runs_must_be_there(tmp_path: Path) -> None:
    published(tmp_path, pages("1", "letters", 40))
    with pytest.raises(CompareError, match="two runs"):
        compared(tmp_path)
    with pytest.raises(CompareError, match="run 9 is not there"):
        compared(tmp_path, "1", "9")


def test_the_command_prints_what_moved(tmp_path: Path) -> None:
    published(tmp_path, [*pages("1", "maps", 100), *pages("2", "maps", 100, text="")])
    command = [sys.executable, "jobs/compare_runs.py", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "empty pages" in done.stdout
    assert "moved by more than chance" in done.stdout
    report = [sys.executable, "jobs/report.py", str(tmp_path), "--compare", "1", "2"]
    assert subprocess.run(report, cwd=PROJECT, capture_output=True, text=True, timeout=600).stdout == done.stdout
    assert not (tmp_path / "report").exists()
    missing = subprocess.run([*command, "9", "1"], cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert missing.returncode == 1
    assert "the last runs that did: 2, 1" in missing.stderr
