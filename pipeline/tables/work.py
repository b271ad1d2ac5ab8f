"""The work area of an output: where blocks of units commit before a run publishes them.

    _work/<generation>/commits/<run>/<stage>/<block>/<n>.json   one commit: what it settles, failures, part files
                       parts/<table>/<name>.parquet         rows in the form that readers get
                       scans/…                              a video's features on their way to its list of shots
                       attempts/<run>/<unit>.<n>
          takeover.json                                      which commits of dead runs count

The folder starts with an underscore: nobody's glob takes it for results. A generation is what one publish takes up: the
manifest names the last one published, and work of that or an earlier generation is rubbish that a crash left behind. So
no publish can take a row twice.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from folioscope.pipeline.storage.store import OutputStore

WORK = "_work"
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class WorkArea:
    """Where units of one generation commit. Pickles: it goes to every actor."""

    store: OutputStore
    generation: int

    @property
    def root(self) -> str:
        return f"{WORK}/{self.generation:06d}"

    def path(self, part: str, key: str) -> str:
        return f"{self.root}/{part}/{key}.parquet"

    def names(self, part: str) -> list[str]:
        """Paths of the files of one part (``commits``, ``scans`` …), sorted."""
        return self.store.names(f"{self.root}/{part}")

    def read(self, paths: Iterable[str]) -> Iterator[pa.Table]:
        """The committed tables under these paths."""
        for path in paths:
            # Small files: threads and prefetching would cost more than they bring.
            yield pq.ParquetFile(pa.BufferReader(self.store.read(path)), pre_buffer=False).read(use_threads=False)

    def clear_older(self) -> None:
        """Delete what earlier generations left: their rows are published."""
        for generation in generations(self.store):
            if generation < self.generation:
                self.store.delete_folder(f"{WORK}/{generation:06d}")


def generations(store: OutputStore) -> list[int]:
    """The generations that have a folder in the work area."""
    folders = {name.split("/")[1] for name in store.names(WORK)}
    return sorted(int(folder) for folder in folders if folder.isdigit())


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
    A block costs one request; a unit is marked only where its block was started before.
    """

    work: WorkArea
    run_id: str

    def is_first(self, key: str) -> bool:
        """Record that a block is begun; False where it was begun before."""
        return self._mark(key, 1)

    def begin(self, key: str) -> int:
        """Record one more try of a unit and return its number, from 1. Past MAX_ATTEMPTS nothing is recorded."""
        for number in range(1, MAX_ATTEMPTS + 1):
            if self._mark(key, number):
                return number
        return MAX_ATTEMPTS + 1

    def _mark(self, key: str, number: int) -> bool:
        name = f"{self.work.root}/attempts/{self.run_id}/{key.replace('/', '_')}.{number}"
        return self.work.store.create(name, b"1", sync=False)
