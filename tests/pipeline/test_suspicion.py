"""A night in which the model wrote nothing, loops or `!!!!` does not end like a good one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import ask, run

from folioscope.jobs.launch import launch
from folioscope.model.fake import FakeReplica
from folioscope.model.protocol import PageInput, Reading
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.logs import LogFormat, configure_logs
from folioscope.pipeline.stages import replica
from folioscope.pipeline.stages.suspicion import Suspects, flagged, repeats
from folioscope.schemas.errors import ExitCode

pytestmark = pytest.mark.usefixtures("inline_actors")

READ: dict[str, Any] = {"tasks": ("read",)}
PAGES = 12


class Scripted(FakeReplica):
    """Writes on each page what a script says."""

    def __init__(self, script: Callable[[int], Reading]) -> None:
        super().__init__()
        self._script = script

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        for page in pages:
            if page is not None:
                yield self._script(page.page_number)


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    make_pdf(tmp_path / "archive" / "a.pdf", [f"Page {number}." for number in range(PAGES)])
    return tmp_path / "archive"


def good(number: int) -> Reading:
    return Reading(f"Page {number} tells of the lighthouse and of its keeper.", "model")


NIGHTS = {
    "exclamation marks": Reading("!!!!!!!!!!!!!!!!", "model"),
    "nothing": Reading("", "none"),
    "nothing, and it says so": Reading("", "none", flags=("no_words",)),
    "a loop that the engine cut": Reading("the same the same", "model", flags=("loop",)),
    "a loop that nobody saw": Reading("the same thing again " * 40, "model"),
    "one sign for ever": Reading("a" * 500, "model"),
    "doubt": Reading("Prge onc telIs", "model", flags=("low_confidence",)),
    "blank, each of many": Reading("", "none", flags=("blank",)),
}


def use(monkeypatch: pytest.MonkeyPatch, script: Callable[[int], Reading]) -> None:
    monkeypatch.setattr(replica, "load_replica", lambda choice: Scripted(script))


def command(archive: Path, output: Path) -> ExitCode:
    configure_logs(LogFormat.text)
    return launch(
        RunConfig(inputs=(str(archive),), output=str(output), model="fake", layout="fast", replicas=1, tasks=("read",))
    )


@pytest.mark.parametrize("night", NIGHTS)
def test_a_night_of_it_has_an_exit_code_of_its_own(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, night: str
) -> None:
    use(monkeypatch, lambda number: NIGHTS[night])
    assert command(archive, tmp_path / "out") == ExitCode.TOO_MANY_SUSPECT
    told = capsys.readouterr().err
    assert "--max-suspect" in told
    if "blank" not in night:
        assert f"{PAGES} of {PAGES}" in told
        assert f"{archive}/a.pdf page 1: " in told
        assert ask(tmp_path / "out", "SELECT suspect_segments FROM runs") == [(PAGES,)]
    assert command(archive, tmp_path / "out") == ExitCode.OK, "a run that reads nothing has nothing to suspect"


def test_a_few_odd_pages_are_what_an_archive_has(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, lambda number: NIGHTS["nothing"] if number % 3 == 0 else good(number))
    output = tmp_path / "out"
    suspects = run(archive, output, **READ).suspects
    assert (suspects.segments, suspects.suspect, suspects.wordless) == (PAGES, 4, 4)
    assert suspects.first[0] == f"{archive}/a.pdf page 3: empty"
    assert not suspects.too_many(0.5)
    assert suspects.too_many(0.25)
    assert not suspects.too_many(1)


def test_what_a_text_shows_by_itself_is_flagged_in_the_row(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, lambda number: NIGHTS["exclamation marks"] if number == 2 else good(number))
    run(archive, tmp_path / "out", **READ)
    assert ask(tmp_path / "out", "SELECT page_number, flags FROM pages WHERE len(flags) > 0") == [(2, ["no_letters"])]


def test_blank_pages_among_others_and_few_of_them_are_no_cause() -> None:
    assert not Suspects(20, 0, 19, ()).too_many(0.5)
    assert not Suspects(1, 0, 1, ()).too_many(0.5)
    assert Suspects(1, 1, 1, ("a",)).too_many(0.5), "every page of the night"
    assert not Suspects(3, 2, 0, ("a", "b")).too_many(0.5), "two pages say too little"
    assert not Suspects(0, 0, 0, ()).too_many(0.0)


@given(st.lists(st.sampled_from("abcdefghij klmnop qrstuv".split()), min_size=1, max_size=8), st.integers(12, 60))
def test_any_few_words_said_long_enough_are_a_loop(words: list[str], times: int) -> None:
    times = max(times, 1 + 600 // sum(len(word) + 1 for word in words))
    assert repeats(" ".join(words * times))


def test_what_a_file_itself_holds_is_not_judged() -> None:
    zeros = Reading("0 " * 500, "text_layer")
    assert flagged(zeros) == zeros
    prose = (Path(__file__).parents[2] / "docs" / "nightly.md").read_text()
    assert not repeats(prose)
