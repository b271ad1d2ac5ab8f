"""Loops are found soon after they begin; tables, forms and ruled lines come through whole."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folioscope.model.engine.loops import CHECK_EVERY, WORDS, find_loop, is_due

words = st.lists(st.integers(0, 50), max_size=60)
_TOKEN = re.compile(r"</?\w+|>|\w{1,6}|\s|[^\w\s]")


def tokens(text: str) -> list[str]:
    """Pieces about as long as a tokenizer's."""
    return _TOKEN.findall(text)


def join(pieces: Sequence[str]) -> str:
    return "".join(pieces)


def written(pieces: Sequence[str]) -> tuple[str, int]:
    """(what is kept of a completion that writes these, how many were written before it was cut or ended)."""
    for number in range(1, len(pieces) + 1):
        if is_due(number) and (kept := find_loop(pieces[:number], join)) is not None:
            return join(pieces[:kept]), number
    return join(pieces), len(pieces)


@settings(max_examples=200)
@given(
    before=words, turn=st.lists(st.integers(100, 200), min_size=1, max_size=80, unique=True), times=st.integers(1, 400)
)
def test_a_loop_is_kept_once(before: list[int], turn: list[int], times: int) -> None:
    ids = [*before, *turn * times]
    kept = find_loop(ids)
    if WORDS.is_passed(len(turn) * times, len(turn)):
        assert kept == len(before) + len(turn)
    else:
        assert kept is None


@settings(max_examples=100)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=400, unique=True))
def test_text_without_repetition_is_no_loop(ids: list[int]) -> None:
    assert find_loop(ids) is None


AFTER = "\nSigned at Sallow on the first of April.\n"
PAGES = {
    "60 empty rows": "<table>" + "<tr><td></td><td></td><td></td><td></td></tr>\n" * 60 + "</table>",
    "60 empty Markdown rows": "| a | b |\n|---|---|\n" + "|  |  |\n" * 60,
    "40 check boxes": "☐ Yes ☐ No\n" * 40,
    "40 check boxes in a row": "☐" * 40,
    "40 task list items": "- [ ] \n" * 40,
    "20 equal rows": "<table>" + "<tr><td>n/a</td><td>0.00</td></tr>" * 20 + "</table>",
    "a leader of dots": "Chapter one" + "." * 90 + "7",
    "ten lines to write on": ("_" * 60 + "\n") * 10,
    "a refrain three times": "Ring, ring the bells that still can ring, forget your perfect offering.\n" * 3,
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_real_page_comes_through_whole(page: str) -> None:
    text = f"# Form\n{page}{AFTER}"
    assert written(tokens(text)) == (text, len(tokens(text)))


LOOPS = {
    "a sentence": "The rent is paid in two parts, at Lady Day and at Michaelmas. ",
    "a paragraph": "The meadow below the weir is let from the first of April each year to whoever bids the most for it, "
    "and the rent is paid in two parts, at Lady Day and at Michaelmas, into the hand of the bailiff or of his clerk, "
    "who gives a receipt for it and enters it in the book that is kept for the purpose at the mill. ",
    "a word": "very ",
    "a line": "Total carried forward\n",
    "a row with words": "<tr><td>Weir at Sallow</td><td>rebuilt in 1987</td><td>fish counter</td></tr>\n",
    "a short row": "<tr><td>Total</td><td>0</td></tr>",
    "dots": ".",
    "check boxes": "☐ ",
    "a cell": "<td></td>",
}


@pytest.mark.parametrize("turn", LOOPS.values(), ids=LOOPS)
def test_a_true_loop_is_cut_within_600_tokens(turn: str) -> None:
    before = "# A page\nWith some words of its own.\n"
    kept, number = written(tokens(before + turn * 4000))
    assert number - len(tokens(before)) <= 600 + CHECK_EVERY
    assert before + turn.rstrip() in kept
    assert kept.count(turn.strip()) <= 2 or len(turn) <= 2


def test_what_is_kept_ends_with_a_line_or_row() -> None:
    row = "<tr><td>Weir at Sallow</td><td>rebuilt in 1987</td><td>fish counter</td></tr>"
    kept, _ = written(tokens("<table>" + row * 100))
    assert kept.endswith("</tr>")
    kept, _ = written(tokens("Head\n" + "one line of words\n" * 200))
    assert kept.endswith("one line of words\n")


def test_a_page_that_repeats_a_row_and_goes_on_differently_is_no_loop() -> None:
    rows = [f"<tr><td>Weir {number}</td><td>n/a</td><td>n/a</td><td>0</td></tr>" for number in range(120)]
    text = "<table>" + "".join(rows) + "</table>"
    assert written(tokens(text))[0] == text
