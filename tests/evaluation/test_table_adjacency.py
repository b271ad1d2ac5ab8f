"""Cell adjacency of ICDAR 2013: of a document with two truths, the nearer one counts; they are not added up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from folioscope.pipeline.evaluation.benchmarks.documents import icdar_items, icdar_marks
from folioscope.pipeline.evaluation.rules.table_adjacency import (
    cells_of_html,
    nearest,
    relations,
    truths_by_page,
)

ROW = "<table><tr><td>one</td><td>two</td></tr></table>"


def write_truth(path: Path, *texts: str) -> None:
    cells = "".join(
        f'<cell start-row="0" start-col="{column}"><content>{text}</content></cell>'
        for column, text in enumerate(texts)
    )
    path.write_text(f'<document><table><region page="1">{cells}</region></table></document>')


def test_of_two_truths_the_nearer_one_counts(tmp_path: Path) -> None:
    (tmp_path / "x-1a.pdf").write_bytes(b"")
    write_truth(tmp_path / "x-1a-str.xml", "one", "two", "three")
    write_truth(tmp_path / "x-1b-str.xml", "one", "two")
    truths = truths_by_page(tmp_path, tmp_path / "x-1a.pdf")
    score = nearest(truths, {1: relations(cells_of_html(ROW))})
    assert (score.true, score.found, score.right) == (1, 1, 1)
    [item] = icdar_items(tmp_path)
    marks = {mark.metric: (mark.score, mark.weight) for mark in icdar_marks(item, ROW)}
    assert marks == {"recall": (1.0, 1.0), "precision": (1.0, 1.0)}


def test_pages_that_were_not_read_count_as_missed(tmp_path: Path) -> None:
    (tmp_path / "y.pdf").write_bytes(b"")
    write_truth(tmp_path / "y-str.xml", "one", "two")
    [item] = icdar_items(tmp_path)
    marks = {mark.metric: (mark.score, mark.weight) for mark in icdar_marks(item, "no table")}
    assert marks == {"recall": (0.0, 1.0), "precision": (0.0, 0.0)}


def test_dots_that_lead_to_the_next_cell_are_no_text() -> None:
    led = relations(cells_of_html("<table><tr><td>one .......</td><td>two</td></tr></table>"))
    assert led == relations(cells_of_html(ROW)) == Counter({("one", "two", "right"): 1})


def test_a_span_past_all_sense_ends() -> None:
    assert len(cells_of_html('<table><tr><td colspan="999999999">a</td><td rowspan="x">b</td></tr></table>')) == 2
