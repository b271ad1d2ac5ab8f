"""Documents and videos with the committed text of each, handed out one after the other.

A block's documents say which row groups of which files may hold their segments. Each of them is read once for the
whole block. Costs the decoding of the row groups, some 10 µs a page, and the memory of one block's text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from folioscope.model.protocol import AssetText, DocumentText, VideoText
from folioscope.pipeline.planning.documents import DocumentTasks
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.part_files import read_groups
from folioscope.pipeline.tables.rows import Row, page_text, shot_text
from folioscope.pipeline.video.cues import language_tag

_BOTH = ["asset_id", "segment", "text", "blocks", "language", "text_source", "reader", "model"]
_COLUMNS = [*_BOTH, "width_px", "height_px", "rotation", "reference"]
_SHOT_COLUMNS = [*_BOTH, "start_s", "end_s", "caption", "frame_times"]


def with_text(store: OutputStore, documents: Sequence[DocumentTasks]) -> Iterator[tuple[DocumentTasks, AssetText]]:
    """Each document with its segments read under its recipe, in order; every row group is read once.

    Raises:
        OSError: a file cannot be read.
    """
    of_kind = {True: _SHOT_COLUMNS, False: _COLUMNS}
    for is_timed, columns in of_kind.items():
        wanted = [document for document in documents if document.is_timed == is_timed]
        found = _segments(store, wanted, columns) if wanted else {}
        for document in wanted:
            yield document, _text(document, found.pop(document.asset_id, []))


def _segments(store: OutputStore, documents: Sequence[DocumentTasks], columns: list[str]) -> dict[str, list[Row]]:
    """The segments of these documents, by asset."""
    groups: dict[str, set[int] | None] = {}
    for document in documents:
        for source in document.sources:
            known = groups.setdefault(source.path, set())
            if source.row_groups is None:
                groups[source.path] = None
            elif known is not None:
                known.update(source.row_groups)
    read_by = {document.asset_id: document.read_recipe_id for document in documents}
    ids = pa.array([document.asset_id for document in documents], pa.string())
    segments: defaultdict[str, list[Row]] = defaultdict(list)
    for path, numbers in groups.items():
        table = read_groups(store, path, None if numbers is None else sorted(numbers), [*columns, "recipe_id"])
        for row in table.filter(pc.is_in(table["asset_id"], value_set=ids)).to_pylist():
            if row["recipe_id"] == read_by[row["asset_id"]]:
                segments[row["asset_id"]].append(row)
    return segments


def _text(document: DocumentTasks, rows: list[Row]) -> AssetText:
    rows.sort(key=lambda row: int(row["segment"]))
    if document.is_timed:
        return VideoText(
            document.asset_id,
            document.uri,
            document.title,
            document.duration_s,
            tuple(map(shot_text, rows)),
            chapters=document.chapters,
            sound_language=language_tag(document.sound_language),
        )
    return DocumentText(document.asset_id, document.uri, document.title, tuple(map(page_text, rows)))
