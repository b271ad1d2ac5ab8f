"""Shot detection: videos are scanned span by span on CPUs; whoever finishes a video's last span finds its shots.

A span commits its frames' features under the work area; joined, they become the video's list of shots, which is kept
for good. Any worker can take any span. Costs what decoding every frame at a small size costs, some 2 ms a frame of
720p.

The video's subtitles and captions are listed on the same occasion, before its shots, so that a video with shots has its
cues, too: captions come with the frames that the spans decode, tracks from one more pass over the packets where there
are any, and subtitles that are pictures are recognised here, at 0.2 CPU-seconds each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from folioscope.model.transitions import load_model
from folioscope.pipeline.decode.children import SUBTITLES_FAILED, DecodeChildren
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.planning.video_units import SpanToScan
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.picture_cues import recognise_pictures
from folioscope.pipeline.stages.results import UnitResult, results_table
from folioscope.pipeline.stages.transitions import with_transitions
from folioscope.pipeline.tables.commits import commit_failures
from folioscope.pipeline.tables.cue_lists import has_cues, write_cues
from folioscope.pipeline.tables.rows import failure_row
from folioscope.pipeline.tables.shot_lists import (
    Span,
    join_spans,
    joined_captions,
    make_shots_recipe,
    read_scan,
    scan_bytes,
    write_shots,
)
from folioscope.pipeline.tables.work import MAX_ATTEMPTS, Attempts, WorkArea
from folioscope.pipeline.video.cues import Cue, distinct
from folioscope.pipeline.video.features import NO_FRAMES, ScannedSpan
from folioscope.pipeline.video.shots import ShotSettings, find_shots


@dataclass(frozen=True, slots=True)
class ShotDetectionJob:
    """What a shot detection actor needs to know."""

    work: WorkArea
    run_id: str
    settings: ShotSettings
    seconds_per_unit: float
    files: FileAccess
    stop: StopSignal | None = None


class ShotDetectionActor:
    def __init__(self, job: ShotDetectionJob) -> None:
        self._job = job
        self._recipe = make_shots_recipe(job.settings)
        self._attempts = Attempts(job.work, job.run_id)
        self._children = DecodeChildren(1, job.files.limits, job.files.passwords)
        self._by_network = job.settings.detector == "transnetv2"
        self._network: Any = None  # loaded for the first video

    def __call__(self, spans: pa.Table) -> pa.Table:
        """Look over and commit the spans of one block. Never raises: what goes wrong is in the rows or the result."""
        return results_table([self._settle(SpanToScan(**row)) for row in spans.to_pylist()])

    def _settle(self, row: SpanToScan) -> UnitResult:
        result = UnitResult(done=1)  # no seconds: no replica is at work
        try:
            if self._job.stop is not None and self._job.stop.is_set():
                return UnitResult(deferred=1)
            self._cut(row, row.span(self._job.seconds_per_unit))
        except Failure as failure:  # the file cannot be had: no verdict on the video, it is tried again by the next run
            result.done, result.failed = 0, 1
            self._commit_failure(row, failure, result)
        except OSError as error:
            result.output_error = f"{type(error).__name__}: {error}"
        return result

    def _cut(self, row: SpanToScan, span: Span) -> None:
        if span.count == 1:
            self._find_shots(row, span, [self._scan(row, span)])
            return
        path = self._scan_path(span)
        store = self._job.work.store
        if not store.exists(path):
            store.write(path, scan_bytes(self._scan(row, span)))
        paths = [self._scan_path(Span(span.asset_id, n, span.count, span.seconds)) for n in range(span.count)]
        if all(store.exists(other) for other in reversed(paths)):  # the last comes last: mostly one look is enough
            self._find_shots(row, span, (read_scan(store.read(other)) for other in paths))

    def _scan_path(self, span: Span) -> str:
        return self._job.work.path("scans", span.key(self._recipe))

    def _scan(self, row: SpanToScan, span: Span) -> ScannedSpan:
        if self._attempts.begin(f"cut-{span.key(self._recipe)}") > MAX_ATTEMPTS:
            message = f"{row.uri}: the worker died {MAX_ATTEMPTS} times on this span; watch the video alone"
            return ScannedSpan(NO_FRAMES, Failure(Reason.WORKER_DIED, message))
        with self._job.files.open(row.source, row.asset_id, self._children) as path:
            return self._children.scan(path, span.start_s, span.end_s, row.uri, miniatures=self._by_network)

    def _find_shots(self, row: SpanToScan, span: Span, found: Iterable[ScannedSpan]) -> None:
        scans = self._with_transitions(found) if self._by_network else list(found)
        scan = join_spans(scans, span.seconds, row.duration_s, row.uri)
        store = self._job.work.store
        if not has_cues(store, self._recipe, span.asset_id):
            cues, notes = self._cues(row, scans)
            write_cues(store, self._recipe, span.asset_id, cues, notes)
        write_shots(store, self._recipe, span.asset_id, find_shots(scan, self._job.settings))

    def _with_transitions(self, scans: Iterable[ScannedSpan]) -> list[ScannedSpan]:
        if self._network is None:
            self._network = load_model()
        return with_transitions(scans, self._network)

    def _cues(self, row: SpanToScan, scans: list[ScannedSpan]) -> tuple[list[Cue], tuple[str, ...]]:
        """The video's cues and flags of the whole video."""
        if self._attempts.begin(f"cues-{row.asset_id}") > MAX_ATTEMPTS:
            return [], (SUBTITLES_FAILED,)
        with self._job.files.open(row.source, row.asset_id, self._children) as path:
            found = self._children.cues(path, joined_captions(scans), row.uri)
        recognised = recognise_pictures(found.pictures) if found.pictures else []
        return distinct([*found.cues, *recognised]), found.notes

    def _commit_failure(self, row: SpanToScan, failure: Failure, result: UnitResult) -> None:
        told = failure_row(uri=row.uri, asset_id=row.asset_id, stage="plan", failure=failure, run_id=self._job.run_id)
        try:
            commit_failures(self._job.work, f"cut-{row.asset_id}", self._job.run_id, [told])
        except OSError as error:
            result.output_error = f"{type(error).__name__}: {error}"
