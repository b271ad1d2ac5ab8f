"""Runs over pages for several readers: who read what, counted in the plan, in the usage report and in the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pymupdf
import pytest
from runs import ask, prepare, run

from folioscope.pipeline.config import parse_config
from folioscope.pipeline.one_file import FileReader

pytestmark = pytest.mark.usefixtures("inline_actors")

PROSE = "The keeper of the lighthouse wrote down every ship that passed, its flag and the hour, in a book of its own."
BY_READER = "SELECT reader, route_reason, count(*) FROM pages GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def archive(tmp_path: Path, make_pdf: Any) -> Path:
    """Five pages: three of prose, a form, and one of pixels alone."""
    folder = tmp_path / "archive"
    make_pdf(folder / "prose.pdf", [PROSE, PROSE])
    make_pdf(folder / "mixed.pdf", ["Name ________\n\nTown ________\n\nDate ________\n\n" + PROSE, PROSE])
    with pymupdf.open(folder / "prose.pdf") as document:
        document[0].get_pixmap(dpi=72).save(folder / "scan.png")
    return folder


def test_auto_gives_the_model_what_it_adds_to_and_counts_it(archive: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"by_picture": True, "tasks": ("read",)}
    planned = prepare(archive, tmp_path / "out", **settings).preview()
    outcome = run(archive, tmp_path / "out", **settings)
    assert outcome.usage.readers == {"layer": 3, "ocr": 0, "model": 2}
    assert {line.name: line.actual for line in outcome.usage.lines()}["pages read from their layer"] == 3
    assert ask(tmp_path / "out", BY_READER) == [
        ("layer", "usable_layer", 3),
        ("model", "form", 1),
        ("model", "no_layer", 1),
    ]
    assert ask(tmp_path / "out", "SELECT DISTINCT text_source, text FROM pages WHERE reader = 'layer'") == [
        ("text_layer", PROSE)
    ]
    assert planned.pages_by_layer is not None
    assert planned.pages_by_model is not None
    assert planned.pages_by_layer.low <= 3 <= planned.pages_by_layer.high
    assert planned.pages_by_model.low <= 2 <= planned.pages_by_model.high


def test_another_route_reads_the_documents_anew(archive: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"by_picture": True, "tasks": ("read",)}
    run(archive, tmp_path / "out", **settings)
    again = run(archive, tmp_path / "out", **settings)
    assert again.accounting.segments.reused == 5
    by_model = run(archive, tmp_path / "out", route="model", **settings)
    assert by_model.accounting.segments.done == 5
    assert by_model.usage.readers == {"layer": 0, "ocr": 0, "model": 5}
    assert ask(tmp_path / "out", BY_READER) == [("model", "all_pages", 5)]


def test_a_replica_that_reads_layers_itself_keeps_all_pages_and_its_recipe(archive: Path, tmp_path: Path) -> None:
    first = run(archive, tmp_path / "out", tasks=("read",))
    assert first.usage.readers == {"layer": 4, "ocr": 1, "model": 0}
    again = run(archive, tmp_path / "out", tasks=("read",), route="model")
    assert again.accounting.segments.reused == 5
    assert ask(tmp_path / "out", BY_READER) == [("layer", "usable_layer", 4), ("ocr", "no_layer", 1)]


def test_a_plan_of_pages_that_all_go_one_way_keeps_a_range(tmp_path: Path, make_pdf: Any) -> None:
    for number in range(6):
        make_pdf(tmp_path / "in" / f"{number}.pdf", [PROSE])
    planned = prepare(tmp_path / "in", tmp_path / "out", by_picture=True).preview()
    assert planned.pages_by_layer is not None
    assert planned.pages_by_layer.expected == 6
    assert planned.pages_by_layer.low < 6
    assert any("by looking into" in note for note in planned.notes)
    assert prepare(tmp_path / "in", tmp_path / "out").preview().pages_by_layer is None


@pytest.mark.slow
def test_one_file_is_routed_as_in_a_run(archive: Path) -> None:
    config = parse_config(inputs=(str(archive),), output="-", model="nano")
    with FileReader(config) as reader:
        document = reader.read(str(archive / "mixed.pdf"))
    assert [page.text_source for page in document.pages] == ["model", "text_layer"]
    assert document.pages[1].text == PROSE
