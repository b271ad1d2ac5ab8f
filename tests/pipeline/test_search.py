"""Search finds what is current, pages and shots alike, with a quote and its place, wherever the output lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pytest
from sample_rows import Row, asset, block, page, publish
from typer.testing import CliRunner

from jobs.ask import app
from pipeline import search
from pipeline.search import ArchiveSearch, NothingPublishedError, clock, shortened
from pipeline.store import OutputStore

REPORT = "The fish counter at Sallow Weir recorded 1,874 salmon in 2024, more than in any year since it was installed."


def text_page(asset_id: str, number: int, text: str, **changes: Any) -> Row:
    return page(asset_id, number, text=text, blocks=[block(text)], **changes)


def shot(asset_id: str, number: int, start_s: float, *texts: str, **changes: Any) -> Row:
    shown = [block(text, start_s=start_s + n, end_s=start_s + n + 1) for n, text in enumerate(texts)]
    times = {"kind": "shot", "page_number": None, "start_s": start_s, "end_s": start_s + 9}
    return page(asset_id, number, text="\n\n".join(texts), blocks=shown, **times, **changes)


ROWS = {
    "assets": [
        asset("report.pdf", "A"),
        asset("copy.pdf", "A"),
        asset("river.mp4", "F", kind="video"),
        asset("gone.pdf", "G", status="deleted"),
    ],
    "segments": [
        text_page("A", 1, "Nothing is said here of fish."),
        text_page("A", 2, REPORT),
        text_page("A", 2, "salmon salmon salmon under another recipe", recipe_id="read-0"),
        text_page("G", 1, "salmon of a file that is gone"),
        shot("F", 1, 3661.5, "The river year", "1,874 salmon", "were recorded in 2024"),
        shot("F", 2, 3700.0, caption="A heron stands in shallow water."),
    ],
}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return publish(tmp_path / "tables", ROWS)


def find(output: str, cache: Path, query: str, limit: int = 10, kind: Any = None) -> list[search.Hit]:
    opened = ArchiveSearch(OutputStore(output), cache)
    try:
        return opened.find(query, limit, kind)
    finally:
        opened.close()


def test_one_question_spans_documents_and_films(output: Path, tmp_path: Path) -> None:
    hits = find(str(output), tmp_path / "cache", "How many salmon were recorded in 2024?")
    assert {(hit.uri, hit.place) for hit in hits} == {("copy.pdf", "page 2"), ("river.mp4", "1:01:02")}
    by_kind = {hit.kind: hit for hit in hits}
    assert by_kind["page"].quote == REPORT
    assert by_kind["shot"].quote == "1,874 salmon / were recorded in 2024"
    assert (by_kind["shot"].start_s, by_kind["shot"].end_s) == (3662.5, 3664.5)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_kind_and_limit(output: Path, tmp_path: Path) -> None:
    assert [hit.kind for hit in find(str(output), tmp_path, "salmon 2024", kind="page")] == ["page"]
    assert [hit.kind for hit in find(str(output), tmp_path, "salmon 2024", kind="shot")] == ["shot"]
    assert len(find(str(output), tmp_path, "salmon 2024 fish", limit=1)) == 1


def test_a_caption_is_found_and_called_one(output: Path, tmp_path: Path) -> None:
    [hit] = find(str(output), tmp_path, "heron")
    assert (hit.quote, hit.source, hit.start_s) == ("A heron stands in shallow water.", "caption", 3700.0)


def test_the_index_is_made_once_for_each_run(output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    write = search._write_index
    monkeypatch.setattr(search, "_write_index", lambda *arguments: (built.append(1), write(*arguments)))
    for _ in range(2):
        assert find(str(output), tmp_path / "cache", "salmon")
    assert len(built) == 1
    publish(output, {**ROWS, "segments": ROWS["segments"][:1]})
    manifest = json.loads((output / "manifest.json").read_text())
    (output / "manifest.json").write_text(json.dumps(manifest | {"run_id": "run-2"}))
    assert find(str(output), tmp_path / "cache", "salmon") == []
    assert len(list((tmp_path / "cache").glob("*/*"))) == 1, "the older run's index is gone"


def test_an_output_in_another_store_is_searched_where_it_lies(output: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(output), "/bucket/tables", recursive=True)
    try:
        assert find("memory://bucket/tables", tmp_path, "salmon")[0].uri in ("copy.pdf", "river.mp4")
    finally:
        memory.rm("/bucket", recursive=True)


def test_nothing_to_search(tmp_path: Path) -> None:
    with pytest.raises(NothingPublishedError, match=r"holds no manifest.json"):
        ArchiveSearch(OutputStore(str(tmp_path)), tmp_path)
    empty = publish(tmp_path / "empty", {})
    assert find(str(empty), tmp_path / "cache", "salmon") == []


def test_a_long_passage_is_shortened_to_where_the_words_stand() -> None:
    passage = " ".join(["filler"] * 200 + ["the", "salmon", "counter"] + ["filler"] * 200)
    short = shortened(passage, frozenset({"salmon", "counte"}))
    assert "the salmon counter" in short
    assert short.startswith("… ")
    assert short.endswith(" …")
    assert len(short.split()) <= 42
    assert shortened("a few words", frozenset()) == "a few words"
    assert [clock(seconds) for seconds in (0.0, 59.99, 3661.5)] == ["0:00:00", "0:00:59", "1:01:01"]


def test_the_command_line(output: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    arguments = ["--index", str(output), "--cache", str(tmp_path / "cache")]
    found = runner.invoke(app, [*arguments, "salmon 2024"])
    assert found.exit_code == 0
    assert "river.mp4  1:01:02" in found.stdout
    lines = runner.invoke(app, [*arguments, "--json", "--kind", "page", "salmon 2024"]).stdout.splitlines()
    assert [json.loads(line)["page_number"] for line in lines] == [2]
    nothing = runner.invoke(app, [*arguments, "zebra"])
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert 'hold the words of "zebra"' in nothing.stderr
    assert runner.invoke(app, ["--index", str(tmp_path), "zebra"]).exit_code == 2
