"""Commits of blocks: whatever dies in between and whatever a model does, each task ends as one thing, and once."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import ask, prepare, run
from test_plan_fuzz import Bytes

from folioscope.model.fake import FakeReplica
from folioscope.model.protocol import Answer, DocumentText, PageInput, Question, Reading, Summary
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.stages import replica as stage
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables import commits
from folioscope.pipeline.tables.accounting import Accounting
from folioscope.pipeline.tables.audit import audit
from folioscope.pipeline.tables.commits import BlockCommit, Unit, read_records
from folioscope.pipeline.tables.manifest import save_manifest
from folioscope.pipeline.tables.part_files import write_part
from folioscope.pipeline.tables.rows import failure_row
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.migrations import to_table

QUESTIONS = (QuestionSpec(id="who", question="Who keeps it?"), QuestionSpec(id="page", question="Which page?"))
DOCUMENTS, PAGES = 3, 3


class Died(BaseException):
    """The worker's process ends here."""


class Erratic(FakeReplica):
    """Fails now and then, by chance; ends its process at the calls that are named."""

    def __init__(self, chance: random.Random, deaths: Iterable[int]) -> None:
        self._chance = chance
        self._deaths = set(deaths)
        self._calls = 0

    def _maybe(self) -> None:
        self._calls += 1
        if self._calls in self._deaths:
            raise Died
        if self._chance.random() < 0.4:
            raise RuntimeError("by chance")

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        for page in pages:
            try:
                self._maybe()
            except RuntimeError as error:
                yield error
            else:
                yield from super().read([page])

    def summarize(self, document: DocumentText) -> Summary:
        self._maybe()
        return super().summarize(document)

    def answer(self, document: DocumentText, questions: Sequence[Question]) -> list[Answer]:
        self._maybe()
        return super().answer(document, questions)


@pytest.fixture
def replayed(inline_actors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block whose worker died is put through a fresh one, as Ray does; decoding is a look at the file's bytes."""
    monkeypatch.setattr("folioscope.pipeline.stages.identify.DecodeChildren", Bytes)
    monkeypatch.setattr("folioscope.pipeline.stages.prefetch.DecodeChildren", Bytes)

    def inline(source: Iterable[Any], actor: type, job: object, **_: object) -> Iterator[Any]:
        worker = actor(job)
        for block in source:
            while True:
                try:
                    result = worker(block)
                except Died:
                    worker = actor(job)
                    continue
                break
            yield result

    for module in ("stage_runner", "file_stages"):
        monkeypatch.setattr(f"folioscope.pipeline.{module}.run_actors", inline)


def archive(folder: Path) -> Path:
    folder.mkdir()
    for number in range(DOCUMENTS):
        (folder / f"{number}.pdf").write_bytes(b"%d pages, number %d" % (PAGES, number))
    return folder


def counts_are_sound(accounting: Accounting) -> None:
    assert accounting.balanced, accounting
    for counts in (accounting.assets, accounting.segments, accounting.summaries, accounting.answers):
        assert min(counts.seen, counts.done, counts.reused, counts.failed, counts.skipped) >= 0, accounting


TASKS = {  # what settles each task once: a row, or else a failure
    "pages": (
        "SELECT asset_id, segment FROM all_segments",
        "SELECT asset_id, segment FROM all_failures WHERE stage = 'read'",
        DOCUMENTS * PAGES,
    ),
    "summaries": (
        "SELECT asset_id, NULL FROM all_summaries",
        "SELECT asset_id, NULL FROM all_failures WHERE stage = 'summarize'",
        None,
    ),
    "answers": (
        "SELECT asset_id, question_id FROM all_answers",
        "SELECT asset_id, question_id FROM all_failures WHERE stage = 'answer'",
        None,
    ),
}


@pytest.mark.guarantee(
    fault="actor killed",
    moment="read, understand",
    outcome="a block put through again with a model that fails by chance: no task has both a row and a failure, no count is negative",
)
@pytest.mark.usefixtures("replayed")
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 10_000),
    deaths=st.lists(st.sets(st.integers(1, 12), max_size=2), max_size=4),
    eager=st.booleans(),
)
def test_a_replayed_block_settles_each_task_once(seed: int, deaths: list[set[int]], eager: bool) -> None:
    chance = random.Random(seed)
    lives = iter(deaths)
    patch = pytest.MonkeyPatch()
    patch.setattr(commits, "COMMIT_SECONDS", 0.0 if eager else 30.0)
    patch.setattr(stage, "load_replica", lambda choice: Erratic(chance, next(lives, ())))
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder, output = archive(Path(scratch) / "in"), Path(scratch) / "out"
            outcome = run(folder, output, questions=QUESTIONS)
            counts_are_sound(outcome.accounting)
            for rows, failures, expected in TASKS.values():
                done, failed = ask(output, rows), ask(output, failures)
                assert max(Counter([*done, *failed]).values(), default=1) == 1
                assert expected is None or len(done) + len(failed) == expected
            again = run(folder, output, questions=QUESTIONS)
            counts_are_sound(again.accounting)
            assert again.accounting.segments.done == again.accounting.summaries.done == 0
            patch.setattr(stage, "load_replica", lambda choice: FakeReplica())
            mended = run(folder, output, questions=QUESTIONS, retry_failed=("all",))
            counts_are_sound(mended.accounting)
            assert mended.accounting.failed == 0
            assert len(ask(output, TASKS["pages"][0])) == DOCUMENTS * PAGES
    finally:
        patch.undo()


