"""The understand stage: documents and videos whose segments are all settled are summarised and asked.

The replica takes them one after the other, across blocks, and works on as many at once as it has room for, while the
next ones' texts are loaded and their files fetched. It reads committed segments, and a file again only where the
replica looks at pictures; it may be run anew with other questions. Every piece of evidence is looked up in the page or
the seconds it names before it is committed. A document's summary and answers are committed together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from folioscope.model.protocol import (
    Answer,
    AssetTasks,
    AssetText,
    Evidence,
    Replica,
    Summary,
    Understanding,
    Usage,
    VideoText,
)
from folioscope.pipeline.failures import of_model
from folioscope.pipeline.planning.documents import AskedQuestion, DocumentTasks
from folioscope.pipeline.stages.document_prefetch import DocumentPrefetcher, PreparedDocument, UnderstandJob
from folioscope.pipeline.stages.evidence import verify, verify_in_video
from folioscope.pipeline.stages.in_flight import InFlightDocument
from folioscope.pipeline.stages.metrics import ReplicaMetrics
from folioscope.pipeline.stages.prefetch import Prefetch, told
from folioscope.pipeline.stages.results import UnitResult
from folioscope.pipeline.stages.turns import Block, Turns
from folioscope.pipeline.stages.watchdog import Watchdog
from folioscope.pipeline.tables.commits import Unit
from folioscope.pipeline.tables.rows import Provenance, Row, answer_row, failure_row, summary_row
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.coverage import coverage_rows, found_nothing

Lookup = Callable[[Evidence], Evidence]


@dataclass(slots=True)
class _Outcome:
    """What came of one document: rows by table, failures, and what it cost."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    failures: list[Row] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)


