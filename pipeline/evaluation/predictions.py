"""Predictions: what actors commit while an evaluation goes on, and what a later run finds done.

A commit is one Parquet file under a name of its own below ``_work/predictions/<evaluation>/``; what is written there
stays valid, since a row names the item by a hash of all it was shown. Put through twice, by a killed run or by two
workers, an item has two rows of which the first by name counts. Items that failed are not done: the next run tries
them again. Costs one request for 30 s of work.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.work import digest, parquet_bytes
from folioscope.schemas.evaluations import PREDICTIONS

COMMIT_SECONDS = 30.0
COMMIT_ITEMS = 256
VERSION = 1  # of how items are shown to replicas


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a replica made of one item; ``prediction`` None where ``error`` says why."""

    item_key: str
    prediction: str | None
    error: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PredictionStore:
    """The predictions of one evaluation. Pickles: it goes to every actor."""

    store: OutputStore
    evaluation_id: str

    @property
    def folder(self) -> str:
        return f"_work/predictions/{self.evaluation_id}"

    def commit(self, predictions: Iterable[Prediction]) -> None:
        """Raises OutputError: the output cannot be written."""
        rows = [asdict(prediction) for prediction in predictions]
        if rows:
            name = f"{self.folder}/{uuid.uuid4().hex}.parquet"
            self.store.write(name, parquet_bytes(pa.Table.from_pylist(rows, schema=PREDICTIONS)))

    def done(self) -> dict[str, Prediction]:
        """The first good prediction of each item that has one; of one that only failed, its last failure."""
        found: dict[str, Prediction] = {}
        for table in self._tables():
            for row in table.to_pylist():
                known = found.get(row["item_key"])
                if known is None or known.prediction is None:
                    found[row["item_key"]] = Prediction(**row)
        return found

    def done_keys(self) -> set[str]:
        """Items that have a prediction; costs no prediction's text."""
        keys: set[str] = set()
        for table in self._tables():
            keys.update(table.filter(pc.is_valid(table["prediction"]))["item_key"].to_pylist())
        return keys

    def _tables(self) -> Iterable[pa.Table]:
        import pyarrow.parquet as pq

        for name in self.store.names(self.folder):
            yield pq.read_table(pa.BufferReader(self.store.read(name)))


@dataclass(slots=True)
class Gathering:
    """Predictions of one block on their way to a commit."""

    store: PredictionStore
    held: list[Prediction] = field(default_factory=list)
    done: int = 0
    failed: int = 0
    _since: float = field(default_factory=time.monotonic)

    def add(self, prediction: Prediction) -> None:
        """Take one in; commits where it is time to. Raises OutputError."""
        self.held.append(prediction)
        self.done += prediction.prediction is not None
        self.failed += prediction.prediction is None
        if len(self.held) >= COMMIT_ITEMS or time.monotonic() - self._since >= COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Raises OutputError."""
        self.store.commit(self.held)
        self.held, self._since = [], time.monotonic()


def evaluation_id(benchmark: str, model: str, settings: Iterable[str]) -> str:
    """Names what decides predictions: benchmark, replica with its revision and settings, and our way of showing."""
    return digest([benchmark, model, *settings, str(VERSION)])
