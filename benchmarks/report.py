"""Measures the report: CPU and memory of writing one of many pages, and how soon its views stand in a browser.

    python benchmarks/report.py [--pages 10000]

Method: pages of 400 words in ten blocks with boxes and a picture of 30 KB, words by Zipf's law out of 40,000, one
document of 2,000 pages and others of 1 to 40; published as a run publishes. ``jobs/report.py`` writes the site on a
local disk; its CPU seconds and peak memory are read from /proc. Each view is then opened in headless Chromium from
file://, three times in a fresh page; the median until its content stands is told. Chromium is left out where there is
none.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import PROJECT, run_measured
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import Manifest, save_manifest
from folioscope.pipeline.tables.part_files import TableWriter
from folioscope.schemas.tables import TABLES

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
PROVENANCE = {"recipe_id": "r", "run_id": "run", "model": "made@1", "created_at": MOMENT}
BROWSER = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]


def documents(pages: int, chance: random.Random) -> list[tuple[str, int]]:
    """Ids and page counts, in the order in which they are published."""
    found = [(f"{chance.getrandbits(256):064x}", min(pages, 2000))]
    while (left := pages - sum(count for _, count in found)) > 0:
        found.append((f"{chance.getrandbits(256):064x}", min(left, chance.choice([1, 2, 4, 8, 16, 40]))))
    return sorted(found)


def thumbnails(made: list[tuple[str, int]], chance: random.Random) -> Iterator[pa.Table]:
    kept = {name: PROVENANCE[name] for name in ("recipe_id", "run_id", "created_at")} | {
        "image": chance.randbytes(30_000)
    }
    for asset_id, count in made:
        rows = [{"asset_id": asset_id, "segment": number, **kept} for number in range(1, count + 1)]
        yield pa.Table.from_pylist(rows, schema=TABLES["thumbnails"])


def segments(made: list[tuple[str, int]], chance: random.Random) -> Iterator[pa.Table]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(chance.choices(letters, k=chance.randint(3, 9))) for _ in range(40_000)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    for asset_id, count in made:
        for start in range(1, count + 1, 100):
            numbers = range(start, min(start + 100, count + 1))
            rows = [segment(asset_id, number, chance.choices(words, weights, k=400)) for number in numbers]
            yield pa.Table.from_pylist(rows, schema=TABLES["segments"])


def segment(asset_id: str, number: int, words: list[str]) -> dict[str, Any]:
    blocks = [
        {
            "kind": "text",
            "text": " ".join(words[40 * at : 40 * at + 40]),
            "bbox": {"x0": 0.1, "y0": 0.05 + 0.09 * at, "x1": 0.9, "y1": 0.13 + 0.09 * at},
            "confidence": 0.95,
            "level": 0,
        }
        for at in range(10)
    ]
    whole = {"asset_id": asset_id, "kind": "page", "segment": number, "page_number": number, "text_source": "model"}
    return {**whole, "text": " ".join(words), "blocks": blocks, "flags": [], **PROVENANCE}


def publish(output: OutputStore, pages: int) -> str:
    """Publish made-up pages and return the id of the longest document."""
    chance = random.Random(1)
    made = documents(pages, chance)
    assets = [
        {"uri": f"archive/{asset_id[:2]}/{asset_id[:8]}.pdf", "asset_id": asset_id, "kind": "pdf", "page_count": count}
        | {"status": "done", "read_recipe_id": "r", "run_id": "run", "first_seen_at": MOMENT, "size": 1}
        for asset_id, count in made
    ]
    rows = {
        "assets": iter([pa.Table.from_pylist(assets, schema=TABLES["assets"])]),
        "segments": segments(made, chance),
        "thumbnails": thumbnails(made, chance),
    }
    manifest = Manifest("run", 1)
    for name in TABLES:
        writer = TableWriter(output, name, name, "run")
        writer.write(rows[name]) if name in rows else writer.write_empty()
        manifest = manifest.with_table(name, tuple(writer.files))
    save_manifest(output, manifest)
    return max(made, key=lambda document: document[1])[0]


def views(site: Path, longest: str) -> dict[str, float]:
    """Median seconds until each view stands."""
    from playwright.sync_api import sync_playwright

    index = (site / "index.html").as_uri()
    word = re.search(r'"([a-z]{4,})":', next(site.glob("files-*/search/6*.js")).read_text(encoding="utf-8"))
    routes = {
        "archive": ("#/", ".file"),
        "search": (f"#/search?q={word[1] if word else 'a'}", ".hit"),
        "page of the longest document": (f"#/doc/{longest}?page=1000", ".paper img"),
    }
    found: dict[str, float] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        for name, (route, ready) in routes.items():
            times = []
            for _ in range(3):
                page = browser.new_page()
                begun = time.perf_counter()
                page.goto(index + route)
                page.wait_for_selector(ready)
                times.append(time.perf_counter() - begun)
                page.close()
            found[name] = round(statistics.median(times), 2)
        browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=10_000)
    pages = parser.parse_args().pages
    print(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        output, site = Path(folder, "output"), Path(folder, "site")
        longest = publish(OutputStore(str(output)), pages)
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        measured = run_measured(["jobs/report.py", str(output), "--to", str(site)], environment)
        files = [path for path in site.rglob("*") if path.is_file()]
        result = {
            "benchmark": "report",
            "pages": pages,
            "cpu_seconds": round(measured.cpu_seconds, 1),
            "wall_seconds": round(measured.wall_seconds, 1),
            "peak_mb": round(measured.peak_mb["driver"]),
            "site_mb": round(sum(path.stat().st_size for path in files) / 2**20),
            "site_files": len(files),
            "seconds_until_a_view_stands": views(site, longest) if BROWSER else None,
        }
    for name, value in result.items():
        print(f"{name:<28} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