class UnderstandLoop:
    """The way of all blocks' documents through the replica, without a gap between blocks."""

    def __init__(self, job: UnderstandJob, replica: Replica, turns: Turns) -> None:
        self._job = job
        self._replica = replica
        self._prefetcher = DocumentPrefetcher(job)
        self._turns = turns
        self._metrics = ReplicaMetrics("understand", job.provenance.model, job.provenance.run_id)
        self._block: Block[DocumentTasks] | None = None  # the one whose documents are being opened
        self._coming: Prefetch[PreparedDocument] | None = None  # what of it is still to open
        self._held: InFlightDocument | None = None  # opened, and next to be handed out
        self._ended = False  # whether the replica was handed all that it was to be
        self._open: dict[str, InFlightDocument] = {}  # by asset, in the order in which the replica took them

    def understand(self, documents: Sequence[DocumentTasks], work: WorkArea) -> UnitResult:
        """What became of a block's documents, once it is committed."""
        return self._turns.give(self, Block(documents, work)) if documents else UnitResult()

    def run(self, block: Block[DocumentTasks]) -> None:
        """See :class:`folioscope.pipeline.stages.turns.Stream`."""
        self._begin(block)
        while self._coming is not None or self._held is not None:
            self._go_on()

    def _begin(self, block: Block[DocumentTasks]) -> None:
        self._block, self._coming = block, self._prefetcher.prefetch(block.rows, block.work)
        block.commit, block.parts = self._coming.commit, self._coming.parts

    def _go_on(self) -> None:
        """Understand until there are no more blocks, or up to where the replica must be empty-handed."""
        self._ended = False
        self._turns.canary.check()
        with Watchdog("summarising and asking documents") as self._watchdog:
            try:
                for found in self._replica.understand(self._handed_out()):
                    self._take(found)
                if self._open or not self._ended:
                    raise RuntimeError(f"the replica gave nothing for {len(self._open)} of its documents and ended")
            except Exception as error:  # any model may raise anything; it becomes failure rows
                if not self._open:
                    raise
                self._understand_singly(error)

    def _handed_out(self) -> Iterator[AssetTasks | None]:
        """Documents for the replica to take, None where the next is not ready; ends where it must be empty-handed."""
        while True:
            if self._coming is None and (block := self._turns.next_of(self)) is not None:
                self._begin(block)
            coming, held = self._coming, self._held
            if held is not None and held.asked.asset.asset_id not in self._open:  # else of a block before this one
                self._held, self._open[held.asked.asset.asset_id] = None, held
                self._watch()
                self._ended = held.prepared.alone
                yield held.asked
                if held.prepared.alone:
                    return
            elif self._open and (held is not None or coming is None or not (coming.alone or coming.ready)):
                yield None
            elif coming is None or (coming.alone and self._open):
                self._ended = True
                return
            else:
                self._held = self._open_next(coming)

    def _open_next(self, coming: Prefetch[PreparedDocument]) -> InFlightDocument | None:
        """The next document of the block; one with nothing to be done is settled, the block's end is noted."""
        self._watchdog.rest()
        prepared = self._turns.clock.waiting_for(coming.next)
        self._watch()
        block = self._block
        if prepared is None or block is None:
            self._coming = None
        elif (asked := prepared.asked) is not None:
            return InFlightDocument(block, prepared, asked)
        else:
            self._settle_untouched(block, prepared)
        return None

    def _watch(self) -> None:
        tasks = sum(document.tasks for document in self._open.values())
        self._watchdog.allow(self._job.seconds_per_task * max(1, tasks))

    def _take(self, found: Understanding) -> None:
        document = self._open.pop(found.asset_id)
        self._settle(document, _checked(document.asked, found))
        self._watch()

    def _understand_singly(self, error: Exception) -> None:
        """The replica stumbled: each document that it held is tried alone, its tasks one by one where that fails."""
        held = list(self._open.values())
        for document in held:
            self._watchdog.allow(self._job.seconds_per_task * document.tasks)
            self._take(self._alone(document.asked, error if len(held) == 1 else None))

    def _alone(self, asked: AssetTasks, error: Exception | None = None) -> Understanding:
        """What comes of one document's tasks; ``error`` is what they failed of together."""
        if error is None:
            try:
                [found] = self._replica.understand([asked])
                return found
            except Exception as own:  # noqa: BLE001  as above, and now it is this document's fault
                error = own
        asset_id = asked.asset.asset_id
        if int(asked.summarize) + len(asked.questions) == 1:
            return Understanding(asset_id, error if asked.summarize else None, (error,) * len(asked.questions))
        parts = [AssetTasks(asked.asset, questions=(question,)) for question in asked.questions]
        summary = self._alone(AssetTasks(asked.asset, summarize=True)).summary if asked.summarize else None
        return Understanding(asset_id, summary, tuple(answer for part in parts for answer in self._alone(part).answers))

    def _settle_untouched(self, block: Block[DocumentTasks], prepared: PreparedDocument) -> None:
        """A document that the replica need not see, or shall not."""
        document, result = prepared.document, self._turns.clock.lap()
        result.done, result.output_error = prepared.settled, prepared.error
        if prepared.deferred:
            result.deferred, result.deferred_summaries = document.tasks, int(document.summary_wanted)
        elif prepared.failure is not None:
            failure = prepared.failure
            failures = [self._failure(prepared, unit, failure) for unit in document.units()]
            self._commit(block, document, _Outcome(failures=failures), result)
        self._finish(block, result)

    def _settle(self, document: InFlightDocument, found: Understanding) -> None:
        prepared = document.prepared
        result = self._turns.clock.lap()
        result.done = prepared.settled
        prepared.files.close()
        self._commit(document.block, prepared.document, self._outcome(document, found), result)
        self._finish(document.block, result)

    def _commit(
        self, block: Block[DocumentTasks], document: DocumentTasks, outcome: _Outcome, result: UnitResult
    ) -> None:
        result.done += len(outcome.usages)
        result.failed += len(outcome.failures)
        result.input_tokens += sum(usage.input_tokens for usage in outcome.usages)
        result.output_tokens += sum(usage.output_tokens for usage in outcome.usages)
        try:
            if block.commit is not None:
                block.commit.add(document.units(), outcome.rows, outcome.failures)
        except OSError as error:
            result.output_error = told(error)

    def _finish(self, block: Block[DocumentTasks], result: UnitResult) -> None:
        self._metrics.add(result)
        block.add(result)

    def _outcome(self, document: InFlightDocument, found: Understanding) -> _Outcome:
        prepared, outcome = document.prepared, _Outcome()
        wanted, lookup = prepared.document, _lookup(document.asked.asset)
        if isinstance(found.summary, Summary):
            row = self._summary_row(wanted, document.asked.asset, found.summary, lookup)
            outcome.rows["summaries"] = [row]
            outcome.usages.append(found.summary.usage)
        elif found.summary is not None:
            outcome.failures.append(self._failure(prepared, wanted.summary_unit(), found.summary))
        for unit, item, answer in zip(wanted.answer_units(), wanted.questions, found.answers, strict=True):
            if isinstance(answer, Answer):
                row = self._answer_row(wanted, item, answer, lookup)
                outcome.rows.setdefault("coverage" if found_nothing(row) else "answers", []).append(row)
                outcome.usages.append(answer.usage)
            else:
                outcome.failures.append(self._failure(prepared, unit, answer))
        if "coverage" in outcome.rows:
            outcome.rows["coverage"] = coverage_rows(outcome.rows["coverage"])
        return outcome

    def _summary_row(self, document: DocumentTasks, asset: AssetText, summary: Summary, lookup: Lookup) -> Row:
        if isinstance(asset, VideoText) and asset.chapters:
            summary = replace(summary, chapters=asset.chapters)
        points = tuple(replace(point, evidence=tuple(map(lookup, point.evidence))) for point in summary.key_points)
        shown = replace(summary, key_points=points)
        return summary_row(document.uri, document.asset_id, shown, self._provenance(document.summary_recipe_id))

    def _answer_row(self, document: DocumentTasks, item: AskedQuestion, answer: Answer, lookup: Lookup) -> Row:
        shown = replace(answer, evidence=tuple(map(lookup, answer.evidence)))
        return answer_row(document.uri, document.asset_id, item.question, shown, self._provenance(item.recipe_id))

    def _provenance(self, recipe_id: str) -> Provenance:
        return replace(self._job.provenance, recipe_id=recipe_id)

    def _failure(self, prepared: PreparedDocument, unit: Unit, error: Exception) -> Row:
        uri = prepared.document.uri
        words = f"{uri}: the model failed to {unit.stage} it ({type(error).__name__}: {error})"
        return failure_row(
            uri=uri,
            asset_id=unit.asset_id,
            stage=unit.stage,
            failure=of_model(error, words),
            run_id=self._job.provenance.run_id,
            recipe_id=unit.recipe_id,
            question_id=unit.question_id,
            attempts=prepared.attempt,
        )


def _checked(asked: AssetTasks, found: Understanding) -> Understanding:
    """What the replica gave, with an error in the place of what it left out."""
    summary = found.summary if asked.summarize else None
    if asked.summarize and summary is None:
        summary = RuntimeError("the replica made no summary")
    if len(found.answers) == len(asked.questions):
        return replace(found, summary=summary)
    wrong = RuntimeError(f"the replica gave {len(found.answers)} answers to {len(asked.questions)} questions")
    return replace(found, summary=summary, answers=(wrong,) * len(asked.questions))


def _lookup(asset: AssetText) -> Lookup:
    """Verifies evidence in the asset's own text."""
    if isinstance(asset, VideoText):
        shots = asset.shots
        return lambda evidence: verify_in_video(evidence, shots)
    pages = {page.page_number: page for page in asset.pages}
    return lambda evidence: verify(evidence, pages)
