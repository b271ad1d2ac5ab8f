"""What the report's data holds, where it is written, and that nothing in it can end a script."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import fsspec
import pytest
from archive_rows import EVIL, PAPER, VIDEO, published
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_rows import asset, page, publish

from folioscope.pipeline.report.archive import PublishedArchive, ReportError, chains
from folioscope.pipeline.report.pieces import script
from folioscope.pipeline.report.search_index import SearchIndex, bucket
from folioscope.pipeline.report.site import Report, write_report
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import DataFile


def write(output: Path, site: Path, limit: int = 100) -> Report:
    return write_report(OutputStore(str(output)), OutputStore(str(site)), limit)


def piece(site: Path, name: str) -> Any:
    [folder] = site.glob("files-*")
    text = (folder / f"{name}.js").read_text(encoding="utf-8")
    _, value = re.fullmatch(r'folioscope\.take\("([^"]*)",(.*)\);\n', text, re.DOTALL).groups()  # type: ignore[union-attr]
    return json.loads(value)


def head(site: Path, asset_id: str) -> Any:
    return piece(site, f"doc/{asset_id[:2]}/{asset_id}/head")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write(published(folder / "out"), folder / "site")
    return folder / "site"


def test_the_current_state_is_shown_and_nothing_else(site: Path) -> None:
    overview = piece(site, "site")
    assert (overview["files"], overview["shown"], overview["segments"]) == (5, 5, 7)
    assert overview["statuses"] == {"done": 2, "partial": 2, "failed": 1}
    paths = [row["uri"] for row in piece(site, "assets/0")]
    assert "in/old.pdf" not in paths
    assert paths == sorted(paths)
    everything = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.js"))
    assert everything.count("obsolescence") == 1, "as the earlier reading of its page, and not in the index"
    assert [row["text"] for row in piece(site, f"doc/aa/{PAPER}/older/0")] == ["an older reading: obsolescence"]
    assert "evanescence" not in everything


def test_a_document_brings_its_pages_failures_and_copies(site: Path) -> None:
    paper = head(site, PAPER)
    assert paper["uris"] == ["in/copy of lantern.pdf", "in/lantern.pdf"]
    assert [(page["n"], page["picture"], page["agreement"]) for page in paper["segments"]] == [
        (1, False, 0.81),
        (2, True, None),
    ]
    assert [(failure["segment"], failure["reason"]) for failure in paper["failures"]] == [(3, "decode_timeout")]
    assert [answer["answerable"] for answer in paper["answers"]] == [True, False]
    [text] = [page["text"] for page in piece(site, f"doc/aa/{PAPER}/part/0") if page["n"] == 1]
    assert text == "An empty first page, nearly."


def test_a_video_brings_its_shots_and_chapters(site: Path) -> None:
    video = head(site, VIDEO)
    assert [(shot["start"], shot["end"]) for shot in video["segments"]] == [(0, 10), (10, 20), (20, 30), (30, 40)]
    assert [chapter["title"] for chapter in video["summary"]["chapters"]] == ["First half", "Second half"]
    assert piece(site, f"doc/bb/{VIDEO}/part/0")[2]["blocks"][0]["start"] == 21.0


def test_the_index_finds_every_word_of_every_page(site: Path) -> None:
    assert bucket("amber") == "61-6d"
    word, row, weight = piece(site, "search/61-6d")["amber"]
    assert (word, weight > 0) == ("", True)
    content, number, kind, *_ = piece(site, "searched")[row]
    assert (piece(site, "contents/0")[content][0], number, kind) == (PAPER, 2, "page")
    overview = piece(site, "site")["search"]
    assert set(overview["buckets"]) == {path.stem for path in site.glob("files-*/search/*.js")}
    assert overview["algorithms"] == {"en": "english"}
    assert {path.name for path in site.glob("files-*/app/*-stemmer.js")} == {"base-stemmer.js", "english-stemmer.js"}


def test_an_archive_too_large_to_search_says_so() -> None:
    index = SearchIndex(most=2)
    file = {"uri": "a.pdf", "uris": ["a.pdf"], "title": None, "language": "en"}
    for number in range(3):
        index.add(0, file, page("A", number))
    assert index.overview([]) == {"segments": 3, "most": 2}
    assert list(index.pieces()) == []


def test_a_report_replaces_the_one_before_and_leaves_other_files(tmp_path: Path) -> None:
    output = published(tmp_path / "out")
    write(output, tmp_path / "site")
    (tmp_path / "site" / "notes.txt").write_text("mine")
    before = {path.name for path in (tmp_path / "site").iterdir()}
    write(output, tmp_path / "site")
    after = {path.name for path in (tmp_path / "site").iterdir()}
    assert len(after) == len(before) == 3
    assert len(before & after) == 2
    assert (tmp_path / "site" / "notes.txt").read_text() == "mine"


def test_a_limit_takes_the_first_files_by_path(tmp_path: Path) -> None:
    report = write(published(tmp_path / "out"), tmp_path / "site", limit=2)
    assert (report.files, report.shown) == (5, 2)
    assert len(piece(tmp_path / "site", "assets/0")) == 2


def test_an_archive_without_rows_has_a_report(tmp_path: Path) -> None:
    publish(tmp_path / "out", {})
    assert write(tmp_path / "out", tmp_path / "site").shown == 0


def test_what_cannot_be_shown_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(ReportError, match=r"folioscope read first"):
        write(tmp_path / "none", tmp_path / "site")
    publish(tmp_path / "old", {}, version=1)
    with pytest.raises(ReportError, match="Run the same job again"):
        write(tmp_path / "old", tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_buckets_are_read_and_written(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    published(tmp_path / "out")
    memory.put(str(tmp_path / "out"), "/bucket/out", recursive=True)
    report = write_report(OutputStore("memory://bucket/out"), OutputStore("memory://bucket/site"), 100)
    assert report.shown == 5
    assert memory.cat("/bucket/site/index.html").startswith(b"<!doctype html>")
    assert memory.glob(f"/bucket/site/files-*/doc/aa/{PAPER}/2.webp")


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    )
)
def test_a_piece_is_json_that_no_text_can_leave(value: Any) -> None:
    text = script("x", [EVIL, value]).decode()
    body = text.removeprefix('folioscope.take("x",').removesuffix(");\n")
    assert json.loads(body) == [EVIL, value]
    assert not set(body) & set("<>&\u2028\u2029")


def test_segments_come_in_order_whatever_files_they_lie_in(tmp_path: Path) -> None:
    ids = [f"{number:064x}" for number in range(20)]
    pages = [page(id_, number) for id_ in ids for number in range(1, 4)]
    archive = {"assets": [asset(f"{id_}.pdf", id_, page_count=3) for id_ in ids], "segments": pages}
    opened = PublishedArchive(OutputStore(str(publish(tmp_path, archive, files=3))), 7)
    seen = [(content.row["asset_id"], [row["segment"] for row in content.segments]) for content in opened.contents(2)]
    opened.close()
    assert seen == [(id_, [1, 2, 3]) for id_ in ids[:7]]


def test_files_that_do_not_overlap_are_read_one_after_the_other() -> None:
    files = [DataFile(name, 1, 1, first=name[0], last=name[1]) for name in ("ac", "df", "be", "gh")]
    assert [[file.path for file in chain] for chain in chains(files)] == [["ac", "df", "gh"], ["be"]]


def test_files_that_nobody_read_are_told_with_their_cause(tmp_path: Path) -> None:
    rows = {
        "assets": [
            asset("in/a.pdf", "A"),
            asset("in/b.docx", None, kind=None, status="skipped", reason="unsupported_type"),
            asset("in/c.mp4", None, kind="video", status="skipped", reason="unsupported_type"),
            asset("in/d.pdf", None, status="pending", reason="budget_spent"),
        ],
        "segments": [page("A", 1)],
    }
    output = publish(tmp_path / "out", rows)
    write_report(OutputStore(str(output)), OutputStore(str(tmp_path / "site")), 100)
    told = "; ".join(piece(tmp_path / "site", "site")["not_read"])
    assert "1 video: to read them, use folioscope read" in told
    assert "1 file of unsupported types: .docx" in told
    assert "1 left to the next run (budget spent)" in told
