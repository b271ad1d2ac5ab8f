"""Listing to disk: in parts side by side, each path once, and the facts that explain an empty run."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest
from buckets import Bucket
from proxy import Fault

from folioscope.pipeline.failures import Reason
from folioscope.pipeline.storage.listing import ListedFiles, list_to_disk
from folioscope.pipeline.storage.sources import SourceFile, list_sources
from folioscope.pipeline.storage.stores import RANGES

DOCUMENTS = ("pdf", "image")


def write(path: Path, words: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words)
    return path


def listed(tmp_path: Path, *inputs: str, limit: int | None = None, output: str = "") -> ListedFiles:
    folder = tmp_path / "scratch"
    folder.mkdir(exist_ok=True)
    return list_to_disk(inputs, output or str(tmp_path / "out"), folder, DOCUMENTS, limit)


def rows(found: ListedFiles) -> dict[str, bool]:
    """uri → skipped; fails where a path stands twice."""
    table = pq.read_table(found.path)
    uris = table["uri"].to_pylist()
    assert len(uris) == len(set(uris))
    return dict(zip(uris, table["skipped"].to_pylist(), strict=True))


def test_overlapping_inputs_give_each_path_once_in_the_order_of_the_inputs(tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf", "sub/c.pdf", "sub/notes.docx"):
        write(tmp_path / "in" / name)
    names = write(tmp_path / "list.txt", "in/b.pdf\nin/sub\n")
    found = listed(tmp_path, f"{tmp_path}/in/sub", str(names), f"{tmp_path}/in")
    assert rows(found) == {
        f"{tmp_path}/in/sub/c.pdf": False,
        f"{tmp_path}/in/sub/notes.docx": True,
        f"{tmp_path}/in/b.pdf": False,
        f"{tmp_path}/in/a.pdf": False,
    }
    limited = rows(listed(tmp_path, f"{tmp_path}/in/sub", f"{tmp_path}/in", limit=1))
    assert next(iter(limited.items())) == (f"{tmp_path}/in/sub/c.pdf", False)


def test_a_limit_counts_readable_files(tmp_path: Path) -> None:
    for name in ("a.docx", "b.pdf", "c.pdf", "d.pdf"):
        write(tmp_path / "in" / name)
    assert list(rows(listed(tmp_path, f"{tmp_path}/in", limit=2)).values()) == [True, False, False, True]


def test_a_file_without_an_ending_is_read_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "in" / "plain")
    monkeypatch.chdir(tmp_path)
    names = write(tmp_path / "names.txt", "in/plain\n")
    assert rows(listed(tmp_path, "in/plain")) == {f"{tmp_path}/in/plain": False}
    assert rows(listed(tmp_path, "./in/../in/plain")) == {f"{tmp_path}/in/plain": False}
    assert rows(listed(tmp_path, str(names))) == {f"{tmp_path}/in/plain": False}
    assert rows(listed(tmp_path, "in")) == {f"{tmp_path}/in/plain": True}, "in a folder it is one of many"
    assert rows(listed(tmp_path, "in", "in/plain")) == {f"{tmp_path}/in/plain": False}, "though the folder came first"


def test_the_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "docs" / "a.pdf")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert rows(listed(tmp_path, "~/docs")) == {f"{tmp_path}/docs/a.pdf": False}


def test_a_line_of_a_list_that_fails_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.pdf")
    names = write(tmp_path / "all.txt", "# mine\na.pdf\nmissing.pdf\ns3://nobucket-of-tests.invalid?\n")
    found = listed(tmp_path, str(names))
    assert rows(found) == {f"{tmp_path}/a.pdf": False}
    assert found.failed[0].failure.reason is Reason.NOT_FOUND
    assert found.failed[0].failure.message.startswith(f"{names} line 3: {tmp_path}/missing.pdf: there is no such file")


def test_facts_tell_why_there_is_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("a.docx", "b.docx", "c.txt", "d.mp4", "README"):
        write(tmp_path / "in" / name)
    facts = listed(tmp_path, f"{tmp_path}/empty", f"{tmp_path}/in").facts
    assert facts.nothing_to_read
    assert (facts.files, facts.readable) == (5, 0)
    assert facts.empty_inputs == (f"{tmp_path}/empty",)
    assert facts.skipped_types == ((".docx", 2), ("", 1), (".mp4", 1), (".txt", 1))
    assert not facts.output_is_input
    same = listed(tmp_path, f"{tmp_path}/in/", output=f"{tmp_path}/in")
    assert same.facts.output_is_input
    assert rows(same) == {}


@pytest.mark.parametrize("spread", ["flat", "few folders", "many folders", "one deep folder"])
def test_a_bucket_is_listed_by_ranges_however_its_keys_are_spread(bucket: Bucket, tmp_path: Path, spread: str) -> None:
    keys = {
        "flat": [f"{n:03d}.pdf" for n in range(60)],
        "few folders": [f"{n % 3}/{n % 7}/{n:03d}.pdf" for n in range(60)] + ["zz.pdf"],
        "many folders": [f"f{n:03d}/a.pdf" for n in range(RANGES + 30)],
        "one deep folder": [f"all/of/it/{n % 5}/{n:03d}.pdf" for n in range(60)],
    }[spread]
    fs = fsspec.filesystem("s3")
    for key in keys:
        fs.pipe_file(f"{bucket.name}/in/{key}", b"x")
    fs.pipe_file(f"{bucket.name}/inner/no.pdf", b"x")
    bucket.script.faults.append(Fault("list-type", "page", size=10))
    bucket.script.requests.clear()
    expected = {f"{bucket.uri}/in/{key}" for key in keys}
    assert set(rows(listed(tmp_path, f"{bucket.uri}/in"))) == expected
    requests = len(bucket.script.seen("list-type"))
    assert requests <= 1 + RANGES + 2 * len(keys) // 10 + 25, "pages, ranges, and a look at a few folders"
    assert [item.uri for item in list_sources([f"{bucket.uri}/in"]) if isinstance(item, SourceFile)] == sorted(expected)


def test_a_small_folder_of_a_bucket_takes_one_request_and_a_file_one(bucket: Bucket, tmp_path: Path) -> None:
    fs = fsspec.filesystem("s3")
    for number in range(5):
        fs.pipe_file(f"{bucket.name}/in/{number}/a.pdf", b"x")
    bucket.script.requests.clear()
    assert len(rows(listed(tmp_path, f"{bucket.uri}/in"))) == 5
    assert len(bucket.script.requests) == 1
    bucket.script.requests.clear()
    assert rows(listed(tmp_path, f"{bucket.uri}/in/3/a.pdf")) == {f"{bucket.uri}/in/3/a.pdf": False}
    assert len(bucket.script.requests) == 1


def test_a_range_that_breaks_off_leaves_the_others_and_covers_nothing(bucket: Bucket, tmp_path: Path) -> None:
    fs = fsspec.filesystem("s3")
    for number in range(60):
        fs.pipe_file(f"{bucket.name}/in/{number % 3}/{number:02d}.pdf", b"x")
    bucket.script.faults += [
        Fault("list-type", "page", size=10),
        Fault("start-after=in%2F1", "refuse"),
    ]
    found = listed(tmp_path, f"{bucket.uri}/in")
    assert [item.uri for item in found.failed] == [f"{bucket.uri}/in"]
    assert 0 < len(rows(found)) < 60
    assert not found.coverage.covers(f"{bucket.uri}/in/0/00.pdf")
