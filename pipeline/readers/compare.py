"""Drift between two runs: what they read, measured by source folder, and what moved by more than chance.

Over the pages and shots that each run itself computed. Shares (empty pages, loops, failures, languages) are compared by
a two-proportion z-test, means (likeness to text layers, tokens, characters, seconds) by Welch's test with the normal
distribution, which is near enough from thirty pages on: folders with fewer in either run are left out. Of all tests of
one comparison, Holm's rule bounds the chance that any "moved" is wrong to one in a hundred. Pages of one document are
alike, so that tests see more independence than there is: a folder of few documents moves more easily. Costs one scan of
the segments' narrow columns and their texts' lengths.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import duckdb

from folioscope.schemas.errors import FolioscopeError

FEWEST = 30
CHANCE = 0.01
LANGUAGES = 5
EVERYWHERE = "(all)"

SHARES = {
    "empty pages": "text IS NULL OR trim(text) = ''",
    "loops": "list_contains(flags, 'loop')",
    "cut off": "list_contains(flags, 'cut_off')",
    "low confidence": "list_contains(flags, 'low_confidence')",
}
MEANS = {
    "likeness to text layer": "layer_agreement",
    "output tokens": "output_tokens",
    "characters": "length(text)",
    "seconds": "seconds",
}


class CompareError(FolioscopeError, ValueError):
    """The runs cannot be compared; the message says why and which runs there are."""


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of one folder in both runs. ``p`` is the chance of such a difference where nothing changed."""

    folder: str
    measure: str
    before: float
    after: float
    pages_before: int
    pages_after: int
    p: float
    moved: bool = False


def compare_runs(
    database: duckdb.DuckDBPyConnection, before: str | None, after: str | None, depth: int
) -> list[Change]:
    """Every measure of every folder, ``depth`` levels below what all paths have in common, and of all together.

    ``database`` has the views of an output. Without names, the last two runs that read anything are compared.

    Raises:
        CompareError: there is no such run, or one of the two read nothing.
    """
    names = _chosen(database, before, after)
    _register(database, names, depth)
    changes = [*_shares_and_means(database), *_languages(database)]
    return _judged(sorted(changes, key=lambda change: (change.folder != EVERYWHERE, change.folder, change.measure)))


def _chosen(database: duckdb.DuckDBPyConnection, before: str | None, after: str | None) -> tuple[str, str]:
    rows = database.execute(
        "SELECT run_id FROM runs SEMI JOIN all_segments USING (run_id) ORDER BY run_id DESC"
    ).fetchall()
    reading = [name for (name,) in rows]
    last = ", ".join(reading[:5]) or "none"
    if before is None and after is None:
        if len(reading) < 2:
            raise CompareError(f"two runs that read pages are needed, and there are {len(reading)}; the last: {last}")
        return reading[1], reading[0]
    if before is None or after is None:
        raise CompareError("name two runs, the earlier one first, or none")
    for name in (before, after):
        if name not in reading:
            raise CompareError(f"run {name} is not there or read no page; the last runs that did: {last}")
    return before, after


