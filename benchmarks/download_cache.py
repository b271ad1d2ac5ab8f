"""What the download cache costs a fetch, however many files it holds.

    python benchmarks/download_cache.py [--files 1000 200000] [--fetches 500]

A cache is filled with empty files up to the given numbers, in its folder and its index, and is full: every fetch
evicts one. Then small files are fetched from a store in memory, opened and closed again, from one process and from four
at the same time. Told are milliseconds for one fetch with all that belongs to it: request, hash, count, eviction.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fsspec

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.pipeline.storage.cache_index import NAME
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.source_file import SourceFile

FILE_BYTES = 4096
PROCESSES = 4


def fill(folder: Path, files: int) -> int:
    """A cache of so many files, each counted as FILE_BYTES; returns the limit that makes it full."""
    cache = DownloadCache(folder)
    cache.sweep()
    names = [hashlib.sha256(f"old {number}".encode()).hexdigest() for number in range(files)]
    for name in names:
        place = folder / "files" / name[:2] / name
        place.parent.mkdir(exist_ok=True)
        place.touch()
    with sqlite3.connect(folder / NAME) as database:
        database.executemany(
            "INSERT INTO files (asset, size, used) VALUES (?, ?, 0)", ((name, FILE_BYTES) for name in names)
        )
        database.execute("UPDATE state SET bytes = ?", [files * FILE_BYTES])
    return files * FILE_BYTES


def fetch_many(folder: Path, limit: int, fetches: int, tag: str) -> list[float]:
    """Milliseconds of each fetch."""
    fs = fsspec.filesystem("memory")
    cache = DownloadCache(folder, limit)
    took = []
    for number in range(fetches):
        content = f"{tag} {number} ".encode().ljust(FILE_BYTES, b"x")
        fs.pipe_file(f"/bench/{number}", content)
        source = SourceFile(f"memory://bench/{number}", FILE_BYTES, "e", None)
        asset = hashlib.sha256(content).hexdigest()
        begun = time.perf_counter()
        with cache.open(source, asset, 1 << 30):
            pass
        took.append(1000 * (time.perf_counter() - begun))
    return took[5:]


def measure(files: int, fetches: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="folioscope-bench-") as name:
        folder = Path(name)
        limit = fill(folder, files)
        alone = fetch_many(folder, limit, fetches, "alone")
        command = [sys.executable, __file__, "--worker", name, str(limit), "--fetches", str(fetches)]
        workers = [
            subprocess.Popen([*command, "--tag", str(number)], stdout=subprocess.PIPE, text=True)
            for number in range(PROCESSES)
        ]
        together = [took for worker in workers for took in json.loads(worker.communicate()[0])]
        return {"files": files, "alone_ms": statistics.median(alone), "together_ms": statistics.median(together)}


def fetch_overhead_ms(files: int = 200_000, fetches: int = 500) -> float:
    """The median cost of one fetch into a full cache of so many files, in milliseconds."""
    return measure(files, fetches)["alone_ms"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 200_000])
    parser.add_argument("--fetches", type=int, default=500)
    parser.add_argument("--worker", nargs=2, metavar=("FOLDER", "LIMIT"), help="one of several processes")
    parser.add_argument("--tag", default="")
    arguments = parser.parse_args()
    if arguments.worker:
        folder, limit = arguments.worker
        print(json.dumps(fetch_many(Path(folder), int(limit), arguments.fetches, f"worker {arguments.tag}")))
        return
    results = [measure(files, arguments.fetches) for files in arguments.files]
    for result in results:
        print(
            f"{result['files']:>9,} files: {result['alone_ms']:.2f} ms a fetch, "
            f"{result['together_ms']:.2f} ms with {PROCESSES} processes at once"
        )
    figures: dict[str, float] = {}
    for result in results:
        figures[f"fetch_overhead_ms_{result['files'] // 1000:.0f}k"] = round(result["alone_ms"], 3)
        figures[f"fetch_overhead_ms_{result['files'] // 1000:.0f}k_of_{PROCESSES}"] = round(result["together_ms"], 3)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
