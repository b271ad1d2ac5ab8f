"""A budget stops a run on a committed boundary, newest files first, and the next run goes on where it stopped."""

from __future__ import annotations

import pickle
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from runs import ask, prepare, run, touch

from pipeline.books import Counts
from pipeline.budget import Budget, StopReason, StopSign
from pipeline.config import ConfigError, QuestionSpec, parse_config, parse_deadline
from pipeline.stages.results import UnitResult
from pipeline.store import OutputStore
from pipeline.work import WorkArea

WHO = QuestionSpec(id="who", question="Who keeps the lighthouse?")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TINY = 1e-9  # hours: spent by the first unit


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    """Three documents of two pages, 2.pdf the newest."""
    folder = tmp_path / "archive"
    for number in range(3):
        touch(make_pdf(folder / f"{number}.pdf", [f"Page {page} of {number}." for page in range(2)]), 1 + number)
    return folder


@pytest.mark.usefixtures("inline_actors")
def test_a_spent_budget_leaves_older_files_pending_and_the_next_run_goes_on(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    # Identifying costs no replica, so the budget goes to the newest document's first pages.
    stopped = run(archive, output, max_replica_hours=TINY, questions=(WHO,))
    assert stopped.bill.stopped is StopReason.BUDGET_SPENT
    assert stopped.books.balanced, stopped.books
    assert stopped.books.assets == Counts(3, 1, 0, 0, 2)
    assert stopped.books.segments == Counts(6, 2, 0, 0, 4)
    assert stopped.books.summaries.skipped == stopped.books.answers.skipped == 3
    assert ask(output, "SELECT DISTINCT reason FROM assets WHERE status = 'pending'") == [("budget_spent",)]
    assert ask(output, "SELECT DISTINCT parse_filename(uri) FROM pages") == [("2.pdf",)]

    nights = 1
    while (again := run(archive, output, max_replica_hours=TINY, questions=(WHO,))).bill.stopped:
        assert again.books.balanced, again.books
        nights += 1
        assert nights < 30, "no progress"
    assert nights > 2
    finished = run(archive, output, questions=(WHO,))
    assert finished.books.segments == Counts(6, 0, 6, 0, 0)
    assert finished.books.summaries == finished.books.answers == Counts(3, 0, 3, 0, 0)
    assert ask(output, "SELECT DISTINCT status, reason FROM assets") == [("done", None)]


@pytest.mark.usefixtures("inline_actors")
def test_what_a_budget_left_read_is_understood_first(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(archive, output, tasks=("read",))
    stopped = run(archive, output, max_replica_hours=TINY)
    assert stopped.books.summaries.done == 1
    assert ask(output, "SELECT parse_filename(uri) FROM documents WHERE summary <> ''") == [("2.pdf",)]


@pytest.mark.usefixtures("inline_actors")
def test_a_deadline_that_has_passed_computes_nothing_and_says_so(archive: Path, tmp_path: Path) -> None:
    outcome = run(archive, tmp_path / "out", deadline=datetime.now(UTC) - timedelta(seconds=1))
    assert outcome.bill.stopped is StopReason.DEADLINE_PASSED
    assert outcome.books.balanced
    assert outcome.books.assets == Counts(3, 0, 0, 0, 3)
    assert ask(tmp_path / "out", "SELECT DISTINCT status, reason FROM assets") == [("pending", "deadline_passed")]
    after = run(archive, tmp_path / "out")
    assert after.books.segments == Counts(6, 6, 0, 0, 0)


@pytest.mark.usefixtures("local_ray")
def test_actors_of_ray_heed_the_sign(archive: Path, tmp_path: Path) -> None:
    """It is up before they start: how far they get otherwise depends on the machine."""
    output = tmp_path / "out"
    run(archive, output, tasks=("read",))
    begun = prepare(archive, output, dpi=200, replicas=2, pages_per_unit=1, max_replica_hours=1000.0)
    StopSign(WorkArea(OutputStore(str(output)), 2), begun.setup.run_id).put_up()
    books = begun.execute().books
    assert books.balanced
    assert books.segments == Counts(6, 0, 0, 0, 6)
    assert run(archive, output, dpi=200).books.segments == Counts(6, 6, 0, 0, 0)


def test_the_sign_goes_up_at_the_limit_and_at_the_deadline(tmp_path: Path) -> None:
    work = WorkArea(OutputStore(str(tmp_path)), 1)
    with Budget(work, "a", replica_seconds=10.0) as budget:
        sign = pickle.loads(pickle.dumps(budget.sign))
        budget.spend(UnitResult(busy_seconds=5.0, idle_seconds=4.0))
        assert not sign.is_up()
        budget.spend(UnitResult(busy_seconds=1.0))
        assert sign.is_up()
        assert budget.stopped is StopReason.BUDGET_SPENT
    with Budget(work, "b", deadline=datetime.now(UTC) + timedelta(seconds=0.1)) as budget:
        assert budget.sign is not None
        for _ in range(1000):
            if budget.sign.is_up():
                break
            time.sleep(0.02)
        assert budget.stopped is StopReason.DEADLINE_PASSED
    assert Budget(work, "c").sign is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("6h", NOON + timedelta(hours=6)),
        ("1d12h", NOON + timedelta(hours=36)),
        ("90m", NOON + timedelta(minutes=90)),
        ("1.5 h", NOON + timedelta(minutes=90)),
        ("2026-03-02T06:00+01:00", datetime(2026, 3, 2, 5, tzinfo=UTC)),
    ],
)
def test_deadlines_are_times_or_durations(text: str, moment: datetime) -> None:
    assert parse_deadline(text, NOON) == moment


@pytest.mark.parametrize("text", ["soon", "6", "6 hours and a half", "2026-13-01"])
def test_other_deadlines_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="neither a time"):
        parse_deadline(text, NOON)


def test_a_cost_needs_a_price_and_the_lower_limit_counts() -> None:
    with pytest.raises(ConfigError, match="price_per_replica_hour"):
        parse_config(inputs=("in",), output="out", max_cost=5.0)
    config = parse_config(inputs=("in",), output="out", max_cost=5.0, price_per_replica_hour=2.0, max_replica_hours=3.0)
    assert config.replica_seconds == 2.5 * 3600
    assert config.limited
