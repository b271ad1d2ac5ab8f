"""The error bound of an archive: it covers the truth of archives whose truth is known, and adds up over actors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import ask, run

from folioscope.model.protocol import Check
from folioscope.pipeline.grounding.bounds import Stratum, Tally, bound, upper_limit
from folioscope.pipeline.grounding.tallies import MOST_FOLDERS, FolderTally, error_bounds, folder_of, merged

COVERED = 93  # of 100 archives


def tally_of(words: Any, wrong: Any) -> Tally:
    tally = Tally()
    for of_page, of_it in zip(words.tolist(), wrong.tolist(), strict=True):
        tally.take(of_page, of_it)
    return tally


@pytest.mark.parametrize(
    ("pages", "share", "bad", "long"),
    [
        (1000, 0.1, 0.05, True),
        (1000, 0.1, 0.2, False),
        (500, 0.1, 0.01, True),
        (1000, 0.3, 0.02, False),
        (300, 0.1, 0.05, True),
        (3000, 0.1, 0.2, True),
    ],
)
def test_the_interval_covers_the_planted_truth(pages: int, share: float, bad: float, long: bool) -> None:
    """Pages of very different length; of ``bad`` of them ten words are wrong, or where ``long`` any part of them."""
    covered = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        words = np.maximum(5, random.lognormal(5.5, 0.8, pages)).round()
        part = np.where(random.random(pages) < 0.5, random.beta(1, 20, pages), random.beta(2, 2, pages))
        lost = np.ceil(words * part) if long else np.minimum(words, 10)
        wrong = np.where(random.random(pages) < bad, lost, 0)
        seen = random.random(pages) < share
        found = bound([Stratum(pages, tally_of(words[seen], wrong[seen]))])
        assert found is not None
        covered += found.low <= wrong.sum() / words.sum() <= found.high
    assert covered >= COVERED


def test_pages_with_a_layer_are_known_and_scans_are_estimated() -> None:
    layered = Stratum(4, tally_of(np.array([100, 100, 100, 100]), np.array([10, 0, 0, 0])))
    known = bound([layered])
    assert known is not None
    assert (known.share, known.low, known.high) == (0.025, 0.025, 0.025)
    scans = Stratum(400, tally_of(np.full(40, 100), np.zeros(40)))
    both = bound([layered, scans])
    assert both is not None
    assert both.share == pytest.approx(10 / 40_400)
    assert 0.05 < both.high < 0.12, "nothing wrong on 40 of 400 pages still leaves some to be wrong"
    assert bound([layered, Stratum(5, Tally())]) is None, "of the scans nothing is known"
    assert bound([]) is None


@pytest.mark.parametrize(("hits", "trials", "limit"), [(0, 10, 0.3085), (1, 20, 0.2487), (5, 100, 0.1128), (3, 3, 1.0)])
def test_exact_limits_are_those_of_the_tables(hits: int, trials: int, limit: float) -> None:
    assert upper_limit(hits, trials) == pytest.approx(limit, abs=5e-4)


CHECKS = st.builds(
    lambda folder, reference, words, wrong: (
        f"archive/{folder}/a.pdf",
        Check(reference, words, 1 - min(wrong, words) / words, words, min(wrong, words) / words)
        if reference == "ocr"
        else Check(reference),
    ),
    st.sampled_from("ab"),
    st.sampled_from(["ocr", "ocr_detection", "none"]),
    st.integers(1, 500),
    st.integers(0, 500),
)


@given(st.lists(CHECKS, max_size=30), st.integers(0, 30))
def test_tallies_of_actors_add_up(checks: list[tuple[str, Check]], cut: int) -> None:
    def rows(some: list[tuple[str, Check]]) -> list[dict[str, Any]]:
        found = []
        for uri, check in some:
            tally = FolderTally(folder_of(uri), layered=False)
            tally.take(check)
            found.append(tally.row())
        return found

    whole = error_bounds(merged(rows(checks)))
    parts = error_bounds(merged([*merged(rows(checks[:cut])), *merged(rows(checks[cut:]))]))
    assert json.dumps([item.row() for item in whole]) == json.dumps([item.row() for item in parts])
    if whole:
        assert whole[0].pages == len(checks) == sum(item.pages for item in whole[1:])


def test_beyond_so_many_folders_pages_count_in_the_whole() -> None:
    rows = []
    for number in range(2 * MOST_FOLDERS + 5):
        tally = FolderTally(f"f{number}", layered=True)
        tally.take(Check("text_layer", 10, 1.0, 10, 0.0))
        rows.append(tally.row())
    found = error_bounds(merged(rows))
    assert found[0].pages == 2 * MOST_FOLDERS + 5
    assert len(found) == 2 * MOST_FOLDERS + 1


@pytest.mark.usefixtures("inline_actors")
def test_a_run_says_how_far_its_text_can_be_wrong(tmp_path: Path, make_pdf: Any) -> None:
    prose = "The keeper of the lighthouse wrote down every ship that passed, its flag and the hour, in a book."
    make_pdf(tmp_path / "in" / "one" / "a.pdf", [prose, prose])
    make_pdf(tmp_path / "in" / "two" / "b.pdf", [prose])
    outcome = run(tmp_path / "in", tmp_path / "out", by_picture=True, tasks=("read",), route="model")
    [whole, one, two] = outcome.error_bounds
    assert (whole.folder, whole.pages, whole.checked, whole.words) == (None, 3, 3, 57)
    assert (one.pages, two.pages) == (2, 1)
    assert "at most 0.00 % of the words are unsupported" in whole.told()
    sql = "SELECT len(error_bounds), error_bounds[1].pages, error_bounds[1].unsupported_high FROM runs"
    assert ask(tmp_path / "out", sql) == [(3, 3, 0.0)]
    none = run(tmp_path / "in", tmp_path / "out2", by_picture=True, tasks=("read",), route="model", reference="none")
    assert "too few for an error bound" in none.error_bounds[0].told()
    assert run(tmp_path / "in", tmp_path / "out3", tasks=("read",)).error_bounds == ()
