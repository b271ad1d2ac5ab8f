"""DuckDB's full-text index over the same terms, for benchmarks/search.py; alone, for a Python that has the extension.

    python benchmarks/search_duckdb.py WORDS.parquet QUERIES.json

``fts`` is no part of DuckDB's package. Where it cannot be downloaded, install ``duckdb`` and ``duckdb-extension-fts``
of one version into a virtual environment and name its Python to benchmarks/search.py with --duckdb.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import duckdb


def main(words: str, queries: str) -> dict[str, Any]:
    """CPU seconds of building, and the median milliseconds of a warm query for the best ten."""
    database = duckdb.connect()
    _load(database)
    begun = time.process_time()
    database.execute("CREATE TABLE pages AS SELECT row_number() OVER () AS id, words FROM read_parquet($1)", [words])
    database.execute(
        "PRAGMA create_fts_index('pages', 'id', 'words', stemmer = 'none', stopwords = 'none', ignore = '(\\s)+', "
        "strip_accents = 0, lower = 0)"
    )
    built = time.process_time() - begun
    ask = (
        "SELECT id, score FROM (SELECT id, fts_main_pages.match_bm25(id, $1) AS score FROM pages) "
        "WHERE score IS NOT NULL ORDER BY score DESC LIMIT 10"
    )
    asked = json.loads(Path(queries).read_text(encoding="utf-8"))
    times = []
    for query in [*asked[:5], *asked]:
        start = time.perf_counter()
        database.execute(ask, [query]).fetchall()
        times.append(1000 * (time.perf_counter() - start))
    return {"cpu_s": round(built, 2), "query_ms_warm": round(statistics.median(times[5:]), 2)}


def _load(database: duckdb.DuckDBPyConnection) -> None:
    try:
        database.execute("INSTALL fts")
    except duckdb.Error:
        package = importlib.import_module("duckdb_extension_fts")  # the extension's file, as a package
        [file] = Path(str(package.__file__)).parent.rglob("fts.duckdb_extension")
        database.execute(f"INSTALL '{file}'")
    database.execute("LOAD fts")


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:3])))
