"""Every query of docs/queries.md runs on the published tables and gives the answer that it is for."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sample_rows import answer, asset, block, evidence, failure, page, publish, run

PROJECT = Path(__file__).resolve().parents[2]
QUERIES = re.findall(
    r"^## (\d+)\. .*?```sql\n(.*?)```", (PROJECT / "docs" / "queries.md").read_text(encoding="utf-8"), re.DOTALL | re.M
)
Rows = list[tuple[Any, ...]]
IDLE = {"seen": 9, "done": 0, "reused": 9, "failed": 0, "skipped": 0}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    unsure = [block("smudge", confidence=0.5), block("blot", confidence=0.7)]
    table = block("<table><tr><td>1</td></tr></table>", kind="table")
    card = block("SALMON RUN", start_s=3.0, end_s=5.0)
    shot = page(
        "F",
        1,
        kind="shot",
        page_number=None,
        start_s=2.0,
        end_s=6.0,
        text="SALMON RUN",
        blocks=[card],
        caption="a fish",
    )
    video = asset("video.mp4", "F", kind="video", page_count=None, shot_count=1, size=100, answer_recipe_ids=[])
    unfounded = {**evidence("made up"), "verified": False}
    rows = {
        "assets": [
            asset("a.pdf", "A", size=10, answer_recipe_ids=["fish", "moon"]),
            asset("b/a copy.pdf", "A", size=10, answer_recipe_ids=["fish", "moon"]),
            asset("b.pdf", "B", size=20, status="partial", answer_recipe_ids=["fish", "moon"]),
            video,
            asset("notes.txt", None, kind=None, page_count=None, size=5, status="skipped"),
        ],
        "segments": [
            page("A", 1, text="Of salmon and weirs", blocks=[table], reader="layer", route_reason="usable_layer"),
            page("A", 2, flags=["low_confidence"], blocks=unsure, reader="model", route_reason="form"),
            page("A", 2, "read-0", text="salmon of an older reading"),
            page("B", 1, layer_agreement=0.4, blocks=[], reader="model", route_reason="form"),
            shot,
        ],
        "answers": [
            answer("A", "fish", "fish", question="Which fish?", answer="Salmon", evidence=[evidence("Of salmon", 1)]),
            answer("B", "fish", "fish", question="Which fish?", answer="Eel", evidence=[unfounded]),
            answer("A", "moon", "moon", question="Whose moon?", answer=None, answerable=False, evidence=[]),
            answer("B", "moon", "moon", question="Whose moon?", answer=None, answerable=False, evidence=[]),
        ],
        "failures": [
            failure(
                "b.pdf", "B", stage="decode", segment=2, recipe_id="read-1", reason="decode_timeout", retryable=True
            )
        ],
        "runs": [run("run-1"), run("run-2", segments=IDLE)],
    }
    folder = publish(tmp_path_factory.mktemp("queries"), rows)
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET VARIABLE output = $folder", {"folder": str(folder)})
    connection.execute((PROJECT / "schemas" / "views.sql").read_text(encoding="utf-8"))
    return connection


BOX = {"x0": 0.1, "y0": 0.1, "x1": 0.9, "y1": 0.2}
ANSWERS: dict[str, Rows] = {
    "1": [
        ("other", "skipped", 1, 0, 5),
        ("pdf", "done", 2, 4, 20),
        ("pdf", "partial", 1, 2, 20),
        ("video", "done", 1, 1, 100),
    ],
    "2": [("a.pdf", 1, None, "Of salmon and weirs"), ("video.mp4", None, 2.0, "SALMON RUN")],
    "3": [("Which fish?", "a.pdf", "Salmon", 1, "Of salmon")],
    "4": [("Whose moon?", 2)],
    "5": [("b.pdf", 1, [], pytest.approx(0.4), None), ("a.pdf", 2, ["low_confidence"], None, pytest.approx(0.6))],
    "6": [("decode_timeout", True, 1, 1, "The file ends in the middle.")],
    "7": [("a.pdf", 1, "<table><tr><td>1</td></tr></table>", pytest.approx(BOX))],
    "8": [(["a.pdf", "b/a copy.pdf"], 10)],
    "9": [("video.mp4", 3.0, 5.0, "SALMON RUN")],
    "10": [("run-1", date(2026, 3, 1), 6, 0.1, 0.75, 20.0)],
    "11": [("model", "form", 2), ("layer", "usable_layer", 1)],
}


def test_there_are_eleven_and_each_has_an_answer() -> None:
    assert [number for number, _ in QUERIES] == list(ANSWERS)


@pytest.mark.parametrize(("number", "sql"), QUERIES)
def test_a_query_gives_its_answer(tables: duckdb.DuckDBPyConnection, number: str, sql: str) -> None:
    assert tables.execute(sql).fetchall() == ANSWERS[number]
