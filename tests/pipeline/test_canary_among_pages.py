"""The canary within an actor's work: pages of known text among real ones, and what becomes of the work where they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_read_actor import block, committed, failures, job

from folioscope.model.canary import canary_pages
from folioscope.model.fake import FakeReplica
from folioscope.model.protocol import PageInput, Reading
from folioscope.pipeline.stages import canary as watching
from folioscope.pipeline.stages import replica as replica_stage
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.canary import CanaryJob, StopRecords
from folioscope.pipeline.stages.replica import ReplicaActor, ReplicaJob
from folioscope.pipeline.storage.store import OutputStore

ALWAYS = 1e-9  # minutes
SELDOM = 60.0
Turn = Callable[[int], bool]


class EndedError(BaseException):
    """In the place of the end of the process."""


class Reader(FakeReplica):
    """Reads pages of known text as long as ``sound`` says so of the number of pages read before; keeps their order."""

    def __init__(self, sound: Turn = lambda number: True) -> None:
        super().__init__()
        self._sound = sound
        self.seen: list[str] = []

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        known = {id(page.page): page for page in canary_pages()}
        for page in pages:
            if page is None:
                continue
            self.seen.append(known[id(page)].name if id(page) in known else str(page.page_number))
            if not self._sound(len(self.seen)):
                yield Reading("!" * 80, "model")
            elif id(page) in known:
                yield Reading(known[id(page)].text, "model")
            else:
                yield from super().read([page])


def watched(output: Path, minutes: float) -> ReplicaJob:
    store = OutputStore(str(output))
    canary = CanaryJob(minutes, 0.3, 60.0, StopRecords(store, "run"), StopSignal(store, "run"))
    its = job(output)
    return replace(its, canary=canary, read=replace(its.read, stop=canary.stop))


@pytest.fixture
def pages(tmp_path: Path, make_pdf: Any) -> Path:
    return make_pdf(tmp_path / "a.pdf", [f"page {number}" for number in range(1, 7)])


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    words: list[str] = []

    def end(last_words: str) -> None:
        words.append(last_words)
        raise EndedError

    monkeypatch.setattr(watching, "end_process", end)
    return words


def with_replica(monkeypatch: pytest.MonkeyPatch, reader: Reader) -> Reader:
    monkeypatch.setattr(replica_stage, "load_replica", lambda choice: reader)
    return reader


def test_known_pages_come_before_any_other_and_among_them(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = with_replica(monkeypatch, Reader())
    [result] = ReplicaActor(watched(tmp_path / "out", ALWAYS))(block(pages, 6, 2)).to_pylist()
    assert (result["done"], result["failed"]) == (6, 0)
    assert reader.seen[:2] == ["harbour", "mill"]
    assert [name for name in reader.seen if name.isdigit()] == list("123456")
    assert reader.seen.count("mill") > 3
    assert [row["text"] for row in committed(tmp_path / "out", "segments")] == [f"page {n}" for n in range(1, 7)]


def test_they_are_few_where_they_are_seldom_due(tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = with_replica(monkeypatch, Reader())
    actor = ReplicaActor(watched(tmp_path / "out", SELDOM))
    for number in (6, 6):
        actor(block(pages, number, 2))
    assert reader.seen == ["harbour", "mill", *"123456"] or reader.seen == ["harbour", "mill", *"123456", *"123456"]


def test_a_model_that_cannot_read_commits_nothing(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch, ended: list[str]
) -> None:
    reader = with_replica(monkeypatch, Reader(lambda number: False))
    with pytest.raises(EndedError):
        ReplicaActor(watched(tmp_path / "out", SELDOM))(block(pages, 6, 2))
    assert reader.seen == ["harbour", "mill"] * 2, "no page is handed to it"
    assert committed(tmp_path / "out", "segments") == failures(tmp_path / "out") == []
    assert "100% of the letters wrong" in ended[0]


def test_a_model_that_degenerates_among_pages_loses_what_it_had_not_committed(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_replica(monkeypatch, Reader(lambda number: number < 8))
    with pytest.raises(EndedError):
        ReplicaActor(watched(tmp_path / "out", ALWAYS))(block(pages, 6, 2))
    assert all("!" not in row["text"] for row in committed(tmp_path / "out", "segments"))
    [stopped] = StopRecords(OutputStore(str(tmp_path / "out")), "run").all()
    assert stopped.committed_since is not None


def test_one_odd_reading_among_pages_loses_no_page(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = with_replica(monkeypatch, Reader(lambda number: number != 6))
    [result] = ReplicaActor(watched(tmp_path / "out", ALWAYS))(block(pages, 6, 2)).to_pylist()
    assert result["done"] == 6
    assert sorted(row["text"] for row in committed(tmp_path / "out", "segments")) == [f"page {n}" for n in range(1, 7)]
    assert reader.seen[5] in ("harbour", "mill"), "the odd one was of known text"


def test_a_stumble_among_known_pages_fails_no_page(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stumbling(Reader):
        stumbled = False

        def read(self, given: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
            for found in super().read(given):
                if len(self.seen) == 4 and not self.stumbled:
                    self.stumbled = True
                    raise RuntimeError("out of memory, once")
                yield found

    with_replica(monkeypatch, Stumbling())
    [result] = ReplicaActor(watched(tmp_path / "out", ALWAYS))(block(pages, 6, 2)).to_pylist()
    assert (result["done"], result["failed"]) == (6, 0)


def test_an_actor_of_a_run_that_is_stopped_loads_nothing_and_hands_everything_back(
    tmp_path: Path, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(choice: object) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(replica_stage, "load_replica", refuse)
    its = watched(tmp_path / "out", SELDOM)
    assert its.canary is not None
    its.canary.stop.set()
    [result] = ReplicaActor(its)(block(pages, 6, 2)).to_pylist()
    assert (result["done"], result["deferred"]) == (0, 6)
