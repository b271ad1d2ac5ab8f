"""Commits: what a block of units gave becomes visible at once, its rows and its failures, by one small record.

First the rows are written, as part files that are already what readers get; then the record, which names them, the
units that it settles and their failures. Without its record a part file counts for nothing, so no task can leave a row
and a failure that contradict each other, whatever dies in between. A block's records are numbered and each number is
given out once: a block put through again, or by two workers at once, finds what is settled and adds to it.

Costs two requests a commit and table, for a block or 30 s of work; a unit of a block that took its worker down commits
by itself.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from folioscope.pipeline.storage.attachments import listed_uri
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import DataFile
from folioscope.pipeline.tables.part_files import write_part
from folioscope.pipeline.tables.rows import Row
from folioscope.pipeline.tables.work import WorkArea, digest
from folioscope.schemas.migrations import to_table

COMMIT_SECONDS = 30.0
COMMIT_ROWS = 4096

Stage = Literal["identify", "read", "summarize", "answer"]


@dataclass(frozen=True, slots=True, order=True)
class Unit:
    """What is settled as one: a file looked into, pages first..last read, a summary, or an answer.

    ``asset_id`` of a file not yet identified is the digest of its path and etag; see ``Unit.of_file``.
    """

    stage: Stage
    asset_id: str
    recipe_id: str = ""
    first: int | None = None
    last: int | None = None
    question_id: str | None = None

    @classmethod
    def of_file(cls, uri: str, etag: str) -> Unit:
        return cls("identify", digest([uri, etag]))

    @property
    def pages(self) -> int:
        return 0 if self.first is None or self.last is None else self.last - self.first + 1

    @property
    def key(self) -> str:
        """A name for markers; ``question_id`` may hold any letters, so it goes in hashed."""
        place = f"-{self.first:06d}-{self.last:06d}" if self.pages else ""
        asked = f"-{digest([self.question_id])}" if self.question_id is not None else ""
        return f"{self.stage}-{self.recipe_id}-{self.asset_id}{place}{asked}"

    def without(self, page: int) -> list[Unit]:
        """The same unit less one page; nothing where it has no pages to spare."""
        if self.first is None or self.last is None:
            return []
        ranges = ((self.first, page - 1), (page + 1, self.last))
        return [replace(self, first=first, last=last) for first, last in ranges if first <= last]


@dataclass(frozen=True, slots=True)
class Part:
    """A part file of a commit, and the table that it belongs to; of coverage also how many questions it covers."""

    table: str
    file: DataFile
    covers: int = 0


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """One commit. ``path`` is where it stands; ``token`` tells the tries of one number apart."""

    path: str
    token: str
    run_id: str
    units: tuple[Unit, ...]
    parts: tuple[Part, ...] = ()
    failures: tuple[Row, ...] = ()

    def to_json(self) -> bytes:
        columns = zip(*(unit_values(unit) for unit in self.units), strict=True) if self.units else ((),) * 6
        values = {
            "token": self.token,
            "run_id": self.run_id,
            "units": dict(zip(UNIT_COLUMNS, map(list, columns), strict=True)),
            "parts": [asdict(part) for part in self.parts],
            "failures": list(self.failures),
        }
        return json.dumps(values, default=datetime.isoformat).encode()

    @classmethod
    def from_json(cls, path: str, data: bytes) -> CommitRecord:
        if not data:  # a disk without hard links, and a crash just after the name was taken
            return cls(path, "", "", ())
        values = json.loads(data)
        failures = tuple({**row, "created_at": datetime.fromisoformat(row["created_at"])} for row in values["failures"])
        units = tuple(Unit(*row) for row in zip(*values["units"].values(), strict=True))
        parts = tuple(Part(part["table"], DataFile(**part["file"]), part.get("covers", 0)) for part in values["parts"])
        return cls(path, values["token"], values["run_id"], units, parts, failures)


UNIT_COLUMNS = ("stage", "asset_id", "recipe_id", "first", "last", "question_id")


def unit_values(unit: Unit) -> tuple[Any, ...]:
    return unit.stage, unit.asset_id, unit.recipe_id, unit.first, unit.last, unit.question_id


@dataclass(frozen=True, slots=True)
class _Entry:
    """What one unit, or one document's units, gave: it is committed whole or not at all."""

    units: tuple[Unit, ...]
    rows: Mapping[str, Sequence[Row]]
    failures: Sequence[Row]


