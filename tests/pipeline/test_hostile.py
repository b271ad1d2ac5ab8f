"""Input that means harm: names, links, lies about size, files that are two things, decoders that were taken over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import faults
import numpy as np
import pymupdf
import pytest
from PIL import Image

from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings, FailedSegment
from folioscope.pipeline.decode.sandbox import MAX_DESCRIPTORS, MAX_FILE_BYTES
from folioscope.pipeline.failures import Failure, Reason, harmless
from folioscope.pipeline.planning.listing import list_files
from folioscope.pipeline.storage.sources import FailedInput, SourceFile, list_sources
from folioscope.pipeline.tables.rows import failure_row
from folioscope.schemas.migrations import to_table

FAST = DecodeSettings(layout="fast")


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    pool = DecodeChildren(1, ChildLimits(memory_bytes=1 << 30, seconds_per_page=20.0))
    yield pool
    pool.close()


# The sandbox of the decode child.


def test_a_child_has_no_network_where_the_kernel_allows(children: DecodeChildren) -> None:
    if children.call(faults.network_namespace) == os.readlink("/proc/self/ns/net"):
        pytest.skip("this kernel lets us make no network namespace")
    assert children.call(faults.interfaces_that_are_up) == []
    assert children.call(faults.connect, ("127.0.0.1", 1)) == "OSError: Network is unreachable"


def test_a_child_fills_no_disk_and_holds_few_descriptors(children: DecodeChildren, tmp_path: Path) -> None:
    limits = children.call(faults.limits)
    assert limits == {"core": 0, "file": MAX_FILE_BYTES, "descriptors": MAX_DESCRIPTORS}
    assert children.call(faults.write_at, (tmp_path / "big", MAX_FILE_BYTES)) == "File too large"


# Lies.


def lying(path: Path, claimed: int, pages: int = 1) -> Path:
    document = pymupdf.open()
    for number in range(pages):
        document.new_page().insert_text((72, 72), f"page {number + 1}")
    content = document.tobytes()
    document.close()
    path.write_bytes(content.replace(b"/Count %d" % pages, b"/Count %d" % claimed))
    return path


@pytest.mark.parametrize("claimed", [2_000, 900_000, 2_000_000_000])
def test_a_page_count_that_lies_costs_no_more_than_the_file_has_objects(
    children: DecodeChildren, tmp_path: Path, claimed: int
) -> None:
    path = lying(tmp_path / "lie.pdf", claimed, pages=2)
    assert children.probe(path, "lie.pdf").page_count == 2
    assert [type(page) for page in children.decode(path, "pdf", 1, 2, FAST)] == [DecodedPage, DecodedPage]


def test_a_file_may_take_so_long_and_no_longer(tmp_path: Path, make_pdf: Any) -> None:
    pool = DecodeChildren(1, ChildLimits(seconds_per_file=1e-6))
    slow, other = make_pdf(tmp_path / "a.pdf", ["one", "two", "three"]), make_pdf(tmp_path / "b.pdf", ["one"])
    assert [type(page) for page in pool.decode(slow, "pdf", 1, 2, FAST)] == [DecodedPage, DecodedPage]
    [late] = pool.decode(slow, "pdf", 3, 3, FAST)
    assert isinstance(late, FailedSegment)
    assert late.failure.reason is Reason.DECODE_TIMEOUT
    assert "a.pdf page 3" in late.failure.message
    assert "--seconds-per-file" in late.failure.message
    assert isinstance(pool.decode(other, "pdf", 1, 1, FAST)[0], DecodedPage), "its neighbours have their own time"
    pool.close()


def test_a_small_file_that_unpacks_to_gigabytes_is_a_failure_of_that_page(tmp_path: Path) -> None:
    document = pymupdf.open()
    for _ in range(2):
        document.new_page()
    bomb = document[0]
    bomb.insert_text((72, 72), "x")
    document.update_stream(bomb.get_contents()[0], b" " * (256 << 20), compress=True)
    document[1].insert_text((72, 72), "harmless")
    document.save(tmp_path / "bomb.pdf")
    document.close()
    assert (tmp_path / "bomb.pdf").stat().st_size < 1 << 20
    pool = DecodeChildren(1, ChildLimits(memory_bytes=256 << 20, seconds_per_page=60.0))
    pages = pool.decode(tmp_path / "bomb.pdf", "pdf", 1, 2, FAST)
    pool.close()
    assert isinstance(pages[1], DecodedPage)
    assert isinstance(pages[0], DecodedPage) or pages[0].failure.reason in (
        Reason.MEMORY_LIMIT,
        Reason.DECODE_ERROR,
        Reason.DECODE_CRASHED,
    )


# Files that are two things at once are what their first bytes say.


def test_polyglots_are_what_their_first_bytes_say(children: DecodeChildren, tmp_path: Path, make_pdf: Any) -> None:
    pdf = make_pdf(tmp_path / "a.pdf", ["one", "two"]).read_bytes()
    Image.fromarray(np.full((20, 30, 3), 200, np.uint8)).save(tmp_path / "a.png")
    png = (tmp_path / "a.png").read_bytes()
    for name, content, kind, count in (
        ("picture.pdf", png + pdf, "image", 1),
        ("zip-first.pdf", b"PK\x03\x04" + b"\0" * 60 + pdf, "pdf", 2),
        ("script.pdf", b"#!/bin/sh\nrm -rf /\n" + pdf, "pdf", 2),
        ("html.png", b"<html><script>alert(1)</script>\n" + pdf, "pdf", 2),
    ):
        (tmp_path / name).write_bytes(content)
        found = children.probe(tmp_path / name, name)
        assert (found.kind, found.page_count) == (kind, count), name
        assert len(children.decode(tmp_path / name, kind, 1, count, FAST)) == count


# Names and paths.

ESCAPES = "\x1b]0;owned\x07\x1b[2J"


def test_names_do_not_command_a_terminal(tmp_path: Path) -> None:
    (tmp_path / f"{ESCAPES}.pdf").write_bytes(b"")
    [found] = list_sources([str(tmp_path)])
    assert isinstance(found, SourceFile)
    assert found.uri.endswith(f"{ESCAPES}.pdf"), "the path is the path"
    failure = Failure(Reason.EMPTY_FILE, f"{found.uri}: the file holds no bytes")
    row = failure_row(uri=found.uri, asset_id=None, stage="plan", failure=failure, run_id="r")
    assert row["message"].isprintable()
    assert "\\x1b]0;owned\\x07" in row["message"]
    assert harmless("防汛 é.pdf") == "防汛 é.pdf"


def test_a_name_that_is_no_text_is_told_and_its_neighbours_are_read(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "in")
    os.mkdir(folder)
    for name in (b"caf\xe9.pdf", b"good.pdf"):
        with open(os.path.join(folder, name), "wb") as stream:
            stream.write(b"x")
    listing = list_files(RunConfig(inputs=(str(tmp_path / "in"),), output=str(tmp_path / "out")))
    assert listing.table()["uri"].to_pylist() == [str(tmp_path / "in" / "good.pdf")]
    [told] = listing.failed_inputs
    assert "caf\\udce9.pdf: its name is not valid UTF-8" in told.failure.message
    row = failure_row(uri=told.uri, asset_id=None, stage="plan", failure=told.failure, run_id="r")
    assert to_table("failures", [row]).num_rows == 1


def test_titles_and_messages_hold_no_control_characters(children: DecodeChildren, tmp_path: Path) -> None:
    document = pymupdf.open()
    document.new_page()
    document.set_metadata({"title": f"'; DROP TABLE assets; -- {ESCAPES}"})
    document.save(tmp_path / "a.pdf")
    title = children.probe(tmp_path / "a.pdf", "a.pdf").title
    assert title is not None
    assert title.isprintable()


def test_links_to_folders_are_not_followed_and_links_that_circle_end(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "a.pdf").write_bytes(b"x")
    (inside / "up").symlink_to(tmp_path, target_is_directory=True)
    (inside / "loop.pdf").symlink_to(inside / "loop.pdf")
    (inside / "gone.pdf").symlink_to(inside / "nowhere.pdf")
    found = [Path(item.uri).name for item in list_sources([str(inside)]) if isinstance(item, SourceFile)]
    assert found == ["a.pdf", "gone.pdf", "loop.pdf"]


def test_dots_in_a_list_lead_to_the_same_file_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(b"x")
    (tmp_path / "all.txt").write_text(
        "in/a.pdf\nin/../in/a.pdf\nin/./a.pdf\n../../../../../../../../../etc/nothing.pdf\n"
    )
    found = list(list_sources([str(tmp_path / "all.txt")]))
    assert [item.uri for item in found if isinstance(item, SourceFile)] == [str(tmp_path / "in" / "a.pdf")]
    [told] = [item for item in found if isinstance(item, FailedInput)]
    assert told.failure.reason is Reason.NOT_FOUND
