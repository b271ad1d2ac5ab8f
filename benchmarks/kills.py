"""Many one-page documents through whole runs in increments, killed at random; then one clean finish.

    python benchmarks/kills.py [--documents 200000] [--kills 8] [--increment 2000] [--seed 1]

In one process without Ray, with the fake replica and decode children that take a file's few bytes for its page, so that
what is measured is planning, commits, publishing and carrying on. The process is killed (SIGKILL) after as many
published increments as chance says, at a moment of the next one. Afterwards each document has one asset, one page with
its own words, and one summary, the audit finds nothing, and the accounting balances. Memory is the process's after each
published increment: of the longest undisturbed stretch, its growth from the first quarter to the last is told.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.in_process import draw, fake_run, in_this_process, rss_mb
from benchmarks.measure import PROJECT
from folioscope.pipeline import run as running
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.audit import audit
from folioscope.pipeline.tables.manifest import load_manifest
from folioscope.pipeline.versions import versions

LONGEST = 3600.0  # seconds that one start may take


def once(archive: str, output: str, increment: int, log: Path) -> None:
    """One run to its end, or to its kill; a line in ``log`` for each published increment."""
    run = fake_run(output, inputs=(archive,), increment_files=increment, tasks=("read", "summarize"))
    real = running._Execution._publish

    def watched(execution: Any, increment: Any) -> Any:
        manifest = real(execution, increment)
        with log.open("a") as lines:
            pages = sum(file.rows for file in manifest.tables["segments"])
            lines.write(json.dumps({"mb": rss_mb(), "pages": pages}) + "\n")
        return manifest

    with in_this_process(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(running._Execution, "_publish", watched)
        outcome = run.execute()
    assert outcome.accounting.balanced
    assert outcome.accounting.failed == 0


def killed_run(archive: str, output: Path, arguments: argparse.Namespace, folder: Path) -> list[list[dict[str, float]]]:
    """What each start published, one list a start; all but the last were killed."""
    chance = random.Random(arguments.seed)
    increments = arguments.documents / arguments.increment
    stretches: list[list[dict[str, float]]] = []
    while True:
        log = folder / f"{len(stretches)}.jsonl"
        log.touch()
        command = [sys.executable, "-m", "benchmarks.kills", "--one", archive, str(output), str(log)]
        process = subprocess.Popen([*command, "--increment", str(arguments.increment)], cwd=PROJECT)
        if len(stretches) < arguments.kills:
            # The kills fall into the first two thirds of the work, so that none comes after its end.
            _wait(process, log, published=chance.randint(1, max(1, int(increments * 0.66 / arguments.kills))))
            time.sleep(chance.uniform(0.0, 0.012 * arguments.increment))
            assert process.poll() is None, "the run ended before its kills: more documents, or fewer kills"
            process.send_signal(signal.SIGKILL)
            process.wait()
        else:
            assert process.wait(LONGEST) == 0
        stretches.append([json.loads(line) for line in log.read_text().splitlines()])
        print(f"start {len(stretches)}: {len(stretches[-1])} increments published", flush=True)
        if len(stretches) > arguments.kills:
            return stretches


def _wait(process: subprocess.Popen[bytes], log: Path, *, published: int) -> None:
    until = time.monotonic() + LONGEST
    while len(log.read_text().splitlines()) < published:
        assert process.poll() is None, "the run ended before it published so much"
        assert time.monotonic() < until, "nothing was published"
        time.sleep(0.05)


def check(output: Path, documents: int) -> None:
    """Every document has its rows once, with its own words."""
    with duckdb.connect() as database:
        database.execute("SET VARIABLE output = $1", [str(output)])
        database.execute((output / "views.sql").read_text())
        rows = database.sql(
            "SELECT count(*), count(DISTINCT asset_id), count(DISTINCT text), "
            "count(*) FILTER (text = 'letter number ' || regexp_extract(uri, '0*(\\d+)\\.pdf$', 1)) FROM pages"
        ).fetchall()
        assert rows == [(documents,) * 4], rows
        assert database.sql("SELECT count(*), count(DISTINCT asset_id) FROM all_segments").fetchall() == [
            (documents, documents)
        ]
        assert database.sql("SELECT count(*) FROM all_summaries").fetchall() == [(documents,)]
        assert database.sql("SELECT count(*) FROM assets WHERE status = 'done'").fetchall() == [(documents,)]
    assert audit(OutputStore(str(output))).sound
    assert load_manifest(OutputStore(str(output))).tables["segments"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--increment", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        archive, output, log = arguments.one
        once(archive, output, arguments.increment, Path(log))
        return
    print(__doc__)
    with tempfile.TemporaryDirectory(prefix="folioscope-kills-") as scratch:
        folder = Path(scratch)
        archive = draw(arguments.documents, folder)
        begun = time.monotonic()
        stretches = killed_run(archive, folder / "out", arguments, folder)
        seconds = time.monotonic() - begun
        check(folder / "out", arguments.documents)
    longest = [one["mb"] for one in max(stretches, key=len)]
    quarter = max(1, len(longest) // 4)
    figures = {
        "documents": arguments.documents,
        "kills": arguments.kills,
        "increments": sum(map(len, stretches)),
        "first_visible": stretches[0][0]["pages"],
        "seconds": round(seconds),
        "peak_mb": round(max(one["mb"] for stretch in stretches for one in stretch)),
        "growth_mb": round(statistics.median(longest[-quarter:]) - statistics.median(longest[:quarter])),
        "versions": dict(versions()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
