"""Planning for videos: which have no list of shots or no transcript yet, and which could not be had to make one.

Reads the names of the lists of shots and of the committed failures; cost is linear in the videos.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from folioscope.pipeline.planning.files import order_by
from folioscope.pipeline.planning.video_units import SoundToTranscribe, SpanToScan
from folioscope.pipeline.tables.cue_lists import listed_assets
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.shot_lists import Span, shot_counts, spans_of


def register_shots(ledger: Ledger, shots_recipe: str | None, speech_recipe: str | None = None) -> None:
    """Register ``shots``: (asset_id, shot_count) of the videos that are cut; ``heard``: (asset_id) of those that were
    listened to; and ``uncut``: (asset_id, reason) of those that this run could not get to do so. All are empty in a run
    over documents (``shots_recipe`` None)."""
    empty = pa.table({"asset_id": pa.array([], pa.string()), "shot_count": pa.array([], pa.int32())})
    ledger.db.register("shots_now", empty if shots_recipe is None else shot_counts(ledger.work.store, shots_recipe))
    heard = [] if speech_recipe is None else listed_assets(ledger.work.store, speech_recipe)
    ledger.db.register("heard_now", pa.table({"asset_id": pa.array(heard, pa.string())}))
    ledger.db.execute(
        """
        CREATE OR REPLACE TABLE shots AS SELECT * FROM shots_now;
        CREATE OR REPLACE TABLE heard AS SELECT * FROM heard_now;
        CREATE OR REPLACE TABLE uncut AS
        SELECT asset_id, any_value(reason) AS reason FROM work_failures
        WHERE asset_id IS NOT NULL
          AND ((stage = 'plan' AND asset_id NOT IN (SELECT asset_id FROM shots))
               OR (stage = 'transcribe' AND asset_id NOT IN (SELECT asset_id FROM heard)))
        GROUP BY asset_id
        """
    )


def spans_to_scan(
    ledger: Ledger, shots_recipe: str, seconds: float, *, newest_first: bool = False
) -> Iterator[SpanToScan]:
    """Of each video without shots the spans that are not committed; its last where all of them are."""
    scanned = set(ledger.work.names("scans"))
    videos = ledger.query(
        f"""
        SELECT uri, etag, size, asset_id, duration_s FROM documents
        WHERE kind = 'video' AND asset_id NOT IN (SELECT asset_id FROM shots) ORDER BY {order_by(newest_first)}
        """
    )
    for video in videos.to_pylist():
        count = spans_of(video["duration_s"], seconds)
        spans = [Span(video["asset_id"], number, count, seconds) for number in range(count)]
        open_ = [span for span in spans if ledger.work.path("scans", span.key(shots_recipe)) not in scanned]
        for span in open_ or spans[-1:]:
            yield SpanToScan(**video, number=span.number, count=count)


def sounds_to_transcribe(ledger: Ledger, *, newest_first: bool = False) -> list[SoundToTranscribe]:
    """The videos with sound that nobody has listened to."""
    found = ledger.query(
        f"""
        SELECT uri, etag, size, asset_id, kind, duration_s FROM documents
        WHERE heard AND asset_id NOT IN (SELECT asset_id FROM heard) ORDER BY {order_by(newest_first)}
        """
    )
    return [SoundToTranscribe(**row) for row in found.to_pylist()]


def videos_tried_again(ledger: Ledger) -> set[str]:
    """Paths of videos whose failure to be had is of the past: they are cut now, or have failed anew."""
    found = ledger.query(
        """
        SELECT DISTINCT uri FROM published_failures
        WHERE stage = 'plan' AND asset_id IN (SELECT asset_id FROM shots UNION SELECT asset_id FROM uncut)
        """
    )
    return set(found["uri"].to_pylist())
