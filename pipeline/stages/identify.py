"""The identify stage: files never seen under this etag are read once, hashed, and looked into in a killable child.

One block is a batch of files; what becomes of them commits together, rows of ``assets`` and failures, with those of the
files inside each (``attachments.py``). The price is that a remote file is fetched here and, unless the node's download
cache still holds it, once more to be read.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.pages import Probe
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.kinds import Kind
from folioscope.pipeline.stages.asset_rows import asset_row
from folioscope.pipeline.stages.attachments import AttachmentLook, refuse_other_kinds
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.results import UnitResult, results_table
from folioscope.pipeline.storage.fetching import LocalCopy
from folioscope.pipeline.storage.source_file import SourceFile
from folioscope.pipeline.tables.commits import BlockCommit, Unit
from folioscope.pipeline.tables.rows import failure_row
from folioscope.pipeline.tables.work import MAX_ATTEMPTS, Attempts, WorkArea, digest

FILES_PER_BLOCK = 256


@dataclass(frozen=True, slots=True)
class IdentifyJob:
    """What an identify actor needs to know."""

    work: WorkArea
    run_id: str
    files: FileAccess
    kinds: tuple[Kind, ...]
    stop: StopSignal | None = None


class IdentifyActor:
    def __init__(self, job: IdentifyJob) -> None:
        self._job = job
        self._attempts = Attempts(job.work, job.run_id)
        self._children = DecodeChildren(1, job.files.limits, job.files.passwords)
        self._attachments = AttachmentLook(job.files, self._children, job.kinds, job.run_id)

    def __call__(self, files: pa.Table) -> pa.Table:
        """Identify and commit one batch of listed files (uri, etag, size, modified_at). Never raises.

        Ray gives a batch again only where its worker died: then each file is looked into and committed alone, behind
        a marker of its own, so that the one that kills workers is found and its neighbours are not blamed.
        """
        sources = [SourceFile(**row) for row in files.to_pylist()]
        block = digest([part for source in sources for part in (source.uri, source.etag)])
        commit = BlockCommit(self._job.work, "identify", block, self._job.run_id)
        result = UnitResult()
        try:
            if self._stopping():
                result.deferred = len(sources)
            else:
                if not self._attempts.is_first(f"identify-{block}"):
                    commit.recall()
                for source in sources:
                    self._identify(source, commit, result)
                commit.flush()
        except OSError as error:
            result = UnitResult(output_error=f"{type(error).__name__}: {error}")
        return results_table([result])

    def _stopping(self) -> bool:
        return self._job.stop is not None and self._job.stop.is_set()

    def _identify(self, source: SourceFile, commit: BlockCommit, result: UnitResult) -> None:
        unit = Unit.of_file(source.uri, source.etag)
        if unit in commit.settled:
            result.done += 1
            return
        # A batch that took its worker down has been tried once, unmarked.
        attempt = 1 + self._attempts.begin(unit.key) if commit.singly else 1
        try:
            if attempt > MAX_ATTEMPTS:
                raise Failure(Reason.WORKER_DIED, f"{source.uri}: its worker died {MAX_ATTEMPTS} times; run again")
            copy, probe = self._look(source)
        except Failure as failure:
            told = failure_row(
                uri=source.uri,
                asset_id=None,
                stage="plan",
                failure=failure,
                run_id=self._job.run_id,
                attempts=min(attempt, MAX_ATTEMPTS),
            )
            asset = asset_row(source, None, None, self._job.run_id, reason=failure.reason)
            commit.add([unit], {"assets": [asset]}, [told])
            result.failed += 1
        else:
            entries, inside = self._attachments.into(source, copy, probe)
            asset = asset_row(source, copy.sha256, probe, self._job.run_id, attachments=entries)
            commit.add([unit], {"assets": [asset, *inside.rows]}, inside.failures)
            result.done += 1

    def _look(self, source: SourceFile) -> tuple[LocalCopy, Probe]:
        copy = self._job.files.fetch(source)
        probe = self._children.probe(copy.path, source.uri)
        refuse_other_kinds(probe, source.uri, self._job.kinds)
        return copy, probe
