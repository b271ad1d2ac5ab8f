"""What is exported: current files of an archive, each with its current pages or shots, one file in memory at a time.

Rows come in the order of the tables, so that an archive of any size streams through; DuckDB sorts on a disk where its
memory does not do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

from folioscope.model.protocol import Block, Box
from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.storage.store import OutputStore

Status = Literal["done", "partial"]
_ROWS = 256
_SEGMENTS = """
    SELECT files.asset_id, files.uri, files.uris, files.title, files.status, segments.kind, segments.segment,
           segments.start_s, segments.end_s, segments.width_px, segments.height_px, segments.text,
           segments.text_source, segments.language, segments.flags, segments.blocks
    FROM all_segments AS segments
    JOIN (SELECT content.asset_id, content.read_recipe_id, content.uri, content.uris, content.title,
                 min(current_assets.status) AS status
          FROM current_content AS content JOIN current_assets USING (asset_id)
          WHERE list_contains($statuses, current_assets.status) GROUP BY ALL) AS files
      ON files.asset_id = segments.asset_id AND files.read_recipe_id = segments.recipe_id
    ORDER BY segments.asset_id, segments.segment
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Files whose path matches ``glob`` (whole, or its tail) and whose status is one of ``statuses``."""

    glob: str | None = None
    statuses: tuple[Status, ...] = ("done", "partial")

    def holds(self, uri: str) -> bool:
        return self.glob is None or fnmatchcase(uri, self.glob) or fnmatchcase(uri, f"*/{self.glob}")


@dataclass(frozen=True, slots=True)
class ExportedSegment:
    """A page, or a shot from ``start_s`` up to ``end_s``. Boxes are shares of ``width_px`` and ``height_px``."""

    kind: Literal["page", "shot"]
    number: int
    text: str
    text_source: str
    blocks: tuple[Block, ...]
    width_px: int
    height_px: int
    language: str | None
    flags: tuple[str, ...]
    start_s: float | None
    end_s: float | None


@dataclass(frozen=True, slots=True)
class ExportedAsset:
    """One file's content. ``uris`` are the selected paths under which the same bytes lie."""

    asset_id: str
    uris: tuple[str, ...]
    title: str | None
    status: str
    segments: tuple[ExportedSegment, ...]


def exported_assets(store: OutputStore, selection: Selection) -> Iterator[ExportedAsset]:
    """The selected files, by asset id.

    Raises:
        OutputError, duckdb.Error: the tables cannot be read.
    """
    database = open_views(store)
    try:
        with tempfile.TemporaryDirectory(prefix="folioscope-export-") as folder:
            database.execute("SET temp_directory = $folder", {"folder": folder})
            cursor = database.execute(_SEGMENTS, {"statuses": list(selection.statuses)})
            names = [column[0] for column in cursor.description]
            rows = (
                dict(zip(names, row, strict=True))
                for batch in iter(lambda: cursor.fetchmany(_ROWS), [])
                for row in batch
            )
            for _, group in groupby(rows, key=itemgetter("asset_id")):
                asset = _asset(list(group), selection)
                if asset.uris:
                    yield asset
    finally:
        database.close()


def selected_uris(store: OutputStore, selection: Selection) -> list[str]:
    """The paths of all selected files, sorted; some hundred bytes of memory each."""
    database = open_views(store)
    try:
        found = database.execute(
            "SELECT uri FROM current_assets WHERE list_contains($statuses, status) ORDER BY uri",
            {"statuses": list(selection.statuses)},
        ).fetchall()
    finally:
        database.close()
    return [uri for (uri,) in found if selection.holds(uri)]


def _asset(rows: list[dict[str, Any]], selection: Selection) -> ExportedAsset:
    head = rows[0]
    return ExportedAsset(
        head["asset_id"],
        tuple(uri for uri in head["uris"] if selection.holds(uri)),
        head["title"],
        head["status"],
        tuple(map(_segment, rows)),
    )


def _segment(row: dict[str, Any]) -> ExportedSegment:
    return ExportedSegment(
        row["kind"],
        row["segment"],
        row["text"] or "",
        row["text_source"],
        tuple(_block(block) for block in row["blocks"] or () if not block["flags"]),  # no speech that was invented
        row["width_px"] or 0,
        row["height_px"] or 0,
        row["language"],
        tuple(row["flags"] or ()),
        row["start_s"],
        row["end_s"],
    )


def _block(row: dict[str, Any]) -> Block:
    box = row["bbox"]
    return Block(
        kind=row["kind"],
        text=row["text"] or "",
        bbox=Box(box["x0"], box["y0"], box["x1"], box["y1"]) if box else None,
        confidence=row["confidence"],
        level=row["level"] or 0,
        start_s=row["start_s"],
        end_s=row["end_s"],
        language=row["language"],
        track=row["track"],
    )