UNITS = [Unit("read", f"{asset:064x}", "recipe", first, first + 1) for asset in range(3) for first in (1, 3)]


def page_rows(unit: Unit) -> list[dict[str, Any]]:
    from sample_rows import page

    return [page(unit.asset_id, number, unit.recipe_id) for number in range(unit.first or 0, (unit.last or 0) + 1)]


def failure_of(unit: Unit) -> dict[str, Any]:
    return failure_row(
        uri="a.pdf",
        asset_id=unit.asset_id,
        stage="read",
        failure=Failure(Reason.MODEL_ERROR, "by chance"),
        run_id="run",
        recipe_id=unit.recipe_id,
        segment=unit.first,
    )


def put_through(work: WorkArea, chance: random.Random, upto: int, *, first: bool, singly: bool = False) -> None:
    """One try of the block, which ends after ``upto`` of its units; each second page fails by chance."""
    commit = BlockCommit(work, "read", "block", "run", singly=singly)
    if not first:
        commit.recall()
    for unit in UNITS[:upto]:
        if unit in commit.settled:
            continue
        if chance.random() < 0.5:
            commit.add([unit], {"segments": page_rows(unit)[1:]}, [failure_of(unit)])
        else:
            commit.add([unit], {"segments": page_rows(unit)})
    if upto == len(UNITS):
        commit.flush()


def committed(work: WorkArea) -> tuple[list[Unit], Counter[tuple[str, int]]]:
    """The units of all records; and how often each page is settled, by a row or a failure."""
    records = list(read_records(work.store, work.names("commits")))
    paths = [part.file.path for record in records for part in record.parts]
    pages = Counter((row["asset_id"], row["segment"]) for table in work.read(paths) for row in table.to_pylist())
    pages.update((row["asset_id"], row["segment"]) for record in records for row in record.failures)
    return [unit for record in records for unit in record.units], pages


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), prefixes=st.lists(st.integers(0, len(UNITS)), max_size=4), singly=st.booleans())
def test_a_replay_after_any_prefix_changes_nothing_that_is_committed(
    seed: int, prefixes: list[int], singly: bool
) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        work = WorkArea(OutputStore(scratch), 1)
        before: tuple[list[Unit], Counter[tuple[str, int]]] = ([], Counter())
        for number, upto in enumerate([*prefixes, len(UNITS)]):
            put_through(work, chance, upto, first=number == 0, singly=singly)
            units, pages = committed(work)
            assert units[: len(before[0])] == before[0]
            assert before[1] <= pages
            before = units, pages
        assert sorted(before[0]) == sorted(UNITS)
        assert before[1] == Counter({(unit.asset_id, page): 1 for unit in UNITS for page in (unit.first, unit.last)})


