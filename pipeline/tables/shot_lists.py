"""A video between its two stages: scans of its spans in the work area, and the list of its shots beside the tables.

A list of shots depends on the video's bytes and on how it is cut, nothing else. It is kept under both outside all
generations, so that another model, prompt or question never decodes a video again to find its shots; the name tells how
many there are, so that planning lists names and opens none.

    _work/<generation>/scans/<cut recipe>-<seconds>/<asset[:2]>/<asset>-<span>.parquet
    _shots/<cut recipe>/<asset[:2]>/<asset>-<shots>.parquet
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.work import parquet_bytes
from folioscope.pipeline.video.features import (
    MINIATURE_BYTES,
    SIGNATURE_BYTES,
    FrameFeatures,
    ScannedSpan,
    SpanEnd,
    join_features,
)
from folioscope.pipeline.video.shots import Gap, Shot, ShotSettings, VideoScan

SHOTS = "_shots"
_LIST = re.compile(r".*/(?P<asset>[0-9a-f]{64})-(?P<count>\d+)\.parquet")
_SHOT_LIST = pa.schema(
    [
        ("shot_number", pa.int32()),
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("frame_times", pa.list_(pa.float64())),
        ("flags", pa.list_(pa.string())),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("glimpses", pa.list_(pa.float64())),
        ("stays", pa.list_(pa.list_(pa.float64()))),
    ]
)
_END = b"folioscope_span_end"


@dataclass(frozen=True, slots=True)
class Span:
    """The ``number``-th of a video's ``count`` spans, each of ``seconds``; the last runs to the video's end."""

    asset_id: str
    number: int
    count: int
    seconds: float

    @property
    def start_s(self) -> float | None:
        return self.number * self.seconds if self.number else None

    @property
    def end_s(self) -> float | None:
        return (self.number + 1) * self.seconds if self.number + 1 < self.count else None

    def key(self, shots_recipe: str) -> str:
        return f"{shots_recipe}-{self.seconds:g}/{self.asset_id[:2]}/{self.asset_id}-{self.number:06d}"


def spans_of(duration_s: float, seconds: float) -> int:
    """How many spans a video of this length has."""
    return max(1, int(np.ceil(duration_s / seconds - 1e-9)))


def make_shots_recipe(settings: ShotSettings) -> str:
    return hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode()).hexdigest()[:16]


def scan_bytes(span: ScannedSpan) -> bytes:
    """A span's features as a Parquet file; how it ended stands in the metadata."""
    features = span.features
    end: dict[str, object]
    if isinstance(span.end, SpanEnd):
        end = asdict(span.end) | {"captions": [(time_s, pairs.hex()) for time_s, pairs in span.end.captions]}
    else:
        end = {"reason": span.end.reason.value, "message": span.end.message}
    columns: dict[str, object] = {
        "time_s": features.times,
        "change": features.change,
        "light": features.light,
        "sharpness": features.sharpness,
        "signature": _binary(features.signature),
    }
    if features.miniature is not None:
        columns["miniature"] = _binary(features.miniature)
    table = pa.table(columns)
    return parquet_bytes(table.replace_schema_metadata({_END: json.dumps(end)}))


def _binary(rows: NDArray[np.uint8]) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(rows.shape[1]), len(rows), [None, pa.py_buffer(rows.tobytes())]
    )


def _rows(table: pa.Table, name: str, length: int) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(table[name].to_pylist()), np.uint8).reshape(-1, length)


def read_scan(data: bytes) -> ScannedSpan:
    table = pq.read_table(io.BytesIO(data), use_threads=False).combine_chunks()
    features = FrameFeatures(
        table["time_s"].to_numpy(),
        table["change"].to_numpy(),
        table["light"].to_numpy(),
        table["sharpness"].to_numpy(),
        _rows(table, "signature", SIGNATURE_BYTES),
        _rows(table, "miniature", MINIATURE_BYTES) if "miniature" in table.column_names else None,
    )
    end = json.loads(table.schema.metadata[_END])
    if "reason" in end:
        return ScannedSpan(features, Failure(Reason(end["reason"]), end["message"]))
    captions = tuple((time_s, bytes.fromhex(pairs)) for time_s, pairs in end["captions"])
    return ScannedSpan(features, SpanEnd(**end | {"damaged_s": tuple(end["damaged_s"]), "captions": captions}))


