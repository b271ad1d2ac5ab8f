"""Two rankings as one: what words account for stands, the rest is meaning's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from folioscope.pipeline.search.engine import Ranked
from folioscope.pipeline.search.fusion import coverage, fused


def ranking(*scored: tuple[str, float]) -> list[Ranked]:
    """Rows by their paths, best first, as the index gives them."""
    rows = [Ranked(name, "r", 1, "page", name, score) for name, score in scored]
    return sorted(rows, key=lambda row: (-row.score, row.uri))


rankings = st.dictionaries(
    st.sampled_from("abcdefgh"), st.floats(0.1, 40.0).map(lambda x: round(x, 1)), min_size=1
).map(lambda found: ranking(*found.items()))


@given(by_words=rankings, by_meaning=rankings, share=st.floats(0.0, 1.0))
def test_every_row_of_both_is_there_once_with_a_score_from_nought_to_one(
    by_words: list[Ranked], by_meaning: list[Ranked], share: float
) -> None:
    found = fused(by_words, by_meaning, share)
    assert sorted(row.uri for row in found) == sorted({row.uri for row in (*by_words, *by_meaning)})
    assert [row.score for row in found] == sorted((row.score for row in found), reverse=True)
    assert all(0.0 <= row.score <= 1.0 + 1e-9 for row in found)


@given(by_words=rankings, by_meaning=rankings)
def test_words_alone_decide_where_they_account_for_the_query(by_words: list[Ranked], by_meaning: list[Ranked]) -> None:
    assert [row.uri for row in fused(by_words, by_meaning, 1.0)][: len(by_words)] == [row.uri for row in by_words]


@given(by_words=rankings, by_meaning=rankings)
def test_meaning_alone_decides_where_words_account_for_nothing(
    by_words: list[Ranked], by_meaning: list[Ranked]
) -> None:
    first = fused(by_words, by_meaning, 0.0)[0].uri
    assert first in {row.uri for row in by_meaning if row.score == by_meaning[0].score}


def test_what_is_near_in_meaning_passes_a_row_that_holds_half_of_the_words() -> None:
    by_words, by_meaning = ranking(("some words", 9.0), ("fewer", 3.0)), ranking(("meant", 0.9), ("a", 0.8), ("b", 0.7))
    assert fused(by_words, by_meaning, 0.4)[0].uri == "meant"
    assert fused(by_words, by_meaning, 0.9)[0].uri == "some words"


def test_the_share_is_of_words_in_any_of_their_forms() -> None:
    asked = [frozenset({"ship", "schiff"}), frozenset({"harbour"}), frozenset({"1874"}), frozenset({"nowher"})]
    assert coverage(asked, [frozenset({"schiff", "1874"}), frozenset({"harbour"})]) == 0.5
    assert coverage(asked, []) == coverage([], [frozenset({"ship"})]) == 0.0
