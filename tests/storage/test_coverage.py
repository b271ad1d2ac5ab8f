"""A file is covered exactly where the listing would give it: else it would be marked deleted while it is there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from buckets import Bucket
from hypothesis import example, given, settings
from hypothesis import strategies as st

from folioscope.pipeline.failures import Reason
from folioscope.pipeline.storage.patterns import Glob
from folioscope.pipeline.storage.sources import FailedInput, SourceFile, coverage, list_sources

NAMES = st.sampled_from(["a", "b", "ab.pdf", "a.pdf", "b.png", ".hidden", "x[1].pdf"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
TREES = st.sets(PATHS, min_size=1, max_size=8)
WILD = st.sampled_from(["*", "**", "*.pdf", "a*", "?", "[ab]", "a", "b", "ab.pdf", "[!a]*", "**b", "*.p*", ".*"])
PATTERNS = st.lists(WILD, min_size=0, max_size=4).map("/".join)


def without_clashes(tree: set[str]) -> list[str]:
    """No file may be a folder, too."""
    return sorted(path for path in tree if not any(other.startswith(f"{path}/") for other in tree))


def check(root: str, files: list[str], inputs: list[str]) -> set[str]:
    """Listing gives what is covered, and nothing else; returns the relative paths."""
    found = list(list_sources(inputs))
    failed = [item for item in found if isinstance(item, FailedInput)]
    listed = [item.uri for item in found if isinstance(item, SourceFile)]
    assert len(listed) == len(set(listed))
    covered = coverage(inputs, failed)
    assert {uri for uri in (f"{root}/{file}" for file in files) if covered.covers(uri)} == set(listed)
    return {uri.removeprefix(f"{root}/") for uri in listed}


@settings(max_examples=300)
@given(TREES, st.lists(PATTERNS, min_size=1, max_size=3))
@example({"sub/x.pdf", "a.pdf"}, ["*.pdf"])
@example({".hidden/a.pdf", "a.pdf"}, ["**"])
@example({"x[1].pdf", "x1.pdf"}, ["x[1].pdf"])
def test_covered_on_a_disk_is_what_a_listing_gives(tree: set[str], patterns: list[str]) -> None:
    files = without_clashes(tree)
    with tempfile.TemporaryDirectory() as root:
        for file in files:
            path = Path(root, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        check(root, files, [f"{root}/{pattern}" for pattern in patterns])


@pytest.fixture
def memory() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


def test_covered_in_a_store_is_what_a_listing_gives_and_a_disk_would(memory: Any) -> None:
    @settings(max_examples=150)
    @given(TREES, PATTERNS)
    @example({"sub/x.pdf", "a.pdf"}, "*.pdf")
    def compare(tree: set[str], pattern: str) -> None:
        files = without_clashes(tree)
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]
        with tempfile.TemporaryDirectory() as root:
            for file in files:
                path = Path(root, file)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"x")
                memory.pipe_file(f"/coverage/{file}", b"x")
            remote = check("memory:///coverage", files, [f"memory://coverage/{pattern}".rstrip("/")])
            assert remote == check(root, files, [f"{root}/{pattern}"])

    compare()


TREE = [
    *("a.pdf", "b.pdf", "sub/x.pdf", "sub/deep/y.pdf", "sub/deep/.z.pdf", ".dot/a.pdf", "2026-01/a.pdf"),
    *("2026-02/b.pdf", "2026-02/more/c.pdf", "2025-12/d.pdf", "x[1].pdf", "plain"),
]


def test_covered_in_a_bucket_is_what_a_listing_gives_and_a_disk_would(bucket: Bucket, tmp_path: Path) -> None:
    fs = fsspec.filesystem("s3")
    for file in TREE:
        fs.pipe_file(f"{bucket.name}/in/{file}", b"x")
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for pattern in (
        *("", "*.pdf", "**/*.pdf", "sub", "2026-*", "2026-*/*.pdf", "**", "**/deep/*", "*/deep", "*", "s*/*"),
        *("x[1].pdf", "2026-02/more/c.pdf", "plain", "no*thing", "sub/", "[!s]*"),
    ):
        given_uri = f"{bucket.uri}/in/{pattern}"
        found = list(list_sources([given_uri]))
        failed = [item for item in found if isinstance(item, FailedInput)]
        listed = {item.uri.removeprefix(f"{bucket.uri}/in/") for item in found if isinstance(item, SourceFile)}
        here = {
            item.uri.removeprefix(f"{tmp_path}/")
            for item in list_sources([f"{tmp_path}/{pattern}"])
            if isinstance(item, SourceFile)
        }
        assert listed == here, pattern
        covered = coverage([given_uri], failed)
        # A name that looks like a pattern is found and not covered: its absence is never taken for a deletion.
        expected = set() if pattern == "x[1].pdf" else here
        assert {file for file in TREE if covered.covers(f"{bucket.uri}/in/{file}")} == expected, pattern


def test_stars_stay_within_a_name() -> None:
    assert Glob(("*.pdf",)).matches("a.pdf")
    assert not Glob(("*.pdf",)).matches("sub/a.pdf")
    assert Glob(("**", "*.pdf")).matches("sub/deep/a.pdf")
    assert Glob(("**", "*.pdf")).matches("a.pdf")
    assert Glob(("2026-*",)).matches("2026-01/any/thing.pdf"), "a folder that matches is taken whole"


def test_a_folder_that_cannot_be_read_is_one_failure_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ["a/1.pdf", "b/locked/2.pdf", "b/locked/in/3.pdf", "b/open/4.pdf", "c/5.pdf"]
    for file in files:
        path = tmp_path / "in" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    locked = str(tmp_path / "in" / "b" / "locked")
    real = os.scandir

    def scandir(path: str) -> Any:
        if path == locked:
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    root = str(tmp_path / "in")
    for given_uri in (root, f"{root}/**/*.pdf"):
        found = list(list_sources([given_uri]))
        [failed] = [item for item in found if isinstance(item, FailedInput)]
        assert failed.uri == locked
        assert failed.failure.reason is Reason.PERMISSION_DENIED
        listed = [item.uri.removeprefix(f"{root}/") for item in found if isinstance(item, SourceFile)]
        assert listed == ["a/1.pdf", "b/open/4.pdf", "c/5.pdf"]
        covered = coverage([given_uri], [failed])
        assert [covered.covers(f"{root}/{file}") for file in files] == [True, False, False, True, True]


def test_what_lies_behind_a_link_is_not_walked_and_not_covered(tmp_path: Path) -> None:
    real = tmp_path / "real" / "a.pdf"
    real.parent.mkdir()
    real.touch()
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "link").symlink_to(real.parent)
    through = f"{inside}/link/a.pdf"
    assert [item.uri for item in list_sources([through])] == [through]
    assert list(list_sources([str(inside)])) == []
    assert not coverage([str(inside)]).covers(through)
