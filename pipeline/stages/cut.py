"""The cut stage: films are looked over span by span on CPUs; whoever finishes a film's last span finds its shots.

A span commits its frames' features under the work area; joined, they become the film's list of shots, which is kept for
good. Any worker can take any span. Costs what decoding every frame at a small size costs, some 2 ms a frame of 720p.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.budget import StopSign
from pipeline.decode.children import ChildLimits, DecodeChildren, ScannedSpan
from pipeline.failures import Failure, Reason
from pipeline.features import NO_FRAMES
from pipeline.films import Span, join_spans, make_cut_recipe, read_scan, scan_bytes, write_shots
from pipeline.rows import failure_row
from pipeline.shots import CutSettings, find_shots
from pipeline.sources import SourceFile
from pipeline.spool import open_asset
from pipeline.stages.results import UnitResult, results_table
from pipeline.work import MAX_ATTEMPTS, Attempts, WorkArea

SPANS = pa.schema(
    [
        ("uri", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("asset_id", pa.string()),
        ("duration_s", pa.float64()),
        ("number", pa.int32()),
        ("count", pa.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class CutJob:
    """What a cut actor needs to know."""

    work: WorkArea
    run_id: str
    settings: CutSettings
    seconds_per_unit: float
    spool_folder: str
    max_file_bytes: int
    limits: ChildLimits
    passwords: tuple[str, ...]
    stop: StopSign | None = None


class CutActor:
    def __init__(self, job: CutJob) -> None:
        self._job = job
        self._recipe = make_cut_recipe(job.settings)
        self._attempts = Attempts(job.work, job.run_id)
        self._children = DecodeChildren(1, job.limits, job.passwords)

    def __call__(self, spans: pa.Table) -> pa.Table:
        """Look over and commit the spans of one block. Never raises: what goes wrong is in the rows or the result."""
        return results_table([self._settle(row) for row in spans.to_pylist()])

    def _settle(self, row: dict[str, Any]) -> UnitResult:
        result = UnitResult(done=1)  # no seconds: no replica is at work
        try:
            if self._job.stop is not None and self._job.stop.is_up():
                return UnitResult(postponed=1)
            self._cut(row, Span(row["asset_id"], row["number"], row["count"], self._job.seconds_per_unit))
        except Failure as failure:  # the file cannot be had: no verdict on the film, it is tried again by the next run
            result.done, result.failed = 0, 1
            self._commit_failure(row, failure, result)
        except OSError as error:
            result.output_error = f"{type(error).__name__}: {error}"
        return result

    def _cut(self, row: dict[str, Any], span: Span) -> None:
        if span.count == 1:
            self._find_shots(row, span, [self._scan(row, span)])
            return
        path = self._scan_path(span)
        store = self._job.work.store
        if not store.exists(path):
            store.write(path, scan_bytes(self._scan(row, span)))
        paths = [self._scan_path(Span(span.asset_id, n, span.count, span.seconds)) for n in range(span.count)]
        if all(store.exists(other) for other in reversed(paths)):  # the last comes last: mostly one look is enough
            self._find_shots(row, span, [read_scan(store.read(other)) for other in paths])

    def _scan_path(self, span: Span) -> str:
        return self._job.work.path("scans", span.key(self._recipe))

    def _scan(self, row: dict[str, Any], span: Span) -> ScannedSpan:
        if self._attempts.begin(f"cut-{span.key(self._recipe)}") > MAX_ATTEMPTS:
            message = f"{row['uri']}: the worker died {MAX_ATTEMPTS} times on this span; watch the film alone"
            return ScannedSpan(NO_FRAMES, Failure(Reason.WORKER_DIED, message))
        source = SourceFile(row["uri"], row["size"], row["etag"], None)
        with open_asset(source, row["asset_id"], Path(self._job.spool_folder), self._job.max_file_bytes) as path:
            return self._children.scan(path, span.start_s, span.end_s, row["uri"])

    def _find_shots(self, row: dict[str, Any], span: Span, scans: list[ScannedSpan]) -> None:
        scan = join_spans(scans, span.seconds, row["duration_s"], row["uri"])
        write_shots(self._job.work.store, self._recipe, span.asset_id, find_shots(scan, self._job.settings))

    def _commit_failure(self, row: dict[str, Any], failure: Failure, result: UnitResult) -> None:
        told = failure_row(
            uri=row["uri"], asset_id=row["asset_id"], stage="plan", failure=failure, run_id=self._job.run_id
        )
        try:
            self._job.work.commit("failures/plan", f"cut-{row['asset_id']}", "failures", [told])
        except OSError as error:
            result.output_error = f"{type(error).__name__}: {error}"
