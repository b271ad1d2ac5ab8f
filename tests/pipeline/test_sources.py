"""Listing: every file once, whatever its name, and no secret told."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folioscope.pipeline.failures import MEANING, Reason, render, storage_failure
from folioscope.pipeline.storage.sources import FailedInput, SourceFile, coverage, kind_of_name, list_sources, redact

DOCS = Path(__file__).resolve().parents[2] / "docs"


def names(*inputs: str, exclude: tuple[str, ...] = ()) -> list[str]:
    return [item.uri for item in list_sources(inputs, exclude) if isinstance(item, SourceFile)]


def write(path: Path, words: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words)
    return path


def test_folders_globs_files_and_lists_name_each_file_once(tmp_path: Path) -> None:
    a, b = write(tmp_path / "in" / "a.pdf"), write(tmp_path / "in" / "deep" / "b.pdf")
    write(tmp_path / "in" / ".hidden.pdf")
    write(tmp_path / "in" / ".git" / "c.pdf")
    listed = write(tmp_path / "lists" / "all.txt", f"# a comment\n\n{b}\n../in/a.pdf\n")
    everything = [str(a), str(b)]
    assert names(str(tmp_path / "in")) == everything
    assert sorted(names(str(tmp_path / "in"), str(a), f"{tmp_path}/in/**/*.pdf")) == everything
    assert sorted(os.path.normpath(name) for name in names(str(listed))) == everything
    assert names(str(tmp_path / "in"), exclude=(str(tmp_path / "in" / "deep"),)) == [str(a)]


@pytest.mark.parametrize(
    "name", ["empty#hash.pdf", "100%.pdf", "a b.pdf", "防汛.pdf", "[1].pdf", "what?.pdf", "*.pdf", "né\n.pdf"]
)
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    assert names(str(tmp_path)) == [str(path)]
    assert names(str(path)) == [str(path)]


def test_etags_change_with_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pdf")
    [before] = list_sources([str(path)])
    os.utime(path, ns=(1, 1))
    [after] = list_sources([str(path)])
    assert isinstance(before, SourceFile)
    assert isinstance(after, SourceFile)
    assert before.etag != after.etag


def test_what_cannot_be_listed_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.pdf")
    found = list(list_sources([str(tmp_path / "none"), str(path), "s3://user:secret@bucket/x", "nosuch://x/y"]))
    told = [item for item in found if isinstance(item, FailedInput)]
    assert names(str(path)) == [str(path)]
    assert told[0].failure.reason is Reason.NOT_FOUND
    assert len(told) == 3
    assert "secret" not in " ".join(f"{item.uri} {item.failure}" for item in told)


@pytest.mark.parametrize("pattern", ["a**b", "*\0*", "[", "no*thing"])
def test_a_pattern_that_is_none_or_matches_nothing_is_told(tmp_path: Path, pattern: str) -> None:
    [told] = list_sources([f"{tmp_path}/{pattern}"])
    assert isinstance(told, FailedInput)
    assert told.failure.reason is Reason.NOT_FOUND


def test_object_stores_list_alike() -> None:
    fs = fsspec.filesystem("memory")
    for name in ("a.pdf", "deep/b.png"):
        fs.pipe_file(f"/bucket-of-tests/{name}", b"x")
    assert names("memory://bucket-of-tests") == [
        "memory:///bucket-of-tests/a.pdf",
        "memory:///bucket-of-tests/deep/b.png",
    ]
    assert names("memory://bucket-of-tests/*.pdf") == ["memory:///bucket-of-tests/a.pdf"]
    fs.rm("/bucket-of-tests", recursive=True)


def test_a_missing_file_counts_as_deleted_only_under_a_listed_input() -> None:
    assert coverage(["/in"]).covers("/in/a.pdf")
    assert coverage(["/in/*.pdf"]).covers("/in/a.pdf")
    assert not coverage(["/in/*.pdf"]).covers("/in/sub/a.pdf")
    assert coverage(["s3://b/in/"]).covers("s3://b/in/a.pdf")
    assert coverage(["s3a://b/in/"]).covers("s3://b/in/a.pdf")
    assert not coverage(["s3://b/in/*"]).covers("s3://b/a.pdf")
    assert not coverage(["/in"]).covers("/inner/a.pdf")
    assert not coverage(["/in/list.txt"]).covers("/in/a.pdf")
    assert not coverage(["inventory:s3://b/inventory"]).covers("s3://b/inventory/a.pdf")


@given(st.text(st.characters(exclude_characters="/@?\n", exclude_categories=["Cs"]), min_size=3, max_size=12))
def test_user_and_query_never_survive(secret: str) -> None:
    assert redact(f"https://{secret}@host/path?token={secret}") == "https://host/path"


def test_kinds_go_by_the_ending() -> None:
    assert [kind_of_name(f"s3://b/x.{end}") for end in ("PDF", "tiff", "webm", "docx")] == [
        "pdf",
        "image",
        "video",
        None,
    ]


def test_every_reason_is_explained() -> None:
    assert set(MEANING) == set(Reason)
    assert (DOCS / "failures.md").read_text() == render(), (
        "run: python -m folioscope.pipeline.failures > docs/failures.md"
    )


def test_messages_of_stores_lose_their_secrets() -> None:
    told = storage_failure(
        OSError("GET https://key:hush@host/a?X-Amz-Signature=abc&part=2 failed"), "s3://host/a"
    ).message
    assert "hush" not in told
    assert "abc" not in told
    assert "part=2 failed" in told
