"""Damaged files through the whole job: no crash, no hang, no lost neighbour, and how many ended in each reason.

    python benchmarks/hostile.py [--files 2000] [--seed 1] [--input FOLDER]

Draws the demo archive, damages its files at random places (the same ones for the same seed), and puts a whole
document, the neighbour, beside every ten of them. Then the job runs over the folder with the fake replica. All
neighbours must be read to the last page, the accounting must balance, and every damaged file must be in the tables.
With ``--input`` a folder of your own takes the place of the damaged files, and there are no neighbours.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import PROJECT
from benchmarks.mutation import mutate, mutations
from examples.make_archive import PASSWORD, annual_report, make_archive

DAMAGED_PER_NEIGHBOUR = 10
NEIGHBOUR_PAGES = 6


def draw(folder: Path, files: int, seed: int) -> int:
    """Write the damaged files and their neighbours; returns how many neighbours."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as whole:
        originals = [path for path in make_archive(Path(whole)) if path.stat().st_size and path.suffix != ".txt"]
        contents = {path: path.read_bytes() for path in originals}
    folder.mkdir(parents=True)
    for number in range(files):
        path, other = chance.choice(originals), chance.choice(originals)
        content = mutate(contents[path], mutations(chance), contents[other])
        (folder / f"{number:05d}{path.suffix}").write_bytes(content)
    neighbours = max(1, files // DAMAGED_PER_NEIGHBOUR)
    for number in range(neighbours):
        document = annual_report()
        document.set_metadata({"title": f"Neighbour {number}"})  # other bytes: read by itself, not reused
        document.save(folder / f"{number * DAMAGED_PER_NEIGHBOUR:05d}-neighbour.pdf", no_new_id=True)
    return neighbours


def run_job(inputs: Path, output: Path, passwords: Path, replicas: int) -> float:
    command = [
        *(sys.executable, "jobs/extract_docs.py", "--input", str(inputs), "--output", str(output)),
        *("--model", "fake", "--layout", "fast", "--replicas", str(replicas), "--tasks", "read,summarize"),
        *("--password-file", str(passwords), "--max-failures", "1000000000", "--memory-mb", "1024"),
        *("--seconds-per-page", "20"),
    ]
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SystemExit(f"the job ended with {done.returncode}; 0 was expected: balanced accounting and no crash")
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--input", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="folioscope-hostile-") as temporary:
        folder, output = Path(temporary) / "in", Path(temporary) / "out"
        passwords = Path(temporary) / "passwords"
        passwords.write_text(f"{PASSWORD}\n")
        neighbours = 0 if arguments.input else draw(folder, arguments.files, arguments.seed)
        seconds = run_job(arguments.input or folder, output, passwords, arguments.replicas)
        with duckdb.connect() as database:
            database.execute("SET VARIABLE output = $1", [str(output)])
            database.execute((output / "views.sql").read_text())
            result = report(database, neighbours)
    result |= {"seconds": round(seconds, 1), "seed": arguments.seed}
    print(json.dumps(result))


def report(database: Any, neighbours: int) -> dict[str, Any]:
    """Print how the files and pages ended. Raises where a neighbour lost anything."""
    files = dict(
        database.sql("SELECT status, count(*) FROM assets WHERE uri NOT LIKE '%neighbour%' GROUP BY 1").fetchall()
    )
    reasons = database.sql(
        "SELECT CASE WHEN segment IS NULL THEN 'file' ELSE 'page' END AS what, reason, count(*) FROM failures "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    [(whole, pages)] = database.sql(
        "SELECT count(DISTINCT uri), count(*) FROM pages WHERE uri LIKE '%neighbour%'"
    ).fetchall()
    print("damaged files by how they ended:", ", ".join(f"{status} {count}" for status, count in sorted(files.items())))
    for what, reason, count in reasons:
        print(f"  {what:<5}{reason:<20}{count:>7}")
    if (whole, pages) != (neighbours, neighbours * NEIGHBOUR_PAGES):
        raise SystemExit(f"neighbours lost: {whole} of {neighbours} files, {pages} pages")
    print(f"neighbours: {neighbours}, every page of them read")
    return {
        "files": sum(files.values()),
        "by_status": files,
        "by_reason": {f"{what}:{reason}": count for what, reason, count in reasons},
        "neighbours": neighbours,
        "neighbours_lost": 0,
    }


if __name__ == "__main__":
    main()
