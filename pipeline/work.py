"""The work area of an output: where units commit before a run publishes them, and what names they commit under.

A unit commits by writing one Parquet file under a name made of its key, so that a rerun writes the same name and
never a second one. The folder starts with an underscore: nobody's glob takes it for results. A unit's failures are
written before its rows; the file of rows, even of none, is what makes the unit settled.

    _work/<generation>/identify/<digest>.parquet                            assets, a batch of files
                       segments/<recipe>/<asset[:2]>/<asset>-<first>-<last>.parquet
                       summaries/<recipe>/<asset[:2]>/<asset>.parquet
                       answers/<digest of recipes>/<asset[:2]>/<asset>.parquet
                       failures/<stage>/….parquet
                       attempts/<run>/<unit>.<n>

A generation is what one publish takes up: the manifest names the last one published, and work of that or an earlier
generation is rubbish that a crash left behind. So no publish can take a row twice.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store import OutputStore
from schemas.migrations import to_table

WORK = "_work"
MAX_ATTEMPTS = 3
_UNIT = re.compile(r"(?P<recipe>[^/]+)/../(?P<asset>[0-9a-f]{64})-(?P<first>\d+)-(?P<last>\d+)\.parquet")
_ASSET = re.compile(r"(?P<recipe>[^/]+)/../(?P<asset>[0-9a-f]{64})\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class PageUnit:
    """Pages first..last (from 1, both included) of one asset under one recipe: what one commit holds."""

    asset_id: str
    first: int
    last: int
    recipe_id: str

    @property
    def pages(self) -> int:
        return self.last - self.first + 1

    @property
    def key(self) -> str:
        return f"{self.recipe_id}/{self.asset_id[:2]}/{self.asset_id}-{self.first:06d}-{self.last:06d}"


@dataclass(frozen=True, slots=True)
class WorkArea:
    """The committed, not yet published files of one generation. Pickles: it goes to every actor."""

    store: OutputStore
    generation: int

    @property
    def root(self) -> str:
        return f"{WORK}/{self.generation:06d}"

    def names(self, part: str) -> list[str]:
        """Paths of the committed files of one part (``segments``, ``failures`` …), sorted."""
        return self.store.names(f"{self.root}/{part}")

    def path(self, part: str, key: str) -> str:
        return f"{self.root}/{part}/{key}.parquet"

    def is_settled(self, unit: PageUnit) -> bool:
        return self.store.exists(self.path("segments", unit.key))

    def commit(self, part: str, key: str, table_name: str, rows: list[dict[str, Any]]) -> None:
        """Write rows of one table as one committed file.

        Raises:
            OSError: the output cannot be written.
        """
        self.store.write(self.path(part, key), parquet_bytes(to_table(table_name, rows)))

    def commit_unit(self, unit: PageUnit, rows: list[dict[str, Any]], failures: list[dict[str, Any]]) -> None:
        if failures:
            self.commit("failures/read", unit.key, "failures", failures)
        self.commit("segments", unit.key, "segments", rows)

    def units(self) -> Iterator[PageUnit]:
        """The page units that are settled here, from the files' names alone."""
        for name in self.names("segments"):
            match = _UNIT.fullmatch(name.removeprefix(f"{self.root}/segments/"))
            if match is not None:
                yield PageUnit(match["asset"], int(match["first"]), int(match["last"]), match["recipe"])

    def summaries(self) -> Iterator[tuple[str, str]]:
        """(asset_id, recipe_id) of the summaries committed here, from the files' names alone."""
        for name in self.names("summaries"):
            match = _ASSET.fullmatch(name.removeprefix(f"{self.root}/summaries/"))
            if match is not None:
                yield match["asset"], match["recipe"]

    def read(self, paths: Iterable[str]) -> Iterator[pa.Table]:
        """The committed tables under these paths."""
        for path in paths:
            # Small files: threads and prefetching would cost more than they bring.
            yield pq.ParquetFile(pa.BufferReader(self.store.read(path)), pre_buffer=False).read(use_threads=False)

    def clear_older(self) -> None:
        """Delete what earlier generations left: their rows are published."""
        folders = {name.split("/")[1] for name in self.store.names(WORK)}
        for folder in folders:
            if folder.isdigit() and int(folder) < self.generation:
                self.store.delete_folder(f"{WORK}/{folder}")


def asset_key(recipe_ids: Sequence[str], asset_id: str) -> str:
    """The key under which one asset's summary (one recipe) or answers (several) commit."""
    recipe = recipe_ids[0] if len(recipe_ids) == 1 else digest(sorted(recipe_ids))
    return f"{recipe}/{asset_id[:2]}/{asset_id}"


def digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def parquet_bytes(table: pa.Table) -> bytes:
    """A small file, read once and whole: dictionaries, statistics and zstd would cost more than all the rest."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="lz4", use_dictionary=False, write_statistics=False)
    return sink.getvalue()


@dataclass(frozen=True, slots=True)
class Attempts:
    """Markers that bound how often a run tries a unit that takes its worker down.

    A marker is written before each try. They count within one run: a run whose driver is killed condemns nothing.
    Costs a look-up and an empty file a unit.
    """

    work: WorkArea
    run_id: str

    def begin(self, key: str) -> int:
        """Record one more try and return its number, from 1. Past MAX_ATTEMPTS nothing is recorded."""
        name = f"{self.work.root}/attempts/{self.run_id}/{key.replace('/', '_')}"
        for number in range(1, MAX_ATTEMPTS + 1):
            marker = f"{name}.{number}"
            if not self.work.store.exists(marker):
                self.work.store.write(marker, b"", sync=False)
                return number
        return MAX_ATTEMPTS + 1
