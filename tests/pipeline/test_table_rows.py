"""Rows of found tables: numbers side by side, second lines of labels, units, notes, folded tables, stripes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymupdf.table import SpanCell

from folioscope.pipeline.decode.table_rows import (
    join_labels,
    join_units,
    split_numbers,
    unfolded,
    without_leaders,
    without_notes,
)
from folioscope.pipeline.decode.table_seams import Row
from folioscope.pipeline.decode.table_stripes import joined_by_stripes
from folioscope.pipeline.decode.words import Word

WIDE, HIGH = 100.0, 14.0


def table(*lines: tuple[str, ...], indent: float = 0.0) -> tuple[list[Row], list[Word]]:
    """Rows of cells of one width; a cell's words stand 6 points a letter from its left. Blanks before words set in."""
    rows: list[Row] = []
    words: list[Word] = []
    for r, line in enumerate(lines):
        row = []
        for c, text in enumerate(line):
            box = (WIDE * c, HIGH * r, WIDE * (c + 1), HIGH * (r + 1))
            row.append(SpanCell(box, text.strip(), 1, 1, "th" if r == 0 else "td"))
            words += [
                Word((box[0] + 5 + 6 * m.start(), box[1] + 2, box[0] + 5 + 6 * m.end(), box[3] - 2), m[0])
                for m in re.finditer(r"\S+", text)
            ]
        rows.append(row)
    return rows, words


def texts(rows: list[Row]) -> list[list[str]]:
    return [[" ".join((cell.text or "").split()) for cell in row] for row in rows]


def test_numbers_side_by_side_in_every_row_are_columns() -> None:
    rows, words = table(
        ("Age", "Male    Female"), ("1", " 1,087    992"), ("2", " 2,586  2,568"), ("3", "   867    576")
    )
    split_numbers(rows, words)
    assert texts(rows) == [
        ["Age", "Male", "Female"],
        ["1", "1,087", "992"],
        ["2", "2,586", "2,568"],
        ["3", "867", "576"],
    ]


@pytest.mark.parametrize(
    "cells",
    [
        ("1 087", "2 586", "3 867"),
        ("12 May", "13 May", "14 May"),
        ("4 1,200", "12 7", "130 99"),
        ("4 (2)", "5 (1)", "6 (2)"),
    ],
    ids=["groups of digits", "dates", "not one below the other", "a count and its share"],
)
def test_what_only_looks_like_numbers_side_by_side_stays(cells: tuple[str, ...]) -> None:
    rows, words = table(("Port", "Dues"), *((str(n), cell) for n, cell in enumerate(cells)))
    before = texts(rows)
    split_numbers(rows, words)
    assert texts(rows) == before


def test_a_labels_second_line_joins_it_and_a_sections_name_does_not() -> None:
    rows, words = table(
        ("Group", "Count"),
        ("American Indian", "4,181"),
        ("  Native", ""),
        ("Hispanic", "79"),
        ("By sex", ""),
        ("  Male", "7"),
    )
    joined = texts(join_labels(rows, words))
    assert joined == [
        ["Group", "Count"],
        ["American Indian Native", "4,181"],
        ["Hispanic", "79"],
        ["By sex", ""],
        ["Male", "7"],
    ]


def test_a_section_under_a_row_of_totals_is_no_second_line() -> None:
    rows, words = table(("Group", "Count"), ("Total", "9"), ("  Of ports", ""), ("    Hythe", "4"), ("    Sallow", "5"))
    assert len(join_labels(rows, words)) == 5


def test_a_sections_name_under_the_head_stays_apart_from_it() -> None:
    rows, words = table(
        ("Source", "Tokens"), ("  First mix", ""), ("Web pages", "3.71"), ("  filtered", ""), ("Code", "83")
    )
    assert texts(join_labels(rows, words)) == [
        ["Source", "Tokens"],
        ["First mix", ""],
        ["Web pages filtered", "3.71"],
        ["Code", "83"],
    ]


def test_units_and_further_words_join_their_names() -> None:
    rows, _ = table(
        ("Concentration", "Body", ""), ("(ppm)", "weight (g)", "No."), ("Male", "", ""), ("250", "5.9", "30")
    )
    join_units(rows)
    assert texts(rows)[0] == ["Concentration (ppm)", "Body weight (g)", "No."]
    assert len(rows) == 3


