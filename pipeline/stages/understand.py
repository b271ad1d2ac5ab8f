"""The understand stage: documents and films whose segments are all settled are summarised and asked, one by one.

It reads committed segments, never a file again, and may be run anew with other questions. Every piece of evidence is
looked up in the page or the seconds it names before it is committed. Memory is that of one document's text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.load import ModelChoice, load_replica
from model.protocol import Answer, AssetText, DocumentText, Evidence, FilmText, Question, RgbImage, Usage
from pipeline.budget import StopSign
from pipeline.evidence import verify, verify_in_film
from pipeline.failures import Failure, Reason
from pipeline.metrics import ReplicaMetrics
from pipeline.rows import Provenance, Row, answer_row, failure_row, page_text, shot_text, summary_row
from pipeline.stages.pictures import DocumentPictures, FilmPictures, PictureAccess, Pictures
from pipeline.stages.results import UnitResult, results_table
from pipeline.watchdog import deadline
from pipeline.work import MAX_ATTEMPTS, Attempts, WorkArea, asset_key

QUESTION = pa.struct([("question_id", pa.string()), ("question", pa.string()), ("recipe_id", pa.string())])
DOCUMENTS = pa.schema(
    [
        ("asset_id", pa.string()),
        ("uri", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("kind", pa.string()),
        ("title", pa.string()),
        ("duration_s", pa.float64()),
        ("segment_files", pa.list_(pa.string())),
        ("summary_wanted", pa.bool_()),
        ("questions", pa.list_(QUESTION)),
    ]
)
_COLUMNS = ["segment", "text", "blocks", "language", "width_px", "height_px", "rotation"]
_SHOT_COLUMNS = ["segment", "start_s", "end_s", "text", "blocks", "caption", "language", "frame_times"]

Lookup = Callable[[Evidence], Evidence]
Pictured = TypeVar("Pictured", DocumentPictures, FilmPictures)


@dataclass(frozen=True, slots=True)
class UnderstandJob:
    """What an understand actor needs to know. ``provenance`` is the summaries'; answers carry their own recipes."""

    work: WorkArea
    model: ModelChoice
    read_recipe_id: str
    provenance: Provenance
    seconds_per_task: float
    pictures: PictureAccess | None = None
    stop: StopSign | None = None


@dataclass(frozen=True, slots=True)
class _GivenUp:
    """A task that failed: a question's, or the summary's where ``question_id`` is None."""

    question_id: str | None
    recipe_id: str
    error: Exception


