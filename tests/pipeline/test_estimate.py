"""The estimate tells what a run will do before it does anything, and the usage report how far off it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runs import ask, prepare, run

from folioscope.pipeline.interval import Interval
from folioscope.pipeline.planning.estimate import FilePlan, _pages_of_kind
from folioscope.pipeline.planning.rates import Rates, Usage
from folioscope.pipeline.questions import QuestionSpec

pytestmark = pytest.mark.usefixtures("inline_actors")

WHO = QuestionSpec(id="who", question="Who keeps the lighthouse?")


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    folder = tmp_path / "archive"
    for number in range(6):
        make_pdf(folder / f"{number}.pdf", [f"Page {page} of {number}." for page in range(3)])
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_first_plan_says_what_it_cannot_know_and_writes_nothing(archive: Path, tmp_path: Path) -> None:
    planned = prepare(archive, tmp_path / "out", questions=(WHO,)).preview()
    assert planned.files == FilePlan(new=6)
    assert (planned.summaries, planned.answers) == (6, 6)
    assert planned.pages is not None, "counted in the files themselves, since they are few"
    assert planned.replica_seconds is None
    assert any("No earlier run used" in note for note in planned.notes)
    assert not (tmp_path / "out").exists()


def test_a_plan_tells_each_files_fate_and_the_run_does_as_planned(archive: Path, tmp_path: Path, make_pdf: Any) -> None:
    output = tmp_path / "out"
    run(archive, output)
    make_pdf(archive / "new.pdf", ["one", "two", "three", "four"])
    make_pdf(archive / "0.pdf", ["changed", "and", "longer", "now"])
    (archive / "1.pdf").unlink()
    (archive / "empty.pdf").write_bytes(b"")
    (archive / "note.txt").write_text("of another kind")
    before = snapshot(output)

    planned = prepare(archive, output).preview()

    assert snapshot(output) == before
    assert planned.files == FilePlan(new=2, changed=1, reused=4, skipped=1, deleted=1)
    assert planned.pages is not None
    assert planned.pages.low <= 8 <= planned.pages.expected <= planned.pages.high
    assert planned.replica_seconds is not None
    assert planned.replica_seconds.low <= planned.replica_seconds.expected <= planned.replica_seconds.high
    outcome = run(archive, output)
    assert outcome.usage.estimate.files == planned.files
    assert outcome.usage.pages == 8
    later = prepare(archive, output).preview()
    assert later.files == FilePlan(reused=6, failed=1, skipped=1)
    assert later.empty


def test_a_new_recipe_is_counted_exactly_and_the_bill_agrees(archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for _ in range(2):
        run(archive, output, price_per_replica_hour=2.0)
    planned = prepare(archive, output, dpi=200, price_per_replica_hour=2.0).preview()
    assert planned.files == FilePlan(unfinished=6)
    assert (planned.known_pages, planned.pages) == (18, Interval.exactly(18))
    assert planned.cost is not None
    usage = run(archive, output, dpi=200, price_per_replica_hour=2.0).usage
    lines = {line.name: line for line in usage.lines()}
    assert (lines["pages and shots"].actual, lines["pages and shots"].error) == (18, 0)
    assert lines["input tokens"].error == 0
    assert lines["cost"].actual == pytest.approx(2.0 * lines["replica hours"].actual)


def test_a_task_never_done_has_no_rate(archive: Path, tmp_path: Path) -> None:
    run(archive, tmp_path / "out", tasks=("read", "summarize"))
    planned = prepare(archive, tmp_path / "out", questions=(WHO,)).preview()
    assert planned.answers == 6
    assert planned.replica_seconds is None
    assert any("answer" in note for note in planned.notes)


def test_another_revision_is_rated_by_the_one_before_and_says_so(archive: Path, tmp_path: Path) -> None:
    run(archive, tmp_path / "out")
    planned = prepare(archive, tmp_path / "out", revision="2").preview()
    assert planned.replica_seconds is not None
    assert any("fake@1" in note for note in planned.notes)
    assert ask(tmp_path / "out", "SELECT count(*) FROM pages") == [(18,)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        # Every known file has 4 pages whatever its size: the mean tells more than the bytes.
        ({"files": 10, "bytes": 900.0, "n": 8, "p": 32.0, "b": 800.0, "pp": 128.0, "pb": 3200.0, "bb": 9e5}, 40),
        # A page a byte: the bytes tell it all.
        ({"files": 2, "bytes": 30.0, "n": 5, "p": 15.0, "b": 15.0, "pp": 55.0, "pb": 55.0, "bb": 55.0}, 30),
    ],
)
def test_pages_are_told_by_what_has_told_known_files_best(row: dict[str, Any], expected: float) -> None:
    found = _pages_of_kind(row)
    assert found is not None
    assert found.expected == pytest.approx(expected)
    assert found.low <= expected <= found.high


def test_the_range_of_a_prediction_spans_earlier_runs() -> None:
    key = ("read", "pdf")
    runs = tuple({key: Usage(seconds, 10.0, 1.0)} for seconds in (1.0, 2.0, 3.0, 4.0, 5.0))
    rates = Rates("fake@1", {key: Usage(3.0, 10.0, 1.0)}, runs)
    found = rates.predict({key: Interval.exactly(100)})
    assert found.replica_seconds.expected == 300
    assert 100 < found.replica_seconds.low < 300 < found.replica_seconds.high < 500
    assert found.input_tokens.expected == pytest.approx(1000)