def test_two_workers_at_one_block_settle_each_unit_once(tmp_path: Path) -> None:
    """One that was taken for dead goes on beside the one in its place."""
    work = WorkArea(OutputStore(str(tmp_path)), 1)
    taken_for_dead = BlockCommit(work, "read", "block", "run")
    for unit in UNITS[:4]:
        taken_for_dead.add([unit], {"segments": page_rows(unit)})
    put_through(work, random.Random(1), 2, first=False)
    taken_for_dead.flush()
    put_through(work, random.Random(1), len(UNITS), first=False)
    units, pages = committed(work)
    assert sorted(units) == sorted(UNITS)
    assert set(pages.values()) == {1}


def test_what_a_dead_run_gave_up_for_a_passing_reason_is_taken_back_and_nothing_else(tmp_path: Path) -> None:
    work = WorkArea(OutputStore(str(tmp_path)), 1)
    commit = BlockCommit(work, "read", "block", "run")
    commit.add([UNITS[0]], {"segments": page_rows(UNITS[0])[1:]}, [failure_of(UNITS[0])])
    commit.add([UNITS[1]], {"segments": page_rows(UNITS[1])})
    commit.flush()
    commits.retract_retryable(work.store, read_records(work.store, work.names("commits")))
    [record] = read_records(work.store, work.names("commits"))
    assert record.failures == ()
    rest = Unit("read", UNITS[0].asset_id, "recipe", 2, 2)
    assert set(record.units) == {rest, UNITS[1]}
    assert record.parts[0].file.rows == 3


@pytest.mark.usefixtures("replayed")
def test_a_killed_run_leaves_no_failure_beside_the_row_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was seen: a summary fails and is committed, the run dies, the same command makes the summary."""
    folder, output = archive(tmp_path / "in"), tmp_path / "out"

    class Sick(FakeReplica):
        def summarize(self, document: DocumentText) -> Summary:
            raise RuntimeError("for now")

    monkeypatch.setattr(stage, "load_replica", lambda choice: Sick())

    def die(*_: object) -> None:
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr("folioscope.pipeline.increments.Increment.publication", die)
        with pytest.raises(Died):
            run(folder, output)
    monkeypatch.setattr(stage, "load_replica", lambda choice: FakeReplica())
    outcome = prepare(folder, output).execute()
    counts_are_sound(outcome.accounting)
    assert outcome.accounting.summaries.done == DOCUMENTS
    assert ask(output, "SELECT * FROM all_failures") == []


@pytest.mark.usefixtures("replayed")
def test_an_output_that_holds_rows_and_failures_of_the_same_tasks_is_mended(tmp_path: Path) -> None:
    """As an earlier version could leave it: three done, three failed, three seen, and exit 4 every night."""
    folder, output = archive(tmp_path / "in"), tmp_path / "out"
    first = run(folder, output, questions=QUESTIONS)
    store = OutputStore(str(output))
    rows = ask(output, "SELECT 'read', asset_id, recipe_id, segment, NULL FROM all_segments WHERE segment < 3")
    rows += ask(output, "SELECT 'summarize', asset_id, recipe_id, NULL, NULL FROM all_summaries")
    rows += ask(output, "SELECT 'answer', asset_id, recipe_id, NULL, question_id FROM all_answers")
    failures = [
        failure_of(Unit("read", asset_id, recipe_id, segment, segment)) | {"stage": stage, "question_id": question_id}
        for stage, asset_id, recipe_id, segment, question_id in rows
    ]
    part = write_part(store, "failures", "failures/both.parquet", to_table("failures", failures))
    save_manifest(store, first.manifest.with_table("failures", (part,)))
    assert audit(store).contradictions == len(rows)
    outcome = run(folder, output, questions=QUESTIONS, retry_failed=("all",))
    counts_are_sound(outcome.accounting)
    assert outcome.accounting.failed == 0
    assert outcome.accounting.segments.reused == DOCUMENTS * PAGES
    assert ask(output, "SELECT * FROM all_failures") == []
    assert audit(store).sound
