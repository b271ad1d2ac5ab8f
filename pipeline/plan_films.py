"""Planning for films: which have no list of shots yet, and which could not be had when they were to be cut.

Reads the names of the lists of shots and of the committed failures; cost is linear in the films.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pipeline.films import Span, shot_counts, spans_of
from pipeline.ledger import Ledger
from pipeline.plan import newest


def register_shots(ledger: Ledger, cut_recipe: str | None) -> None:
    """Register ``shots``: (asset_id, shot_count) of the films that are cut; and ``uncut``: (asset_id, reason) of those
    that this run could not get to cut them. Both are empty in a run over documents (``cut_recipe`` None)."""
    empty = pa.table({"asset_id": pa.array([], pa.string()), "shot_count": pa.array([], pa.int32())})
    ledger.db.register("shots_now", empty if cut_recipe is None else shot_counts(ledger.work.store, cut_recipe))
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE shots AS SELECT * FROM shots_now;
        CREATE OR REPLACE TABLE uncut AS
        SELECT asset_id, any_value(reason) AS reason FROM work_failures
        WHERE stage = 'plan' AND asset_id IS NOT NULL AND asset_id NOT IN (SELECT asset_id FROM shots)
        GROUP BY asset_id
        """
    )


def spans_to_cut(
    ledger: Ledger, cut_recipe: str, seconds: float, *, newest_first: bool = False
) -> Iterator[dict[str, Any]]:
    """Rows of SPANS: of each film without shots the spans that are not committed; its last where all of them are."""
    scanned = set(ledger.work.names("scans"))
    films = ledger.query(
        f"""
        SELECT uri, etag, size, asset_id, duration_s FROM documents
        WHERE kind = 'video' AND segment_count IS NULL ORDER BY {newest(newest_first)}
        """
    )
    for film in films.to_pylist():
        count = spans_of(film["duration_s"], seconds)
        spans = [Span(film["asset_id"], number, count, seconds) for number in range(count)]
        open_ = [span for span in spans if ledger.work.path("scans", span.key(cut_recipe)) not in scanned]
        for span in open_ or spans[-1:]:
            yield film | {"number": span.number, "count": count}


def films_tried_again(ledger: Ledger) -> set[str]:
    """Paths of films whose failure to be had is of the past: they are cut now, or have failed anew."""
    found = ledger.query(
        """
        SELECT DISTINCT uri FROM published_failures
        WHERE stage = 'plan' AND asset_id IN (SELECT asset_id FROM shots UNION SELECT asset_id FROM uncut)
        """
    )
    return set(found["uri"].to_pylist())
