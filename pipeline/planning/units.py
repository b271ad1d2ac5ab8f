"""Units to read, and their packing into blocks: each block is one call of an actor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import pyarrow as pa

from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.tables.commits import Unit

SIDECAR = pa.struct(
    [
        ("uri", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("asset_id", pa.string()),
        ("language", pa.string()),
        ("track", pa.string()),
    ]
)
UNITS = pa.schema(
    [
        ("uri", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("asset_id", pa.string()),
        ("kind", pa.string()),
        ("segment_count", pa.int32()),
        ("recipe_id", pa.string()),
        ("heard", pa.bool_()),
        ("sidecars", pa.list_(SIDECAR)),
        ("first", pa.int32()),
        ("last", pa.int32()),
    ]
)
BLOCKS_PER_REPLICA = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SidecarFile:
    """Subtitles that lie beside a video. ``track`` is what the name tells of them."""

    uri: str
    etag: str
    size: int | None
    asset_id: str
    language: str | None
    track: str

    @property
    def source(self) -> SourceFile:
        return SourceFile(self.uri, self.size, self.etag, None)


@dataclass(frozen=True, slots=True)
class UnitToRead:
    """Pages or shots ``first`` to ``last`` (from 1, both included) of one file. Matches one row of UNITS.

    ``recipe_id`` is that of the file's reading; ``heard`` says that its sound has been listened to.
    """

    uri: str
    etag: str
    size: int | None
    asset_id: str
    kind: str
    segment_count: int | None
    recipe_id: str
    first: int
    last: int
    heard: bool = False
    sidecars: tuple[SidecarFile, ...] = ()

    @property
    def pages(self) -> int:
        return self.last - self.first + 1

    @property
    def source(self) -> SourceFile:
        return SourceFile(self.uri, self.size, self.etag, None)

    @property
    def unit(self) -> Unit:
        return Unit("read", self.asset_id, self.recipe_id, self.first, self.last)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> UnitToRead:
        sidecars = tuple(SidecarFile(**item) for item in row["sidecars"] or ())
        return cls(**{**row, "sidecars": sidecars, "heard": bool(row["heard"])})

    def to_row(self) -> dict[str, Any]:
        return asdict(self)


def block_budget(total: int, replicas: int, per_block: int) -> int:
    """How much a block may hold: ``per_block``, or less, so that every replica gets eight blocks of what there is.

    A block costs the driver some 14 ms of Ray Data's time, so small units share one; but no replica shall end long
    after the others.
    """
    return max(1, min(per_block, -(-total // (BLOCKS_PER_REPLICA * replicas))))


def into_blocks(units: Iterable[T], budget: int, size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Units in order, as many to a block as its budget holds; one at least."""
    block: list[T] = []
    filled = 0
    for unit in units:
        size = size_of(unit)
        if block and filled + size > budget:
            yield block
            block, filled = [], 0
        block.append(unit)
        filled += size
    if block:
        yield block
