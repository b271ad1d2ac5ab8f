"""Search finds what is current, pages and shots alike, with a quote and its place, wherever the output lies."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sample_rows import Row, asset, block, page, publish

from folioscope.jobs.search import command
from folioscope.pipeline.readers import search
from folioscope.pipeline.readers.search import ArchiveSearch, SearchError, clock
from folioscope.pipeline.search import rows as rows_of_index
from folioscope.pipeline.search.analysis import terms
from folioscope.pipeline.search.build import erase_deleted, publish_index
from folioscope.pipeline.search.engine import Wanted
from folioscope.pipeline.search.query import Filters
from folioscope.pipeline.search.quotes import shortened
from folioscope.pipeline.search.rows import IndexRecipe
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import Manifest, load_manifest

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
    return ArchiveSearch(OutputStore(output), cache).find(query, limit, kind)


def test_one_question_spans_documents_and_videos(output: Path, tmp_path: Path) -> None:
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
    update = search.update_index
    monkeypatch.setattr(search, "update_index", lambda *arguments: built.append(1) or update(*arguments))
    for _ in range(2):
        assert find(str(output), tmp_path / "cache", "salmon")
    assert len(built) == 1
    publish(output, {**ROWS, "segments": ROWS["segments"][:1]})
    manifest = json.loads((output / "manifest.json").read_text())
    (output / "manifest.json").write_text(json.dumps(manifest | {"run_id": "run-2"}))
    assert find(str(output), tmp_path / "cache", "salmon") == []
    assert len(built) == 2


def test_an_output_in_another_store_is_searched_where_it_lies(output: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(output), "/bucket/tables", recursive=True)
    try:
        assert find("memory://bucket/tables", tmp_path, "salmon")[0].uri in ("copy.pdf", "river.mp4")
    finally:
        memory.rm("/bucket", recursive=True)


def test_nothing_to_search(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"holds no manifest.json"):
        ArchiveSearch(OutputStore(str(tmp_path)), tmp_path)
    old = publish(tmp_path / "old", {}, version=1)
    with pytest.raises(SearchError, match="Run its job again"):
        ArchiveSearch(OutputStore(str(old)), tmp_path)
    empty = publish(tmp_path / "empty", {})
    assert find(str(empty), tmp_path / "cache", "salmon") == []


def test_a_long_passage_is_shortened_to_where_the_words_stand() -> None:
    passage = " ".join(["filler"] * 200 + ["the", "salmon", "counter"] + ["filler"] * 200)
    short = shortened(passage, frozenset({"salmon", "counter"}))
    assert "the salmon counter" in short
    assert short.startswith("… ")
    assert short.endswith(" …")
    assert len(short.split()) <= 42
    assert shortened("a few words", frozenset()) == "a few words"
    assert [clock(seconds) for seconds in (0.0, 59.99, 3661.5)] == ["0:00:00", "0:00:59", "1:01:01"]


def test_the_command_line(output: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    arguments = ["--index", str(output), "--cache", str(tmp_path / "cache")]
    found = runner.invoke(command, [*arguments, "salmon 2024"])
    assert found.exit_code == 0
    assert "river.mp4  1:01:02" in found.stdout
    lines = runner.invoke(command, [*arguments, "--json", "--kind", "page", "salmon 2024"]).stdout.splitlines()
    assert [json.loads(line)["page_number"] for line in lines] == [2]
    nothing = runner.invoke(command, [*arguments, "zebra"])
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert 'hold the words of "zebra"' in nothing.stderr
    assert runner.invoke(command, ["--index", str(tmp_path), "zebra"]).exit_code == 2


def text_asset(asset_id: str, uri: str | None = None, **changes: Any) -> Row:
    return asset(uri or f"{asset_id}.pdf", asset_id, **changes)


def archive(folder: Path, texts: dict[str, str], **changes: Any) -> Path:
    """One page a file, in the language that its name begins with."""
    rows = {
        "assets": [text_asset(name) for name in texts],
        "segments": [
            text_page(name, 1, text, language=name.partition("-")[0], **changes) for name, text in texts.items()
        ],
    }
    return publish(folder, rows)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("sandsacke", "de-1"),
        ("SANDSÄCKE", "de-1"),
        ("Sandsack", "de-1"),
        ("1874", "en-1"),
        ("1,874", "en-1"),
        ("counted floods", "en-1"),
        ("élève", "fr-1"),
        ("eleves", "fr-1"),
        ("eau", "fr-1"),
        ("数据", "zh-1"),
        ("データ", "ja-1"),
        ("Чайковского", "ru-1"),
        ("ёлки", "ru-1"),
        ("Ἀθῆναι", "el-1"),
    ],
)
def test_a_word_is_found_in_any_form(query: str, found: str, shelf: tuple[Path, Path]) -> None:
    output, cache = shelf
    hits = find(str(output), cache, query)
    assert [hit.asset_id for hit in hits][:1] == [found]
    assert any(asked for _, asked in hits[0].marked), "what was found is marked"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("shelf")
    texts = {
        "de-1": "Die Sandsäcke liegen am Wehr.",
        "en-1": "After the flood we count 1,874 salmon at the weir.",
        "fr-1": "Les élèves boivent de l’eau.",
        "zh-1": "这个数据库很大",
        "ja-1": "データベースの水",
        "ru-1": "Ёлка и Чайковский",
        "el-1": "Η Αθήνα είναι μεγάλη; Αθήναι",
    }
    return archive(folder / "out", texts), folder / "cache"


def test_phrases_and_words_left_out(tmp_path: Path) -> None:
    texts = {"en-1": "the red fish counter", "en-2": "a counter of red fish", "en-3": "red paint"}
    output = archive(tmp_path / "out", texts)

    def ids(query: str) -> set[str]:
        return {hit.asset_id for hit in find(str(output), tmp_path / "cache", query)}

    assert ids("red fish counter") == {"en-1", "en-2", "en-3"}
    assert ids('"fish counter"') == {"en-1"}
    assert ids('"fish counters" red') == {"en-1"}, "a phrase may be inflected"
    assert ids("red -paint") == {"en-1", "en-2"}
    assert ids('"counter of red"') == {"en-2"}, "words without content count within a phrase"
    assert ids("of the") == {"en-1", "en-2"}, "and where there is nothing else"


def test_filters(tmp_path: Path) -> None:
    rows = {
        "assets": [
            asset("in/a/one.pdf", "A", modified_at=datetime(2024, 5, 1, tzinfo=UTC)),
            asset("in/b/two's.pdf", "B", modified_at=datetime(2025, 5, 1, tzinfo=UTC)),
        ],
        "segments": [
            text_page("A", 1, "salmon", language="en-GB"),
            text_page("B", 1, "salmon", language="de", flags=["low_confidence"], text_source="model", model="vlm@1"),
        ],
    }
    search = ArchiveSearch(OutputStore(str(publish(tmp_path / "out", rows))), tmp_path / "cache")

    def ids(**filters: Any) -> str:
        return "".join(sorted(hit.asset_id for hit in search.find("salmon", 9, filters=Filters(**filters))))

    assert ids() == "AB"
    assert (ids(path="in/a"), ids(path="*.pdf"), ids(path="two's.pdf"), ids(path="one")) == ("A", "AB", "B", "")
    assert (ids(since=date(2024, 5, 2)), ids(until=date(2024, 5, 1))) == ("B", "A")
    assert (ids(language="en"), ids(language="de"), ids(language="e")) == ("A", "B", "")
    assert (ids(verified=True), ids(verified=False)) == ("A", "B")
    assert (ids(flag="low_confidence"), ids(flag="x' OR true --")) == ("B", "")


def test_file_names_and_titles_are_found(tmp_path: Path) -> None:
    rows = {
        "assets": [
            asset("in/annual_report-2021.pdf", "A", title="On herons"),
            asset("in/copies/yearbook.pdf", "A", title="On herons"),
        ],
        "segments": [text_page("A", 1, "nothing of the kind")],
    }
    output = publish(tmp_path / "out", rows)
    for query in ("annual report", "2021", "heron", "yearbook"):
        assert [hit.segment for hit in find(str(output), tmp_path / "cache", query)] == [1], query
    [hit] = find(str(output), tmp_path / "cache", "2021")
    assert (hit.source, hit.quote) == ("name", "annual report-2021.pdf")


def test_a_typo_gets_a_suggestion_that_finds_something(output: Path, tmp_path: Path) -> None:
    search = ArchiveSearch(OutputStore(str(output)), tmp_path)
    for typo, meant in (("slamon 2024", "salmon 2024"), ("cuonter", "counter")):
        found = search.search(typo, 5)
        assert found.suggestion == meant
        assert search.find(meant, 5)
    assert search.search("salmon", 5).suggestion is None
    assert search.search("xylophone", 5).suggestion is None
    told = CliRunner().invoke(command, [str(output), "--cache", str(tmp_path), "slamon"])
    assert (told.exit_code, told.stdout) == (1, "")
    assert "did you mean: salmon" in told.stderr


def test_of_words_that_are_near_the_one_most_like_what_was_typed_is_suggested(tmp_path: Path) -> None:
    texts = {"en-1": "the Artful Dodger", "en-2": "Dodds and others", "en-3": "a commission sat", "en-4": "comics"}
    search = ArchiveSearch(OutputStore(str(archive(tmp_path / "out", texts))), tmp_path / "cache")
    for typo, meant in (("Dogder", "Dodger"), ("commics", "comics")):
        assert search.search(typo, 5).suggestion == meant


def test_matches_are_marked_on_a_terminal_alone(output: Path, tmp_path: Path) -> None:
    arguments = [str(output), "--cache", str(tmp_path), "--kind", "page", "installed"]
    assert "\x1b[33m\x1b[1minstalled\x1b[0m" in CliRunner().invoke(command, arguments, color=True).stdout
    assert "\x1b" not in CliRunner().invoke(command, arguments).stdout


def published_index(output: Path) -> tuple[OutputStore, Manifest]:
    store = OutputStore(str(output))
    return store, publish_index(store, load_manifest(store), IndexRecipe(), lambda: None)


def test_an_index_grows_by_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    indexed = rows_of_index._indexed
    monkeypatch.setattr(rows_of_index, "_indexed", lambda rows, *rest: read.append(len(rows)) or indexed(rows, *rest))
    texts = {f"en-{number:02d}": f"page of number{number}" for number in range(20)}
    archive(tmp_path / "out", texts)
    _, first = published_index(tmp_path / "out")
    assert (sum(read), first.index and first.index.pages) == (20, 20)
    read.clear()
    _, same = published_index(tmp_path / "out")
    assert (same.index, read) == (first.index, [])
    for night in range(10):
        texts |= {f"en-{night:02d}": f"changed in night{night}", f"en-9{night}": f"new in night{night}"}
        rows = {
            "assets": [text_asset(name, f"{name}.pdf", page_count=night) for name in texts],
            "segments": [text_page(name, 1, text, recipe_id="read-1") for name, text in texts.items()],
        }
        for row in rows["assets"]:
            if row["asset_id"] == f"en-{night:02d}":
                row["title"] = f"changed{night}"
        keep = load_manifest(OutputStore(str(tmp_path / "out"))).index
        publish(tmp_path / "out", rows)
        manifest = json.loads((tmp_path / "out/manifest.json").read_text())
        (tmp_path / "out/manifest.json").write_text(json.dumps(manifest | {"index": asdict(keep), "generation": night}))
        store, after = published_index(tmp_path / "out")
        assert sum(read) <= 3, "the new one, the one that changed, and the one whose title went back"
        read.clear()
        search = ArchiveSearch(store)
        assert {hit.asset_id for hit in search.find(f"night{night}", 9)} == {f"en-{night:02d}", f"en-9{night}"}
        assert len(search.find("page", 30)) == 19 - night
        assert after.index is not None
        assert after.index.version > (keep.version if keep else 0)
    assert search.find("number1", 9) == [], "what a page said before is not found"


def test_what_expired_is_in_no_file_of_the_index(tmp_path: Path) -> None:
    output = archive(tmp_path / "out", {"en-1": "an open word", "en-2": "the secret Quetzalcoatl"})
    store, indexed = published_index(output)
    publish(output, {"assets": [text_asset("en-1")], "segments": [text_page("en-1", 1, "an open word")]})
    manifest = json.loads((output / "manifest.json").read_text())
    assert indexed.index is not None
    (output / "manifest.json").write_text(json.dumps(manifest | {"index": asdict(indexed.index)}))
    after = erase_deleted(store, load_manifest(store), lambda: None)
    assert after.index == load_manifest(store).index
    assert [hit.asset_id for hit in ArchiveSearch(store).find("word", 9)] == ["en-1"]
    held = b"".join(path.read_bytes() for path in (output / "_search").rglob("*") if path.is_file())
    assert b"open" in held
    assert b"quetzalcoatl" not in held


def test_a_reader_of_the_version_before_is_not_disturbed(tmp_path: Path) -> None:
    output = archive(tmp_path / "out", {"en-1": "an open word"})
    store, indexed = published_index(output)
    before = ArchiveSearch(store)
    publish(output, {})
    assert indexed.index is not None
    manifest = json.loads((output / "manifest.json").read_text()) | {"index": asdict(indexed.index)}
    (output / "manifest.json").write_text(json.dumps(manifest))
    published_index(output)
    assert len(before._index.find(Wanted(["word"]), 9)) == 1
    assert ArchiveSearch(store).find("word", 9) == []


@given(text=st.text(), language=st.sampled_from(["en", "de", "ru", "hi", None]))
def test_terms_do_not_depend_on_case_and_are_stable(text: str, language: str | None) -> None:
    found = terms(text, language)
    assert all(term and " " not in term for term in found)
    assert terms(text.upper().lower(), language) == terms(text.upper().lower().upper().lower(), language)
    assert terms(" ".join(terms(text)), None) == terms(" ".join(terms(" ".join(terms(text)))), None)