class UnderstandActor:
    def __init__(self, job: UnderstandJob) -> None:
        self._job = job
        self._attempts = Attempts(job.work, job.provenance.run_id)
        self._replica = load_replica(job.model)
        self._metrics = ReplicaMetrics("understand", job.provenance.model, job.provenance.run_id)
        self._pictures = Pictures(job.pictures) if job.pictures is not None else None

    def __call__(self, documents: pa.Table) -> pa.Table:
        """Summarise and ask the documents of one block. Never raises: failures are rows."""
        return results_table([self._understand(row) for row in documents.to_pylist()])

    def _understand(self, row: dict[str, Any]) -> UnitResult:
        result = UnitResult()
        begun = time.perf_counter()
        try:
            if self._job.stop is not None and self._job.stop.is_up():
                result.postponed_summaries = int(row["summary_wanted"])
                result.postponed = result.postponed_summaries + len(row["questions"])
                return result
            asset = load_asset(self._job.work, row, self._job.read_recipe_id)
            lookup = _lookup(asset)
            result.idle_seconds = time.perf_counter() - begun
            with self._shown(row, asset) as asset:
                if row["summary_wanted"]:
                    self._summarize(asset, lookup, result)
                if row["questions"]:
                    self._answer(asset, lookup, row["questions"], result)
        except OSError as error:
            result.output_error = f"{type(error).__name__}: {error}"
        result.busy_seconds = time.perf_counter() - begun - result.idle_seconds
        self._metrics.add(result)
        return result

    @contextmanager
    def _shown(self, row: dict[str, Any], asset: AssetText) -> Iterator[AssetText]:
        """The asset with its pictures, where the replica looks; a file that is gone fails when looked at."""
        if self._pictures is None:
            yield asset
            return
        with ExitStack() as stack:
            if isinstance(asset, FilmText):
                yield replace(asset, pictures=_entered(stack, self._pictures.of_film(row)))
            else:
                yield replace(asset, pictures=_entered(stack, self._pictures.of_document(row, asset.pages)))

    def _summarize(self, document: AssetText, lookup: Lookup, result: UnitResult) -> None:
        recipe = self._job.provenance.recipe_id
        key = asset_key([recipe], document.asset_id)
        if self._job.work.store.exists(self._job.work.path("summaries", key)):
            result.done += 1
            return
        attempt = self._attempts.begin(f"summarize/{key}")
        try:
            _refuse_deadly(attempt, document.uri)
            with deadline(self._job.seconds_per_task, f"summarising {document.uri}"):
                summary = self._replica.summarize(document)
        except Exception as error:  # noqa: BLE001  any model may raise anything; it becomes a failure row
            self._fail(document, "summarize", key, [_GivenUp(None, recipe, error)], attempt, result)
            return
        points = tuple(replace(point, evidence=tuple(map(lookup, point.evidence))) for point in summary.key_points)
        row = summary_row(document.asset_id, replace(summary, key_points=points), self._job.provenance)
        self._job.work.commit("summaries", key, "summaries", [row])
        _count(result, [summary.usage])

    def _answer(self, document: AssetText, lookup: Lookup, asked: Sequence[dict[str, str]], result: UnitResult) -> None:
        key = asset_key([item["recipe_id"] for item in asked], document.asset_id)
        if self._job.work.store.exists(self._job.work.path("answers", key)):
            result.done += len(asked)
            return
        questions = [Question(item["question_id"], item["question"]) for item in asked]
        attempt = self._attempts.begin(f"answer/{key}")
        rows: list[Row] = []
        given_up: list[_GivenUp] = []
        usages: list[Usage] = []
        for item, question, answer in zip(asked, questions, self._ask(document, questions, attempt), strict=True):
            if isinstance(answer, Exception):
                given_up.append(_GivenUp(question.question_id, item["recipe_id"], answer))
                continue
            shown = replace(answer, evidence=tuple(map(lookup, answer.evidence)))
            provenance = replace(self._job.provenance, recipe_id=item["recipe_id"])
            rows.append(answer_row(document.asset_id, question, shown, provenance))
            usages.append(answer.usage)
        if given_up:
            self._fail(document, "answer", key, given_up, attempt, result)
        if rows:
            self._job.work.commit("answers", key, "answers", rows)
        _count(result, usages)

    def _ask(self, document: AssetText, questions: Sequence[Question], attempt: int) -> list[Answer | Exception]:
        """One answer a question. Where the replica stumbles over several questions, each is asked alone."""
        try:
            _refuse_deadly(attempt, document.uri)
            with deadline(self._job.seconds_per_task * len(questions), f"asking {document.uri}"):
                return list(self._replica.answer(document, questions))
        except Exception as error:  # noqa: BLE001  any model may raise anything; it becomes failure rows
            if len(questions) == 1 or isinstance(error, Failure):
                return [error] * len(questions)
            return [answer for question in questions for answer in self._ask(document, [question], attempt)]

    def _fail(
        self,
        document: AssetText,
        stage: str,
        key: str,
        given_up: Sequence[_GivenUp],
        attempt: int,
        result: UnitResult,
    ) -> None:
        rows: list[Row] = []
        for item in given_up:
            message = f"{document.uri}: the model failed to {stage} it ({type(item.error).__name__}: {item.error})"
            failure = item.error if isinstance(item.error, Failure) else Failure(Reason.MODEL_ERROR, message)
            rows.append(
                failure_row(
                    uri=document.uri,
                    asset_id=document.asset_id,
                    stage=stage,
                    failure=failure,
                    run_id=self._job.provenance.run_id,
                    recipe_id=item.recipe_id,
                    question_id=item.question_id,
                    attempts=min(attempt, MAX_ATTEMPTS),
                )
            )
        self._job.work.commit(f"failures/{stage}", key, "failures", rows)
        result.failed += len(rows)


def load_asset(work: WorkArea, row: Mapping[str, Any], recipe_id: str) -> AssetText:
    """The committed pages or shots of one asset under one recipe, in order, from the files that may hold them."""
    if row["kind"] == "video":
        shots = sorted(map(shot_text, _segments(work, row, recipe_id, _SHOT_COLUMNS)), key=lambda s: s.shot_number)
        return FilmText(row["asset_id"], row["uri"], row["title"], row["duration_s"], tuple(shots))
    pages = sorted(map(page_text, _segments(work, row, recipe_id, _COLUMNS)), key=lambda page: page.page_number)
    return DocumentText(row["asset_id"], row["uri"], row["title"], tuple(pages))


def _segments(work: WorkArea, row: Mapping[str, Any], recipe_id: str, columns: list[str]) -> Iterator[Row]:
    condition = (pc.field("asset_id") == row["asset_id"]) & (pc.field("recipe_id") == recipe_id)
    for path in row["segment_files"]:
        with work.store.filesystem.open(work.store.full(path), "rb") as stream:
            table = pq.read_table(stream, columns=columns, filters=condition)
        for batch in table.to_batches():
            yield from batch.to_pylist()


@dataclass(frozen=True, slots=True)
class _Gone:
    """Stands for the pictures of a file that cannot be opened again."""

    failure: Failure

    def __call__(self, page_or_time: float, /) -> RgbImage:
        raise self.failure


def _entered(stack: ExitStack, opening: AbstractContextManager[Pictured]) -> Pictured | _Gone:
    try:
        return stack.enter_context(opening)
    except Failure as failure:
        return _Gone(failure)


def _lookup(asset: AssetText) -> Lookup:
    """Verifies evidence in the asset's own text."""
    if isinstance(asset, FilmText):
        shots = asset.shots
        return lambda evidence: verify_in_film(evidence, shots)
    pages = {page.page_number: page for page in asset.pages}
    return lambda evidence: verify(evidence, pages)


def _refuse_deadly(attempt: int, uri: str) -> None:
    if attempt > MAX_ATTEMPTS:
        raise Failure(Reason.WORKER_DIED, f"{uri}: the worker died {MAX_ATTEMPTS} times on this document")


def _count(result: UnitResult, usages: Sequence[Usage]) -> None:
    result.done += len(usages)
    result.input_tokens += sum(usage.input_tokens for usage in usages)
    result.output_tokens += sum(usage.output_tokens for usage in usages)
