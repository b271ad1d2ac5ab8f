"""Documents and videos made ready to be understood, while the replica is at others: their texts, and their files.

A block's texts are loaded at once, by a thread; files whose pictures are looked at are fetched a few at a time. Ray
gives a block again only where its worker died: then each document's summary, and its answers, are tried alone behind a
marker of their own, so that what kills workers is found and its neighbours are not blamed. Memory is that of two
blocks' texts; pictures are decoded when the replica asks for them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import TypeVar

from folioscope.model.protocol import AssetTasks, AssetText, RgbImage, VideoText
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.planning.documents import DocumentTasks
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.documents import with_text
from folioscope.pipeline.stages.pictures import DocumentPictures, PictureAccess, Pictures, VideoPictures
from folioscope.pipeline.stages.prefetch import Prefetch, known, told
from folioscope.pipeline.tables.commits import BlockCommit, Unit
from folioscope.pipeline.tables.rows import Provenance
from folioscope.pipeline.tables.work import MAX_ATTEMPTS, Attempts, WorkArea, digest

DOCUMENTS_AHEAD = 4
Pictured = TypeVar("Pictured", DocumentPictures, VideoPictures)
Texts = Mapping[str, AssetText]


@dataclass(frozen=True, slots=True)
class UnderstandJob:
    """What understanding takes. Each summary and answer carries its own recipe in ``provenance``."""

    provenance: Provenance
    seconds_per_task: float
    pictures: PictureAccess | None = None
    stop: StopSignal | None = None


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """What is left to do of a document, and the document itself.

    ``asset`` is None where nothing is to be done: all of it is settled, or deferred since the run is to stop, or given
    up for ``failure``, or ``error`` says what keeps it from being done. ``settled`` of its tasks an earlier try of the
    block has done. ``files`` keeps its file where it is until closed.
    """

    document: DocumentTasks
    asset: AssetText | None = None
    settled: int = 0
    attempt: int = 1
    alone: bool = False
    deferred: bool = False
    failure: Failure | None = None
    error: str | None = None
    files: ExitStack = field(default_factory=ExitStack)

    @property
    def asked(self) -> AssetTasks | None:
        if self.asset is None:
            return None
        questions = tuple(item.question for item in self.document.questions)
        return AssetTasks(self.asset, self.document.summary_wanted, questions)


class DocumentPrefetcher:
    """Prepares blocks, one after the other. Holds some threads, and decode children where pictures are looked at."""

    def __init__(self, job: UnderstandJob) -> None:
        self._job = job
        self._pictures = Pictures(job.pictures) if job.pictures is not None else None
        self._threads = ThreadPoolExecutor(DOCUMENTS_AHEAD, thread_name_prefix="documents")

    def prefetch(self, documents: Sequence[DocumentTasks], work: WorkArea) -> Prefetch[PreparedDocument]:
        """A block's documents, in order. What cannot be had is told in its place."""
        block = digest([unit.key for document in documents for unit in document.units()])
        run_id = self._job.provenance.run_id
        commit = BlockCommit(work, "understand", block, run_id)
        attempts = Attempts(work, run_id)
        try:
            if self._stopping():
                deferred = (known(PreparedDocument(one, deferred=True)) for one in documents)
                return Prefetch(deferred, commit, len(documents))
            again = not attempts.is_first(f"understand-{block}")
            if again:
                commit.recall()
        except OSError as error:
            words = told(error)
            kept = (known(PreparedDocument(one, error=words)) for one in documents)
            return Prefetch(kept, commit, len(documents))
        left = [part for one in documents for part in (one.parts() if again else [one])]
        wanted = [part for part in left if not commit.settled.issuperset(part.units())]
        texts = self._threads.submit(_loaded, work, wanted)
        if again:
            guarded = (known(self._guarded(part, texts, commit.settled, attempts)) for part in left)
            return Prefetch(guarded, commit, len(left), alone=True)
        started = (self._threads.submit(self._opened, one, texts) for one in left)
        return Prefetch(started, commit, len(left), ahead=DOCUMENTS_AHEAD)

    def _guarded(
        self, part: DocumentTasks, texts: Future[Texts], settled: Collection[Unit], attempts: Attempts
    ) -> PreparedDocument:
        """A part of a block that took a worker down: it may be settled, or be what did it."""
        left = _left(part, settled)
        done = part.tasks - left.tasks
        if not left.tasks:
            return PreparedDocument(left, settled=done, alone=True)
        try:
            if self._stopping():
                return PreparedDocument(left, settled=done, alone=True, deferred=True)
            attempt = 1 + attempts.begin(_marker(left))  # the block's own try was the first
        except OSError as error:
            return PreparedDocument(left, alone=True, error=told(error))
        if attempt > MAX_ATTEMPTS:
            message = f"{part.uri}: the worker died {MAX_ATTEMPTS} times on this document"
            failure = Failure(Reason.WORKER_DIED, message)
            return PreparedDocument(left, settled=done, attempt=MAX_ATTEMPTS, alone=True, failure=failure)
        return replace(self._opened(left, texts), settled=done, attempt=attempt, alone=True)

    def _opened(self, document: DocumentTasks, texts: Future[Texts]) -> PreparedDocument:
        files = ExitStack()
        try:
            if self._stopping():
                return PreparedDocument(document, deferred=True)
            shown = self._shown(document, texts.result()[document.asset_id], files)
        except OSError as error:  # of the output, or of this node; what the file does is a Failure
            return PreparedDocument(document, error=told(error))
        return PreparedDocument(document, shown, files=files)

    def _shown(self, document: DocumentTasks, asset: AssetText, files: ExitStack) -> AssetText:
        """The asset with its pictures, where the replica looks; a file that is gone fails when looked at."""
        if self._pictures is None:
            return asset
        if isinstance(asset, VideoText):
            return replace(asset, pictures=_entered(files, self._pictures.of_video(document)))
        return replace(asset, pictures=_entered(files, self._pictures.of_document(document, asset.pages)))

    def _stopping(self) -> bool:
        return self._job.stop is not None and self._job.stop.is_set()


@dataclass(frozen=True, slots=True)
class _Gone:
    """Stands for the pictures of a file that cannot be opened again."""

    failure: Failure

    def __call__(self, page_or_time: float, /) -> RgbImage:
        raise self.failure


def _entered(files: ExitStack, opening: AbstractContextManager[Pictured]) -> Pictured | _Gone:
    try:
        return files.enter_context(opening)
    except Failure as failure:
        return _Gone(failure)


def _loaded(work: WorkArea, documents: Sequence[DocumentTasks]) -> Texts:
    """Raises OSError where the output cannot be read."""
    by_asset = {document.asset_id: document for document in documents}
    return {document.asset_id: text for document, text in with_text(work.store, list(by_asset.values()))}


def _left(document: DocumentTasks, settled: Collection[Unit]) -> DocumentTasks:
    wanted = document.summary_wanted and document.summary_unit() not in settled
    asked = zip(document.questions, document.answer_units(), strict=True)
    return replace(
        document, summary_wanted=wanted, questions=tuple(item for item, unit in asked if unit not in settled)
    )


def _marker(document: DocumentTasks) -> str:
    keys = [unit.key for unit in document.units()]
    return keys[0] if document.summary_wanted else digest(keys)