def join_spans(spans: Sequence[ScannedSpan], seconds: float, duration_s: float, name: str) -> VideoScan:
    """The whole video, with the parts of it that cannot be had as gaps."""
    features = join_features([span.features for span in spans])
    ends = [span.end for span in spans if isinstance(span.end, SpanEnd)]
    video_end = max((end.video_end_s for end in ends), default=duration_s)
    gaps = _failed_spans(spans, seconds, video_end)
    truncated = next((end for end in ends if end.truncated_s is not None), None)
    if truncated is not None and truncated.truncated_s is not None:
        whole = max(truncated.declared_s or 0.0, truncated.truncated_s)
        message = f"{name}: the video breaks off at {truncated.truncated_s:.2f} s of {whole:.2f} s; get another copy"
        gaps.append(Gap(truncated.truncated_s, whole, Reason.TRUNCATED_VIDEO, message))
    if not len(features) and not gaps:
        damaged = sum(len(end.damaged_s) for end in ends)
        message = f"{name}: no frame decodes ({damaged} of its packets are damaged); get another copy"
        gaps.append(Gap(0.0, video_end, Reason.NO_FRAMES, message))
    damaged_s = tuple(time_s for end in ends for time_s in end.damaged_s)
    return VideoScan(features, video_end, tuple(_merged(gaps)), damaged_s)


def joined_captions(spans: Sequence[ScannedSpan]) -> tuple[tuple[float, bytes], ...]:
    """The caption bytes of the whole video, in order."""
    return tuple(pair for span in spans if isinstance(span.end, SpanEnd) for pair in span.end.captions)


def _failed_spans(spans: Sequence[ScannedSpan], seconds: float, video_end: float) -> list[Gap]:
    """What is not known for spans that failed: from the last frame before it to the first one after."""
    gaps: list[Gap] = []
    for number, span in enumerate(spans):
        if not isinstance(span.end, Failure):
            continue
        before = join_features([other.features for other in spans[: number + 1]])
        start = number * seconds
        if len(before):
            usual = float(np.median(np.diff(before.times))) if len(before) > 1 else 0.04
            start = float(before.times[-1]) + usual
        after = [float(other.features.times[0]) for other in spans[number + 1 :] if len(other.features)]
        gaps.append(Gap(start, max(after[0] if after else video_end, start), span.end.reason, span.end.message))
    return gaps


def _merged(gaps: Sequence[Gap]) -> list[Gap]:
    """Gaps that follow each other for one reason are one."""
    merged: list[Gap] = []
    for gap in gaps:
        last = merged[-1] if merged else None
        if last is not None and last.reason == gap.reason and gap.start_s <= last.end_s:
            merged[-1] = Gap(last.start_s, max(last.end_s, gap.end_s), last.reason, last.message)
        else:
            merged.append(gap)
    return merged


def shots_path(shots_recipe: str, asset_id: str, count: int) -> str:
    return f"{SHOTS}/{shots_recipe}/{asset_id[:2]}/{asset_id}-{count:06d}.parquet"


def write_shots(store: OutputStore, shots_recipe: str, asset_id: str, shots: Sequence[Shot]) -> None:
    """Raises OSError where the output cannot be written."""
    rows = [
        {
            "shot_number": shot.number,
            "start_s": shot.start_s,
            "end_s": shot.end_s,
            "frame_times": list(shot.frame_times),
            "flags": list(shot.flags),
            "reason": shot.reason.value if shot.reason else None,
            "message": shot.message,
            "glimpses": list(shot.glimpses),
            "stays": [list(stay) for stay in shot.stays],
        }
        for shot in shots
    ]
    store.write(
        shots_path(shots_recipe, asset_id, len(shots)), parquet_bytes(pa.Table.from_pylist(rows, schema=_SHOT_LIST))
    )


def read_shots(store: OutputStore, shots_recipe: str, asset_id: str, count: int) -> list[Shot]:
    """A video's shots, by number."""
    table = pq.read_table(io.BytesIO(store.read(shots_path(shots_recipe, asset_id, count))), use_threads=False)
    return [
        Shot(
            row["shot_number"],
            row["start_s"],
            row["end_s"],
            tuple(row["frame_times"]),
            tuple(row["flags"]),
            Reason(row["reason"]) if row["reason"] else None,
            row["message"],
            tuple(row["glimpses"]),
            tuple((since, until) for since, until in row["stays"]),
        )
        for row in table.to_pylist()
    ]


def shot_counts(store: OutputStore, shots_recipe: str) -> pa.Table:
    """(asset_id, shot_count) of the videos cut by this recipe, from the files' names alone."""
    counts: dict[str, int] = {}
    for name in store.names(f"{SHOTS}/{shots_recipe}"):
        match = _LIST.fullmatch(name)
        if match is not None:
            counts.setdefault(match["asset"], int(match["count"]))
    return pa.table(
        {"asset_id": pa.array(counts.keys(), pa.string()), "shot_count": pa.array(counts.values(), pa.int32())}
    )
