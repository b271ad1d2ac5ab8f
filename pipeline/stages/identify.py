"""The identify stage: files never seen under this etag are read once, hashed, and looked into in a killable child.

One block is a batch of files; its outcome commits as one file of ``assets`` rows and one of failures. The price is
that a remote file is fetched here and, unless the node's spool still holds it, once more to be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.budget import StopSign
from pipeline.decode.children import ChildLimits, DecodeChildren
from pipeline.decode.pages import Kind, Probe
from pipeline.failures import Failure, Reason
from pipeline.rows import Row, failure_row, now
from pipeline.sources import SourceFile
from pipeline.spool import Spooled, spool
from pipeline.stages.results import UnitResult, results_table
from pipeline.work import MAX_ATTEMPTS, Attempts, WorkArea, digest

FILES_PER_BLOCK = 64


@dataclass(frozen=True, slots=True)
class IdentifyJob:
    """What an identify actor needs to know. ``passwords`` are plain: Ray's own store holds them for the run."""

    work: WorkArea
    run_id: str
    spool_folder: str
    max_file_bytes: int
    limits: ChildLimits
    passwords: tuple[str, ...]
    kinds: tuple[Kind, ...]
    stop: StopSign | None = None


class IdentifyActor:
    def __init__(self, job: IdentifyJob) -> None:
        self._job = job
        self._attempts = Attempts(job.work, job.run_id)
        self._children = DecodeChildren(1, job.limits, job.passwords)

    def __call__(self, files: pa.Table) -> pa.Table:
        """Identify and commit one batch of listed files (uri, etag, size, modified_at). Never raises.

        Ray gives a batch again only where its worker died: then each file is looked into and committed alone, behind
        a marker of its own, so that the one that kills workers is found and its neighbours are not blamed.
        """
        sources = [SourceFile(**row) for row in files.to_pylist()]
        result = UnitResult()
        try:
            if self._job.stop is not None and self._job.stop.is_up():
                result.postponed = len(sources)
            elif self._settled(key := _key(sources)):
                result.done = len(sources)
            elif self._attempts.begin(f"identify-{key}") == 1:
                self._identify(sources, key, result, attempt=1)
            else:
                for source in sources:
                    self._identify_alone(source, result)
        except OSError as error:
            result.output_error = f"{type(error).__name__}: {error}"
        return results_table([result])

    def _settled(self, key: str) -> bool:
        return self._job.work.store.exists(self._job.work.path("identify", key))

    def _identify_alone(self, source: SourceFile, result: UnitResult) -> None:
        key = _key([source])
        if self._settled(key):
            result.done += 1
        else:
            attempt = 1 + self._attempts.begin(f"identify-{key}")  # the batch's own try was the first
            self._identify([source], key, result, attempt)

    def _identify(self, sources: list[SourceFile], key: str, result: UnitResult, attempt: int) -> None:
        assets: list[Row] = []
        failures: list[Row] = []
        for source in sources:
            try:
                if attempt > MAX_ATTEMPTS:
                    raise Failure(Reason.WORKER_DIED, f"{source.uri}: its worker died {MAX_ATTEMPTS} times; run again")
                spooled, probe = self._look(source)
            except Failure as failure:
                assets.append(_asset_row(source, None, None, failure.reason, self._job.run_id))
                failures.append(
                    failure_row(
                        uri=source.uri,
                        asset_id=None,
                        stage="plan",
                        failure=failure,
                        run_id=self._job.run_id,
                        attempts=min(attempt, MAX_ATTEMPTS),
                    )
                )
            else:
                assets.append(_asset_row(source, spooled, probe, None, self._job.run_id))
        if failures:
            self._job.work.commit("failures/plan", key, "failures", failures)
        self._job.work.commit("identify", key, "assets", assets)
        result.done += len(assets) - len(failures)
        result.failed += len(failures)

    def _look(self, source: SourceFile) -> tuple[Spooled, Probe]:
        spooled = spool(source, Path(self._job.spool_folder), self._job.max_file_bytes)
        probe = self._children.probe(spooled.path, source.uri)
        if probe.kind not in self._job.kinds:
            job = "jobs/index_videos.py" if probe.kind == "video" else "jobs/extract_docs.py"
            message = f"{source.uri}: its content is a {probe.kind}, whatever its name says; rename it for {job}"
            raise Failure(Reason.TYPE_MISMATCH, message)
        return spooled, probe


def _key(sources: list[SourceFile]) -> str:
    return digest([part for source in sources for part in (source.uri, source.etag)])


def _asset_row(
    source: SourceFile, spooled: Spooled | None, probe: Probe | None, reason: Reason | None, run_id: str
) -> dict[str, Any]:
    film = probe.film if probe else None
    return {
        "uri": source.uri,
        "asset_id": spooled.sha256 if spooled else None,
        "etag": source.etag,
        "size": source.size,
        "modified_at": source.modified_at,
        "kind": probe.kind if probe else None,
        "page_count": probe.page_count if probe else None,
        "shot_count": None,
        "duration_s": film.duration_s if film else None,
        "width_px": probe.width_px if probe else None,
        "height_px": probe.height_px if probe else None,
        "fps": film.fps if film else None,
        "variable_fps": film.variable_fps if film else None,
        "rotation": film.rotation if film else None,
        "container": film.container if film else None,
        "codec": film.codec if film else None,
        "has_audio": film.has_audio if film else None,
        "title": probe.title if probe else None,
        "status": "failed" if reason else "pending",
        "reason": reason.value if reason else None,
        "read_recipe_id": None,
        "summary_recipe_id": None,
        "answer_recipe_ids": None,
        "run_id": run_id,
        "first_seen_at": now(),
    }
