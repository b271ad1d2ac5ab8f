"""The understand actor: full across blocks, what is wanted of a document committed at once, one failure costs no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from folioscope.model.fake import FakeReplica
from folioscope.model.load import ModelChoice
from folioscope.model.protocol import (
    Answer,
    AssetTasks,
    DocumentText,
    PageInput,
    Question,
    Reading,
    Summary,
    Understanding,
)
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.failures import Failure
from folioscope.pipeline.planning.documents import AskedQuestion, DocumentTasks, SegmentSource
from folioscope.pipeline.stages import replica as replica_stage
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.document_prefetch import UnderstandJob
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.pictures import PictureAccess
from folioscope.pipeline.stages.prefetch import ReadJob
from folioscope.pipeline.stages.replica import ReplicaActor, ReplicaJob, read_block, understand_block
from folioscope.pipeline.stages.results import UnitResult
from folioscope.pipeline.stages.turns import Turns
from folioscope.pipeline.stages.understand import UnderstandLoop
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.commits import CommitRecord, read_records
from folioscope.pipeline.tables.part_files import write_part
from folioscope.pipeline.tables.rows import Provenance, page_row
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.migrations import to_table

PROVENANCE = Provenance("summary-recipe", "run", "fake@1")
QUESTIONS = {"one": "fine", "two": "raise", "three": "fine"}


class Stumbling(FakeReplica):
    """Raises where a question says so; counts how often it was called."""

    calls = 0

    def answer(self, document: DocumentText, questions: Sequence[Question]) -> list[Answer]:
        self.calls += 1
        if any("raise" in question.text for question in questions):
            raise RuntimeError("no such weight")
        return [Answer(question.question_id, "yes", True) for question in questions]

    def summarize(self, document: DocumentText) -> Summary:
        raise RuntimeError("no summary")


class Batching(FakeReplica):
    """Takes ``room`` documents at once, and gives the last one first; counts those that it held."""

    def __init__(self, room: int = 8) -> None:
        super().__init__()
        self.room = room
        self.most_held = 0
        self.held: list[AssetTasks] = []

    def understand(self, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
        coming = iter(tasks)
        ended = False
        while self.held or not ended:
            while not ended and len(self.held) < self.room:
                try:
                    one = next(coming)
                except StopIteration:
                    ended = True
                    break
                if one is None:
                    break
                self.held.append(one)
                self.most_held = max(self.most_held, len(self.held))
            if self.held:
                yield self.done(self.held.pop())

    def done(self, asked: AssetTasks) -> Understanding:
        [found] = super().understand([asked])
        return found


def asset(number: int) -> str:
    return f"{number:064x}"


def documents(work: WorkArea, names: Sequence[str], questions: dict[str, str]) -> list[DocumentTasks]:
    """Documents of one page each, which names them; their segments are written."""
    asked = tuple(AskedQuestion(Question(id_, text), f"r-{id_}") for id_, text in questions.items())
    page = DecodedPage(1, 10, 10, 0, None, None)
    made = Provenance("read-recipe", "run", "fake@1")
    rows = [
        page_row(name, asset(number), page, Reading(f"words of {name}", "model"), made)
        for number, name in enumerate(names)
    ]
    part = write_part(work.store, "segments", "segments/one.parquet", to_table("segments", rows))
    sources = (SegmentSource(part.path),)
    return [
        DocumentTasks(
            *(asset(number), name, "e", 1, "pdf", None, 0.0, (), "read-recipe", PROVENANCE.recipe_id),
            *(sources, True, asked),
        )
        for number, name in enumerate(names)
    ]


def work_in(folder: Path) -> WorkArea:
    return WorkArea(OutputStore(str(folder)), 1)


def committed(work: WorkArea) -> list[CommitRecord]:
    return list(read_records(work.store, work.names("commits")))


def rows_of(work: WorkArea, table: str) -> list[dict[str, Any]]:
    paths = [part.file.path for record in committed(work) for part in record.parts if part.table == table]
    return [row for found in work.read(paths) for row in found.to_pylist()]


def failures_of(work: WorkArea) -> list[dict[str, Any]]:
    return [row for record in committed(work) for row in record.failures]


def loop_of(replica: Any, **options: Any) -> UnderstandLoop:
    return UnderstandLoop(UnderstandJob(PROVENANCE, 60.0, **options), replica, Turns())


def test_each_question_and_the_summary_fail_alone_and_are_committed_together(tmp_path: Path) -> None:
    work, replica = work_in(tmp_path), Stumbling()
    result = loop_of(replica).understand(documents(work, ["a.pdf"], QUESTIONS), work)

    assert (result.done, result.failed) == (2, 2)
    assert replica.calls == 4
    [record] = committed(work)
    [answers] = work.read([item.file.path for item in record.parts])
    assert sorted(answers["question_id"].to_pylist()) == ["one", "three"]
    assert {(f["stage"], f["question_id"], f["recipe_id"]) for f in record.failures} == {
        ("answer", "two", "r-two"),
        ("summarize", None, "summary-recipe"),
    }
    assert all("no s" in failure["message"] for failure in record.failures)
    assert {(unit.stage, unit.question_id) for unit in record.units} == {
        ("summarize", None),
        *(("answer", name) for name in QUESTIONS),
    }


def test_a_replica_holds_documents_of_several_blocks_at_once(tmp_path: Path) -> None:
    class Waiting(Batching):
        """Is done with nothing before all blocks are there, and one of the second has been offered."""

        def understand(self, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
            return super().understand(self.offered(tasks))

        def offered(self, tasks: Iterable[AssetTasks | None]) -> Iterator[AssetTasks | None]:
            until = time.monotonic() + 60
            for one in tasks:
                if one is None and self.most_held <= 3 and time.monotonic() < until:
                    time.sleep(0.01)  # its texts are still being fetched
                    continue
                yield one

        def done(self, asked: AssetTasks) -> Understanding:
            assert there.wait(60)
            return super().done(asked)

    there = threading.Event()
    begun: list[int] = []
    work, replica = work_in(tmp_path), Waiting(room=9)
    names = [f"{number:02d}.pdf" for number in range(24)]
    all_ = documents(work, names, {"who": "Who wrote the words?"})
    turns = Turns()
    loop = UnderstandLoop(UnderstandJob(PROVENANCE, 60.0), replica, turns)
    with ThreadPoolExecutor(8) as threads:
        blocks = [all_[start : start + 3] for start in range(0, 24, 3)]

        def understand(block: list[DocumentTasks]) -> UnitResult:
            begun.append(len(block))
            return loop.understand(block, work)

        coming = threads.map(understand, blocks)
        while len(begun) < len(blocks):
            time.sleep(0.01)
        there.set()
        results = list(coming)
    assert [(result.done, result.failed) for result in results] == [(6, 0)] * 8
    assert 3 < replica.most_held <= 9
    assert {row["summary"] for row in rows_of(work, "summaries")} == {f"words of {name}" for name in names}
    assert sorted(row["uri"] for row in rows_of(work, "answers")) == names


def test_documents_that_the_replica_held_when_it_stumbled_are_tried_alone(tmp_path: Path) -> None:
    class Breaking(Batching):
        def done(self, asked: AssetTasks) -> Understanding:
            if len(self.held) > 2 or asked.asset.uri == "3.pdf":
                self.held.clear()
                raise RuntimeError("out of memory")
            return super().done(asked)

    work = work_in(tmp_path)
    names = [f"{number}.pdf" for number in range(6)]
    result = loop_of(Breaking()).understand(documents(work, names, {"who": "Who wrote the words?"}), work)
    assert (result.done, result.failed) == (10, 2)
    assert {(row["uri"], row["stage"]) for row in failures_of(work)} == {("3.pdf", "summarize"), ("3.pdf", "answer")}
    assert all("out of memory" in row["message"] for row in failures_of(work))
    assert {row["uri"] for row in rows_of(work, "answers")} == set(names) - {"3.pdf"}


def test_what_a_replica_leaves_out_is_a_failure(tmp_path: Path) -> None:
    class Forgetful(Batching):
        def done(self, asked: AssetTasks) -> Understanding:
            return Understanding(asked.asset.asset_id, None, super().done(asked).answers[:1])

    class Silent(FakeReplica):
        def understand(self, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
            return iter([])

    questions = {"who": "Who wrote the words?", "when": "When?"}
    work = work_in(tmp_path / "forgetful")
    result = loop_of(Forgetful()).understand(documents(work, ["a.pdf"], questions), work)
    assert (result.done, result.failed) == (0, 3)
    assert sorted(row["message"].partition("RuntimeError: ")[2] for row in failures_of(work)) == [
        *["the replica gave 1 answers to 2 questions)"] * 2,
        "the replica made no summary)",
    ]
    work = work_in(tmp_path / "silent")
    with pytest.raises(RuntimeError, match="the replica gave nothing for 0 of its documents and ended"):
        loop_of(Silent()).understand(documents(work, ["a.pdf"], questions), work)


def test_a_run_that_is_to_stop_hands_documents_back(tmp_path: Path) -> None:
    work = work_in(tmp_path)
    stop = StopSignal(work.store, "run")

    class Stopping(FakeReplica):
        def summarize(self, asset: Any) -> Summary:
            stop.set()
            return super().summarize(asset)

    names = [f"{number:02d}.pdf" for number in range(20)]
    result = loop_of(Stopping(), stop=stop).understand(documents(work, names, {"who": "Who wrote the words?"}), work)
    assert 2 <= result.done <= 20, "those that were opened before are done"
    assert result.done + result.deferred == 40
    assert result.deferred_summaries == result.deferred // 2
    assert len(rows_of(work, "summaries")) == result.done // 2


def test_a_file_that_is_gone_fails_where_its_pictures_are_looked_at(tmp_path: Path) -> None:
    class Looking(Batching):
        def done(self, asked: AssetTasks) -> Understanding:
            assert asked.asset.pictures is not None
            try:
                asked.asset.pictures(1)
            except Failure as error:
                return Understanding(asked.asset.asset_id, error, (error,) * len(asked.questions))
            return super().done(asked)

    work = work_in(tmp_path)
    access = FileAccess(DownloadCache(tmp_path / "download cache"), 1 << 30)
    pictures = PictureAccess(DecodeSettings(), access)
    gone = documents(work, [str(tmp_path / "gone.pdf")], {"who": "Who?"})
    result = loop_of(Looking(), pictures=pictures).understand(gone, work)
    assert (result.done, result.failed) == (0, 2)
    assert {row["reason"] for row in failures_of(work)} == {"not_found"}


def test_reading_and_understanding_take_turns_with_the_replica(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds several at once; neither is handed anything while the other still has something with the replica."""

    class Both(Batching):
        reading = threading.Event()

        def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
            for page in pages:
                self.reading.set()
                assert not self.held
                if page is not None:
                    yield from super().read([page])
            self.reading.clear()

        def done(self, asked: AssetTasks) -> Understanding:
            assert not self.reading.is_set()
            return super().done(asked)

    from test_read_actor import block

    replica, work = Both(), work_in(tmp_path / "out")
    monkeypatch.setattr(replica_stage, "load_replica", lambda choice: replica)
    files = FileAccess(DownloadCache(tmp_path / "download cache"), 1 << 30)
    reading = ReadJob(work.store, PROVENANCE, DecodeSettings(layout="fast"), files, 60.0)
    actor = ReplicaActor(ReplicaJob(work.store, ModelChoice("fake"), reading, UnderstandJob(PROVENANCE, 60.0)))
    all_ = documents(work, [f"{number:02d}.pdf" for number in range(12)], {"who": "Who wrote the words?"})
    understood = [understand_block(all_[start : start + 3], 1) for start in range(0, 12, 3)]
    read = [block(make_pdf(tmp_path / f"{name}.pdf", ["one", "two", "three"]), 3, 1) for name in "abcd"]
    assert read_block([], 1).num_rows == 0
    with ThreadPoolExecutor(8) as threads:
        mixed = [table for pair in zip(read, understood, strict=True) for table in pair]
        results = [table.to_pylist()[0] for table in threads.map(actor, mixed)]
    assert [(row["kind"], row["done"], row["failed"]) for row in results] == [
        *[("read", 3, 0), ("understand", 6, 0)] * 4
    ]