@dataclass(slots=True)
class BlockCommit:
    """Gathers what a block's units give and commits it: at the block's end, after COMMIT_SECONDS, or unit by unit."""

    work: WorkArea
    stage: str  # names the folder alone
    block: str
    run_id: str
    singly: bool = False
    settled: set[Unit] = field(default_factory=set)
    _number: int = 0
    _entries: list[_Entry] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def recall(self) -> None:
        """Learn what earlier tries of this block committed; from now on its units commit one by one.

        Raises:
            OSError: the output does not answer.
        """
        self.singly = True
        while (record := self._read(self._number)) is not None:
            self.settled.update(record.units)
            self._number += 1

    def add(self, units: Sequence[Unit], rows: Mapping[str, Sequence[Row]], failures: Sequence[Row] = ()) -> None:
        """Take in what settles ``units``; commits where it is time to.

        Raises:
            OSError: the output cannot be written; what was not committed stays uncommitted.
        """
        self._entries.append(_Entry(tuple(units), rows, failures))
        held = sum(len(of_table) for entry in self._entries for of_table in entry.rows.values())
        if self.singly or held >= COMMIT_ROWS or time.monotonic() - self._since >= COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Commit what has been taken in.

        Raises:
            OSError: as ``add``.
        """
        while entries := [entry for entry in self._entries if not self.settled.issuperset(entry.units)]:
            record = self._written(entries)
            mine = self.work.store.create(record.path, record.to_json())
            found = record if mine else self._read(self._number)
            if found is None:
                raise OSError(f"{record.path}: the store says that it is there, and does not find it")
            self.settled.update(found.units)
            self._number += 1
        self._entries = []
        self._since = time.monotonic()

    def _written(self, entries: Sequence[_Entry]) -> CommitRecord:
        """The record of these entries, once their part files are there."""
        token = uuid.uuid4().hex[:8]
        rows: dict[str, list[Row]] = {}
        for entry in entries:
            for table, of_table in entry.rows.items():
                rows.setdefault(table, []).extend(of_table)
        parts = tuple(self._part(table, of_table, token) for table, of_table in rows.items() if of_table)
        units = tuple(unit for entry in entries for unit in entry.units)
        failures = tuple(row for entry in entries for row in entry.failures)
        return CommitRecord(self._path(self._number), token, self.run_id, units, parts, failures)

    def _part(self, table: str, rows: Sequence[Row], token: str) -> Part:
        path = self.work.path(f"parts/{table}", f"{self.run_id}-{self.block}-{self._number:04d}-{token}")
        covers = sum(len(row["question_ids"]) for row in rows) if table == "coverage" else 0
        return Part(table, write_part(self.work.store, table, path, to_table(table, rows)), covers)

    def _path(self, number: int) -> str:
        return f"{self.work.root}/commits/{self.run_id}/{self.stage}/{self.block}/{number:06d}.json"

    def _read(self, number: int) -> CommitRecord | None:
        path = self._path(number)
        try:
            return CommitRecord.from_json(path, self.work.store.read(path))
        except FileNotFoundError:
            return None


def commit_failures(work: WorkArea, name: str, run_id: str, failures: Sequence[Row]) -> None:
    """Record failures that settle no unit: an input that could not be listed, a video that could not be had.

    Raises:
        OSError: the output cannot be written.
    """
    path = f"{work.root}/commits/{run_id}/failures/{name}.json"
    work.store.write(path, CommitRecord(path, uuid.uuid4().hex[:8], run_id, (), (), tuple(failures)).to_json())


def read_records(store: OutputStore, paths: Iterable[str]) -> Iterator[CommitRecord]:
    """The records under these paths, in order."""
    listed = list(paths)
    for start in range(0, len(listed), 1024):
        chunk = listed[start : start + 1024]
        found = store.at_once([lambda path=path: store.read(path) for path in chunk])  # type: ignore[misc]
        yield from map(CommitRecord.from_json, chunk, found)


def retract_retryable(store: OutputStore, records: Iterable[CommitRecord]) -> None:
    """Take back what an unfinished run gave up for a reason that may pass: its death may have been the reason.

    Raises:
        OSError: the output cannot be written.
    """
    for record in records:
        passing = [row for row in record.failures if row["retryable"]]
        if not passing:
            continue
        shrunk = _without(store, record, passing)
        store.write(record.path, shrunk.to_json())


def _without(store: OutputStore, record: CommitRecord, failures: Sequence[Row]) -> CommitRecord:
    """The record less these failures and what they settled."""
    units = list(record.units)
    gone_files: list[str] = []  # listed ones: what is inside them is looked into with them
    for row in failures:
        hit = [unit for unit in units if _settles(unit, row)]
        units = [unit for unit in units if unit not in hit]
        if row["stage"] in ("decode", "read"):
            units += [rest for unit in hit for rest in unit.without(row["segment"])]
        elif row["stage"] == "plan" and row["asset_id"] is None:
            gone_files.append(listed_uri(row["uri"]))
    parts = record.parts
    if gone_files:
        parts = tuple(_assets_without(store, record, part, gone_files, units) for part in parts)
    kept = tuple(row for row in record.failures if row not in failures and not _is_of(row, gone_files))
    return replace(record, units=tuple(units), parts=tuple(part for part in parts if part.file.rows), failures=kept)


def _is_of(failure: Row, files: Sequence[str]) -> bool:
    return failure["stage"] == "plan" and listed_uri(failure["uri"]) in files


def _settles(unit: Unit, failure: Row) -> bool:
    """Whether the failure is one of the things that the unit settles."""
    if failure["stage"] in ("decode", "read"):
        inside = unit.first is not None and unit.last is not None and unit.first <= failure["segment"] <= unit.last
        return unit.stage == "read" and unit.asset_id == failure["asset_id"] and inside
    same = (unit.stage, unit.asset_id, unit.recipe_id) == (
        failure["stage"],
        failure["asset_id"],
        failure["recipe_id"],
    )
    return same and unit.question_id == failure["question_id"]


def _assets_without(
    store: OutputStore, record: CommitRecord, part: Part, uris: Sequence[str], units: list[Unit]
) -> Part:
    """A part of ``assets`` less some files; their units leave ``units``."""
    if part.table != "assets":
        return part
    [table] = WorkArea(store, 0).read([part.file.path])
    gone = {Unit.of_file(row["uri"], row["etag"]) for row in table.to_pylist() if row["uri"] in uris}
    units[:] = [unit for unit in units if unit not in gone]
    kept = table.filter(pa.array([listed_uri(uri) not in uris for uri in table["uri"].to_pylist()], pa.bool_()))
    if not kept.num_rows:
        return replace(part, file=replace(part.file, rows=0))
    path = part.file.path.replace(".parquet", f"-{uuid.uuid4().hex[:8]}.parquet")
    return Part("assets", write_part(store, "assets", path, kept))