def _register(database: duckdb.DuckDBPyConnection, names: tuple[str, str], depth: int) -> None:
    """``compared``: the pages that either run read or gave up, each with its folder."""
    first, last = database.execute("SELECT min(uri), max(uri) FROM assets").fetchall()[0]
    common = _common_folder(first or "", last or "")  # of all paths: the others lie between these two
    failed = ", ".join(f"false AS s{number}" for number in range(len(SHARES)))
    failed += "".join(f", NULL::DOUBLE AS m{number}" for number in range(len(MEANS)))
    read = ", ".join(f"({sql}) AS s{number}" for number, sql in enumerate(SHARES.values()))
    read += "".join(f", ({sql})::DOUBLE AS m{number}" for number, sql in enumerate(MEANS.values()))
    database.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE compared AS
        WITH places AS (
            SELECT asset_id, string_split(min(uri)[{len(common) + 1}:], '/')[:-2] AS folders
            FROM assets WHERE asset_id IS NOT NULL GROUP BY asset_id
        ),
        pages AS (
            SELECT run_id, asset_id, language, false AS failed, {read} FROM all_segments
            UNION ALL BY NAME
            SELECT run_id, asset_id, NULL AS language, true AS failed, {failed} FROM all_failures
            WHERE stage IN ('decode', 'read')
        )
        SELECT pages.*, run_id = $after AS later,
               coalesce(nullif(array_to_string(places.folders[:{depth:d}], '/'), ''), '.') AS folder
        FROM pages LEFT JOIN places USING (asset_id) WHERE run_id IN ($before, $after)
        """,
        {"before": names[0], "after": names[1]},
    )


def _common_folder(first: str, last: str) -> str:
    """The folders that two paths share, with the slash after them."""
    pairs = zip(first.split("/")[:-1], last.split("/")[:-1], strict=False)
    return "".join(f"{ours}/" for ours, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _shares_and_means(database: duckdb.DuckDBPyConnection) -> Iterator[Change]:
    shares = {"failed pages": ("failed", "count(*)")}
    shares |= {name: (f"s{number}", "count(*) FILTER (NOT failed)") for number, name in enumerate(SHARES)}
    for name, (column, count) in shares.items():
        sql = f"count(*) FILTER ({column}) AS hits, {count} AS n"
        yield from (
            _share(folder, name, was, now) for folder, was, now in _pairs(database, sql) if was["hits"] or now["hits"]
        )
    for number, name in enumerate(MEANS):
        column = f"m{number}"
        sql = f"count({column}) AS n, avg({column}) AS mean, coalesce(var_samp({column}), 0) AS variance"
        yield from (_mean(folder, name, was, now) for folder, was, now in _pairs(database, sql))


def _languages(database: duckdb.DuckDBPyConnection) -> Iterator[Change]:
    common = database.execute(
        "SELECT language FROM compared WHERE language IS NOT NULL GROUP BY language ORDER BY count(*) DESC, language "
        f"LIMIT {LANGUAGES}"
    ).fetchall()
    for (language,) in common:
        sql = "count(*) FILTER (language = $language) AS hits, count(*) FILTER (NOT failed) AS n"
        for folder, was, now in _pairs(database, sql, {"language": language}):
            if was["hits"] or now["hits"]:
                yield _share(folder, f"language {language}", was, now)


def _pairs(
    database: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, str] | None = None
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Aggregates of each folder, before and after; folders too small in either run are left out."""
    grouped = database.execute(
        f"SELECT coalesce(folder, $all) AS folder, later, {sql} FROM compared "
        "GROUP BY GROUPING SETS ((folder, later), (later))",
        {"all": EVERYWHERE, **(values or {})},
    )
    columns = [column[0] for column in grouped.description or ()]
    found: dict[str, dict[bool, dict[str, Any]]] = {}
    for values in grouped.fetchall():
        row = dict(zip(columns, values, strict=True))
        found.setdefault(row["folder"], {})[row["later"]] = row
    for folder, sides in found.items():
        if len(sides) == 2 and min(side["n"] for side in sides.values()) >= FEWEST:
            yield folder, sides[False], sides[True]


def _share(folder: str, name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Change:
    before, after = was["hits"] / was["n"], now["hits"] / now["n"]
    pooled = (was["hits"] + now["hits"]) / (was["n"] + now["n"])
    spread = math.sqrt(pooled * (1 - pooled) * (1 / was["n"] + 1 / now["n"]))
    return Change(folder, name, before, after, was["n"], now["n"], _two_sided(after - before, spread))


def _mean(folder: str, name: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> Change:
    spread = math.sqrt(was["variance"] / was["n"] + now["variance"] / now["n"])
    p = _two_sided(now["mean"] - was["mean"], spread)
    return Change(folder, name, was["mean"], now["mean"], was["n"], now["n"], p)


def _two_sided(difference: float, spread: float) -> float:
    if spread == 0:
        return 1.0 if difference == 0 else 0.0
    return math.erfc(abs(difference) / spread / math.sqrt(2))


def _judged(changes: list[Change]) -> list[Change]:
    """Mark what moved, by Holm's rule: the least p is held against CHANCE / n, the next against CHANCE / (n - 1) …"""
    moved: set[int] = set()
    for rank, number in enumerate(sorted(range(len(changes)), key=lambda number: changes[number].p)):
        if changes[number].p > CHANCE / (len(changes) - rank):
            break
        moved.add(number)
    return [replace(change, moved=number in moved) for number, change in enumerate(changes)]