def test_names_under_names_stay_apart() -> None:
    rows, _ = table(("Women", "Men"), ("Hispanic", "Others"), ("1", "2"))
    join_units(rows)
    assert len(rows) == 3


def test_notes_below_leave_the_table() -> None:
    rows, words = table(("Port", "Dues"), ("Hythe", "4"), ("Sallow", "5"), ("Note: in pounds", ""), ("* estimated", ""))
    assert texts(without_notes(rows, words)) == [["Port", "Dues"], ["Hythe", "4"], ["Sallow", "5"]]
    rows, words = table(("Port", "Dues"), ("Hythe", "4"), ("Other ports", ""))
    assert len(without_notes(rows, words)) == 3


@settings(max_examples=40)
@given(folds=st.integers(2, 4), length=st.integers(2, 6))
def test_a_folded_table_is_unfolded(folds: int, length: int) -> None:
    lines = [("Age", "Count") * folds]
    lines += [tuple(f"{part}-{n}{c}" for part in range(folds) for c in "ac") for n in range(length)]
    rows, _ = table(*lines)
    parts = unfolded(rows)
    assert [texts(part)[0] for part in parts] == [["Age", "Count"]] * folds
    assert [texts(part)[1][0] for part in parts] == [f"{part}-0a" for part in range(folds)]


def test_names_that_do_not_come_again_fold_nothing() -> None:
    rows, _ = table(("Age", "Count", "Age", "Share"), ("1", "2", "3", "4"), ("5", "6", "7", "8"))
    assert len(unfolded(rows)) == 1


@pytest.mark.parametrize(
    ("text", "bare"), [("0.99 ........", "0.99"), ("Total . . . . . .", "Total"), ("etc...", "etc..."), ("1.5", "1.5")]
)
def test_leaders_are_no_words(text: str, bare: str) -> None:
    assert without_leaders(text) == bare


def striped(*stripes: tuple[int, int]) -> list[tuple[tuple[float, float, float, float], list[tuple[float, float]]]]:
    """Stripes over lines first..last of a table of three columns."""
    places = [(HIGH * first, HIGH * (last + 1)) for first, last in stripes]
    return [((0.0, places[0][0], 3 * WIDE, places[-1][1]), places)]


def test_lines_of_one_stripe_are_one_row_set_at_its_foot() -> None:
    rows, words = table(
        ("Licence", "Address", "Town"),
        ("", "12 Quay", ""),
        ("101", "Street", "Hythe"),
        ("", "9 Long", ""),
        ("102", "Lane", "Sallow"),
        ("103", "Mill", "Carrow"),
        ("104", "Croft", "Hythe"),
        ("", "1 New", ""),
        ("105", "Road", "Carrow"),
        ("106", "Weir", "Sallow"),
    )
    rows[0][1].text, rows[0][1].bbox = "Address 12 Quay", (WIDE, 0.0, 2 * WIDE, 2 * HIGH)  # as finders take it
    del rows[1]
    found = joined_by_stripes(rows, words, striped((3, 4), (6, 6), (9, 9)))
    assert texts(found) == [
        ["Licence", "Address", "Town"],
        ["101", "12 Quay Street", "Hythe"],
        ["102", "9 Long Lane", "Sallow"],
        ["103", "Mill", "Carrow"],
        ["104", "Croft", "Hythe"],
        ["105", "1 New Road", "Carrow"],
        ["106", "Weir", "Sallow"],
    ]


def test_stripes_over_several_rows_each_join_none() -> None:
    lines = [("Town", "Year", "Ships"), *((("Hythe", "Sallow")[n % 2], f"19{n:02d}", str(3 * n)) for n in range(12))]
    rows, words = table(*lines)
    wanted = texts(rows)
    assert texts(joined_by_stripes(rows, words, striped((1, 2), (5, 6), (9, 10)))) == wanted


def test_a_group_named_once_beside_its_rows_stays_several_rows() -> None:
    groups = [("Hythe", "1901", "3"), ("", "1902", "4"), ("Sallow", "1901", "7"), ("", "1902", "9")]
    rows, words = table(("Town", "Year", "Ships"), *groups, *groups, *groups[:2])
    wanted = texts(rows)
    assert texts(joined_by_stripes(rows, words, striped((1, 2), (5, 6), (9, 10)))) == wanted
