"""The report finds what the terminal finds, in the same order: over texts of many languages, and over 120 real queries."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pymupdf
import pytest
from playwright.sync_api import Browser, expect
from sample_rows import asset, page, publish

from benchmarks.search_quality import FIRST, QUERIES, places, queries
from folioscope.model.language import language_of
from folioscope.pipeline.readers.search import ArchiveSearch
from folioscope.pipeline.report.site import write_report
from folioscope.pipeline.search.build import publish_index
from folioscope.pipeline.search.rows import IndexRecipe
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest

WORDS = {
    "en": "river weir flood counted counting salmon gates 1,874 2024 the of mill miller milling",
    "de": "Fluss Wehr Sandsäcke Sandsack Mühle Müller gezählt 1.874 der das Straße",
    "fr": "rivière crue élève élèves l’eau meunier moulin 1 874 sacs",
    "ru": "река мельница мельник наводнение ёлка рек",
    "zh": "河流 水位 沙袋 磨坊 数据库",
    "ar": "النهر الطاحونة المياه ١٢٣٤",
}


def compared(browser: Browser, folder: Path, asked: Iterable[str]) -> None:
    """Publish what lies in ``folder``/out as index and report, and hold the first five of both side by side."""
    store, site = OutputStore(str(folder / "out")), folder / "site"
    publish_index(store, load_manifest(store), IndexRecipe(), lambda: None)
    write_report(store, OutputStore(str(site)), 10_000)
    search = ArchiveSearch(store)
    view = browser.new_page()
    view.goto((site / "index.html").as_uri())
    view.wait_for_selector(".file")
    for query in asked:
        shown = view.evaluate(
            "async ([query, limit]) => folioscope.search.places(query, await folioscope.load('site'), limit)",
            [query, FIRST],
        )
        assert [tuple(place) for place in shown] == places(search.find(query, FIRST)), query
    view.close()


def test_both_rank_alike_in_every_language(browser: Browser, tmp_path: Path) -> None:
    chance = random.Random(7)
    texts = {}
    for number in range(120):
        tag = chance.choice([*WORDS])
        texts[f"{number:03d}"] = (tag, " ".join(chance.choices(WORDS[tag].split(), k=chance.randint(3, 60))))
    rows = {
        "assets": [asset(f"in/{tag}_{name}.pdf", name, page_count=1) for name, (tag, _) in texts.items()],
        "segments": [page(name, 1, text=text, language=tag, blocks=[]) for name, (tag, text) in texts.items()],
    }
    publish(tmp_path / "out", rows)
    known = [word for words in WORDS.values() for word in words.split()]
    asked = [" ".join(chance.choices(known, k=chance.randint(1, 4))) for _ in range(40)]
    asked += [f'"{chance.choice(known)} {chance.choice(known)}" {chance.choice(known)}' for _ in range(10)]
    asked += [f"{chance.choice(known)} -{chance.choice(known)}" for _ in range(10)]
    compared(browser, tmp_path, [*asked, "the", "sandsacke", "1874", "de 007", "水", "nowhere to be found"])


@pytest.mark.slow
def test_both_give_the_same_first_five_for_the_120_queries(browser: Browser, corpus: Path, tmp_path: Path) -> None:
    """Over the corpus's text layers, which are quickly read; what is right is measured by benchmarks/search.py."""
    asked = queries()
    files = sorted({file for each in asked for file, _ in each.pages if file.endswith(".pdf")})
    rows: dict[str, list[dict[str, object]]] = {"assets": [], "segments": []}
    for number, file in enumerate(files):
        name = f"{number:064x}"
        with pymupdf.open(corpus / file) as document:
            rows["assets"].append(asset(file, name, page_count=len(document)))
            for at, sheet in enumerate(document, 1):
                text = sheet.get_text()
                rows["segments"].append(page(name, at, text=text, language=language_of(text), blocks=[]))
    publish(tmp_path / "out", rows)
    compared(browser, tmp_path, [each.query for each in asked])


def test_the_queries_are_120_and_each_names_its_pages() -> None:
    asked = queries()
    assert len({each.query for each in asked}) == 120
    assert sum(each.kind == "absent" for each in asked) == 20
    assert all(bool(each.pages) == (each.kind != "absent") for each in asked), QUERIES.name


def test_the_pages_of_the_queries_are_there(corpus: Path) -> None:
    for file, number in {right for each in queries() for right in each.pages}:
        assert (corpus / file).is_file(), file
        if number is not None and file.endswith(".pdf"):
            with pymupdf.open(corpus / file) as document:
                assert 1 <= number <= len(document), (file, number)


def test_a_phrase_of_common_words_says_what_was_not_looked_at(browser: Browser, tmp_path: Path) -> None:
    rows = {
        "assets": [asset("in/a.pdf", "a" * 64, page_count=311)],
        "segments": [page("a" * 64, number, text="weir mill", language="en", blocks=[]) for number in range(1, 312)],
    }
    publish(tmp_path / "out", rows)
    write_report(OutputStore(str(tmp_path / "out")), OutputStore(str(tmp_path / "site")), 10)
    view = browser.new_page()
    view.goto(f"{(tmp_path / 'site/index.html').as_uri()}#/search?q=%22mill weir%22")
    expect(view.locator("main p.faint")).to_contain_text(
        "11 more pages and shots with all words of the phrase were not"
    )
    view.close()
