"""Measures search: building and growing its index, queries beside bm25s and DuckDB FTS, and how well it finds.

    python benchmarks/search.py --pages 50000 200000 [--duckdb PYTHON] [--tables TABLES]

Method: pages of 120 words by Zipf's law out of 100,000, ten a document, published as a run publishes. Each step runs in
a process of its own, whose CPU seconds (all threads) and peak memory the kernel tells. Building is publish_index; a
night replaces 1 % of the documents and brings the index up again. Queries are 200 of two or three words of middling
frequency, for the best ten pages, the same cut terms for all three engines: the median of a warm process. Cold is the
first query of a fresh process, opening included, after the index's files were dropped from the page cache; the median
of five. What one million pages take is extrapolated from the two largest sizes and called so. ``--tables`` is the
corpus of benchmarks/search_quality.py as it was read; --only quality leaves the synthetic pages out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import PROJECT
from folioscope.pipeline.search.build import publish_index
from folioscope.pipeline.search.engine import WORDS, Index, Location, Wanted
from folioscope.pipeline.search.rows import IndexRecipe
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import Manifest, load_manifest, save_manifest
from folioscope.pipeline.tables.part_files import TableWriter
from folioscope.schemas.tables import TABLES

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
PAGES_A_DOCUMENT, WORDS_A_PAGE, VOCABULARY = 10, 120, 100_000
QUERIES = 200
MILLION = 1_000_000


def vocabulary() -> list[str]:
    chance = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(chance.choices(letters, k=chance.randint(3, 10))) for _ in range(VOCABULARY)]


def documents(pages: int, changed: bool) -> list[str]:
    """Ids in order; of a night after, in which each hundredth document became another."""
    chance, after = random.Random(1), random.Random(2)
    ids = [f"{chance.getrandbits(256):064x}" for _ in range(pages // PAGES_A_DOCUMENT)]
    if changed:
        ids = [f"{after.getrandbits(256):064x}" if at % 100 == 0 else one for at, one in enumerate(ids)]
    return sorted(ids)


def segments(ids: list[str]) -> Iterator[pa.Table]:
    words = vocabulary()
    cumulative, total = [], 0.0
    for rank in range(len(words)):
        total += 1 / (rank + 1)
        cumulative.append(total)
    common: dict[str, Any] = {
        "kind": "page",
        "text_source": "text_layer",
        "language": "en",
        "flags": [],
        "recipe_id": "r",
    }
    common |= {"run_id": "run", "model": "embedded@1", "created_at": MOMENT}
    for start in range(0, len(ids), 50):
        rows = []
        for asset_id in ids[start : start + 50]:
            chance = random.Random(asset_id)  # the same document has the same words
            for number in range(1, PAGES_A_DOCUMENT + 1):
                text = " ".join(chance.choices(words, cum_weights=cumulative, k=WORDS_A_PAGE))
                rows.append({**common, "asset_id": asset_id, "segment": number, "page_number": number, "text": text})
        yield pa.Table.from_pylist(rows, schema=TABLES["segments"])


def publish(output: str, pages: int, changed: bool) -> None:
    store = OutputStore(output)
    ids = documents(pages, changed)
    assets = [
        {"uri": f"archive/{one[:2]}/{one[:12]}.pdf", "asset_id": one, "kind": "pdf", "page_count": PAGES_A_DOCUMENT}
        | {"status": "done", "read_recipe_id": "r", "run_id": "run", "first_seen_at": MOMENT, "size": 1}
        for one in ids
    ]
    rows = {"assets": iter([pa.Table.from_pylist(assets, schema=TABLES["assets"])]), "segments": segments(ids)}
    before = load_manifest(store)
    manifest = Manifest("run-2" if changed else "run-1", before.generation + 1, index=before.index)
    for name in TABLES:
        writer = TableWriter(store, name, name, manifest.run_id)
        writer.write(rows[name]) if name in rows else writer.write_empty()
        manifest = manifest.with_table(name, tuple(writer.files))
    save_manifest(store, manifest)


def queries() -> list[str]:
    """Words of middling frequency, as the index has them; the same for every size."""
    from folioscope.pipeline.search.analysis import terms

    chance, words = random.Random(3), vocabulary()[100:5_000]
    asked = [" ".join(chance.sample(words, chance.choice([2, 3]))) for _ in range(QUERIES)]
    return [" ".join(terms(query, "en")) for query in asked]


def opened(output: str) -> Index:
    store = OutputStore(output)
    reference = load_manifest(store).index
    assert reference is not None
    location = Location.of(store, reference.path)
    assert location is not None
    return Index(location, reference.version)


def step_publish(output: str, pages: str) -> dict[str, Any]:
    publish(output, int(pages), changed=False)
    return {}


def step_change(output: str, pages: str) -> dict[str, Any]:
    publish(output, int(pages), changed=True)
    return {}


def step_build(output: str, _: str) -> dict[str, Any]:
    store = OutputStore(output)
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    publish_index(store, load_manifest(store), IndexRecipe(), lambda: None)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_s": cpu, "wall_s": time.perf_counter() - begun, "peak_mb": after.ru_maxrss / 1024}


def step_warm(output: str, _: str) -> dict[str, Any]:
    index, times = opened(output), []
    asked = queries()
    for query in [*asked[:5], *asked]:
        begun = time.perf_counter()
        index.find(Wanted(query.split()), 10)
        times.append(1000 * (time.perf_counter() - begun))
    return {"query_ms": statistics.median(times[5:]), "peak_mb": _peak()}


def step_cold(output: str, number: str) -> dict[str, Any]:
    for path in Path(output, "_search").rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    import lance  # noqa: F401  (importing is no part of the query)

    begun = time.perf_counter()
    opened(output).find(Wanted(queries()[int(number)].split()), 10)
    return {"query_ms": 1000 * (time.perf_counter() - begun)}


def step_words(output: str, path: str) -> dict[str, Any]:
    with pq.ParquetWriter(path, pa.schema([(WORDS, pa.string())])) as writer:
        for batch in opened(output).column_batches([WORDS]):
            writer.write_batch(batch)
    return {}


def step_bm25s(output: str, path: str) -> dict[str, Any]:
    import bm25s

    begun = time.process_time()
    numbers: dict[str, int] = {}
    texts = (words for batch in pq.ParquetFile(path).iter_batches() for words in batch[WORDS].to_pylist())
    pages = [[numbers.setdefault(word, len(numbers)) for word in words.split()] for words in texts]
    model = bm25s.BM25(method="lucene")
    model.index((pages, numbers), show_progress=False)
    cpu, times, asked = time.process_time() - begun, [], queries()
    for query in [*asked[:5], *asked]:
        words = [word for word in query.split() if word in numbers]
        start = time.perf_counter()
        model.retrieve([words], k=10, show_progress=False)
        times.append(1000 * (time.perf_counter() - start))
    return {"cpu_s": cpu, "query_ms": statistics.median(times[5:]), "peak_mb": _peak()}


STEPS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    name.removeprefix("step_"): value for name, value in list(globals().items()) if name.startswith("step_")
}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(step: str, output: str, argument: str) -> Any:
    """A step in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--step", step, output, argument]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{step} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def scale(pages: int, duckdb: str | None) -> dict[str, Any]:
    """All figures of one size."""
    with tempfile.TemporaryDirectory(prefix="folioscope-search-") as folder:
        output, words = f"{folder}/out", f"{folder}/words.parquet"
        run("publish", output, str(pages))
        built = run("build", output, "")
        held = sum(path.stat().st_size for path in Path(output, "_search").rglob("*") if path.is_file())
        figures: dict[str, Any] = {
            "build_cpu_s_per_1k": round(1000 * built["cpu_s"] / pages, 3),
            "build_wall_s": round(built["wall_s"], 1),
            "build_peak_mb": round(built["peak_mb"]),
            "bytes_per_page": round(held / pages),
        }
        warm = run("warm", output, "")
        figures |= {"query_ms_warm": round(warm["query_ms"], 2), "query_peak_mb": round(warm["peak_mb"])}
        cold = [run("cold", output, str(number))["query_ms"] for number in range(5)]
        figures["query_ms_cold"] = round(statistics.median(cold), 1)
        run("words", output, words)
        peer = run("bm25s", output, words)
        figures["bm25s"] = {"build_cpu_s_per_1k": round(1000 * peer["cpu_s"] / pages, 3)}
        figures["bm25s"] |= {"query_ms_warm": round(peer["query_ms"], 2), "peak_mb": round(peer["peak_mb"])}
        if duckdb:
            asked = Path(folder, "queries.json")
            asked.write_text(json.dumps(queries()), encoding="utf-8")
            command = [duckdb, str(PROJECT / "benchmarks/search_duckdb.py"), words, str(asked)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            told = json.loads(done.stdout.splitlines()[-1])
            per_1k = round(1000 * told["cpu_s"] / pages, 3)
            figures["duckdb_fts"] = {"build_cpu_s_per_1k": per_1k, "query_ms_warm": told["query_ms_warm"]}
        run("change", output, str(pages))
        figures["night_share"] = round(run("build", output, "")["cpu_s"] / built["cpu_s"], 4)
    return figures


def extrapolated(sizes: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """The figures of the largest size; for a million pages a line through the last two where it was not measured."""
    largest = max(sizes)
    figures = {name: sizes[largest][name] for name in ("build_cpu_s_per_1k", "bytes_per_page", "night_share")}
    figures["million"] = "measured" if largest == MILLION else f"a line through {sorted(sizes)[-2:]} pages"
    for name in ("query_ms_warm", "query_ms_cold"):
        value = sizes[largest][name]
        if largest != MILLION and len(sizes) > 1:
            before = sorted(sizes)[-2]
            slope = (value - sizes[before][name]) / (largest - before)
            value += slope * (MILLION - largest)
        figures[f"{name}_1m"] = round(value, 2) if largest == MILLION or len(sizes) > 1 else None
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--duckdb", metavar="PYTHON", help="a Python that has DuckDB and its full-text extension")
    parser.add_argument("--tables", help="the corpus as it was read")
    parser.add_argument("--only", choices=["scale", "quality"])
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        name, output, argument = arguments.step
        print(json.dumps(STEPS[name](output, argument)))
        return
    print(__doc__)
    figures: dict[str, Any] = {"benchmark": "search", "cores": os.cpu_count()}
    if arguments.only != "quality":
        sizes = {}
        for pages in arguments.pages:
            sizes[pages] = scale(pages, arguments.duckdb)
            print(pages, json.dumps(sizes[pages]), flush=True)
        figures |= extrapolated(sizes) | {"sizes": sizes}
    if arguments.tables:
        from benchmarks.search_quality import absent, quality

        with tempfile.TemporaryDirectory() as cache:
            figures |= quality(arguments.tables, Path(cache)) | absent(arguments.tables, Path(cache))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
