"""Loops are found soon after they begin; what merely repeats a little is left alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from model.engine.loops import LEAST_LOOP_TOKENS, LEAST_TIMES, find_loop

words = st.lists(st.integers(0, 50), max_size=60)


@settings(max_examples=200)
@given(
    before=words, turn=st.lists(st.integers(100, 200), min_size=1, max_size=80, unique=True), times=st.integers(1, 40)
)
def test_a_loop_is_kept_once(before: list[int], turn: list[int], times: int) -> None:
    ids = [*before, *turn * times]
    kept = find_loop(ids)
    if len(turn) * times >= LEAST_LOOP_TOKENS and times >= LEAST_TIMES:
        assert kept == len(before) + len(turn)
    else:
        assert kept is None


@settings(max_examples=100)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=400, unique=True))
def test_text_without_repetition_is_no_loop(ids: list[int]) -> None:
    assert find_loop(ids) is None


def test_a_ruled_line_and_an_empty_table_row_are_no_loops() -> None:
    assert find_loop([1, 2, *[7] * 80]) is None
    assert find_loop([1, 2, *[8, 9] * 40]) is None
