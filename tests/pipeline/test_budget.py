"""A budget stops a run on a committed boundary, order_by files first, and the next run goes on where it stopped."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from runs import ask, prepare, run, touch

from folioscope.pipeline.config import parse_config
from folioscope.pipeline.durations import parse_deadline
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.prices import Allowance
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.stages.budget import Budget, StopReason, StopSignal
from folioscope.pipeline.stages.results import UnitResult
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.accounting import Counts

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
    assert stopped.usage.stopped is StopReason.BUDGET_SPENT
    assert stopped.accounting.balanced, stopped.accounting
    assert stopped.accounting.assets == Counts(3, 1, 0, 0, 2)
    assert stopped.accounting.segments == Counts(6, 2, 0, 0, 4)
    assert stopped.accounting.summaries.skipped == stopped.accounting.answers.skipped == 3
    assert ask(output, "SELECT DISTINCT reason FROM assets WHERE status = 'pending'") == [("budget_spent",)]
    assert ask(output, "SELECT DISTINCT parse_filename(uri) FROM pages") == [("2.pdf",)]

    nights = 1
    while (again := run(archive, output, max_replica_hours=TINY, questions=(WHO,))).usage.stopped:
        assert again.accounting.balanced, again.accounting
        nights += 1
        assert nights < 30, "no progress"
    assert nights > 2
    finished = run(archive, output, questions=(WHO,))
    assert finished.accounting.segments == Counts(6, 0, 6, 0, 0)
    assert finished.accounting.summaries == finished.accounting.answers == Counts(3, 0, 3, 0, 0)
    assert ask(output, "SELECT DISTINCT status, reason FROM assets") == [("done", None)]


@pytest.mark.usefixtures("inline_actors")
def test_what_a_budget_left_read_is_understood_first(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(archive, output, tasks=("read",))
    stopped = run(archive, output, max_replica_hours=TINY)
    assert stopped.accounting.summaries.done == 1
    assert ask(output, "SELECT parse_filename(uri) FROM documents WHERE summary <> ''") == [("2.pdf",)]


@pytest.mark.usefixtures("inline_actors")
def test_a_deadline_that_has_passed_computes_nothing_and_says_so(archive: Path, tmp_path: Path) -> None:
    outcome = run(archive, tmp_path / "out", deadline=datetime.now(UTC) - timedelta(seconds=1))
    assert outcome.usage.stopped is StopReason.DEADLINE_PASSED
    assert outcome.accounting.balanced
    assert outcome.accounting.assets == Counts(3, 0, 0, 0, 3)
    assert ask(tmp_path / "out", "SELECT DISTINCT status, reason FROM assets") == [("pending", "deadline_passed")]
    after = run(archive, tmp_path / "out")
    assert after.accounting.segments == Counts(6, 6, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_actors_of_ray_heed_the_sign(archive: Path, tmp_path: Path) -> None:
    """It is up before they start: how far they get otherwise depends on the machine."""
    output = tmp_path / "out"
    run(archive, output, tasks=("read",))
    begun = prepare(archive, output, dpi=200, replicas=2, pages_per_unit=1, max_replica_hours=1000.0)
    StopSignal(OutputStore(str(output)), begun.setup.run_id).set()
    accounting = begun.execute().accounting
    assert accounting.balanced
    assert accounting.segments == Counts(6, 0, 0, 0, 6)
    assert run(archive, output, dpi=200).accounting.segments == Counts(6, 6, 0, 0, 0)


def test_the_sign_goes_up_at_the_limit_and_at_the_deadline(tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path))
    with Budget(store, "a", Allowance(10.0)) as budget:
        sign = pickle.loads(pickle.dumps(budget.signal))
        budget.spend(UnitResult(busy_seconds=5.0, idle_seconds=4.0))
        assert not sign.is_set()
        budget.spend(UnitResult(busy_seconds=1.0))
        assert sign.is_set()
        assert budget.stopped is StopReason.BUDGET_SPENT
    with Budget(store, "b", Allowance(deadline=datetime.now(UTC) + timedelta(seconds=0.1))) as budget:
        assert budget.signal is not None
        for _ in range(1000):
            if budget.signal.is_set():
                break
            time.sleep(0.02)
        assert budget.stopped is StopReason.DEADLINE_PASSED
    assert Budget(store, "c", Allowance()).signal is None


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


@pytest.mark.parametrize("text", ["999999999999d", "9999999d 1h", "9" * 400 + "s"])
def test_deadlines_beyond_the_calendar_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="beyond the calendar"):
        parse_deadline(text, NOON)


def test_a_cost_needs_a_price_and_the_lower_limit_counts() -> None:
    with pytest.raises(ConfigError, match="price-per-replica-hour"):
        parse_config(inputs=("in",), output="out", max_cost=5.0)
    with pytest.raises(ConfigError, match="price-per-million-tokens"):
        parse_config(inputs=("in",), output="out", max_cost=5.0, price_per_million_tokens=(0.0, 0.0))
    config = parse_config(inputs=("in",), output="out", max_cost=5.0, price_per_replica_hour=2.0, max_replica_hours=3.0)
    assert config.limited
    assert not config.allowance.is_spent(2.49 * 3600, 0, 0)
    assert config.allowance.is_spent(2.5 * 3600, 0, 0), "the cost is reached before the hours are"
    assert replace(config.allowance, cost=9.0).is_spent(3 * 3600, 0, 0), "the hours are reached before the cost is"


def test_tokens_count_towards_the_cost_beside_hours(tmp_path: Path) -> None:
    config = parse_config(inputs=("in",), output="out", max_cost=5.0, price_per_million_tokens=(1.0, 4.0))
    assert config.limited
    with Budget(OutputStore(str(tmp_path)), "a", config.allowance) as budget:
        budget.spend(UnitResult(busy_seconds=1e9, input_tokens=2_000_000, output_tokens=500_000))
        assert budget.stopped is None, "4.0 of 5.0, and hours cost nothing"
        budget.spend(UnitResult(output_tokens=250_000))
        assert budget.stopped is StopReason.BUDGET_SPENT
    both = parse_config(
        inputs=("in",), output="out", max_cost=5.0, price_per_million_tokens=(1.0, 4.0), price_per_replica_hour=1.0
    )
    assert not both.allowance.is_spent(3600, 0, 999_999)
    assert both.allowance.is_spent(3600, 0, 1_000_000)


@pytest.mark.usefixtures("inline_actors")
def test_a_run_ends_where_its_tokens_have_cost_what_they_may(archive: Path, tmp_path: Path) -> None:
    """The fake replica counts a token read a page, and one written a word of it."""
    priced = {"price_per_million_tokens": (1e6, 0.0), "pages_per_unit": 1}
    stopped = run(archive, tmp_path / "out", max_cost=2.5, tasks=("read",), **priced)
    assert stopped.usage.stopped is StopReason.BUDGET_SPENT
    assert stopped.accounting.balanced
    assert 3 <= stopped.accounting.segments.done < 6
    assert ask(tmp_path / "out", "SELECT cost >= 2.5 FROM runs") == [(True,)]
    assert run(archive, tmp_path / "out", tasks=("read",), **priced).accounting.segments.done > 0
