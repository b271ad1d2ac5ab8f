"""The library: what ``import folioscope`` gives, over one file and over a published archive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pymupdf
import pytest

import folioscope
from folioscope.model.load import load_replica
from folioscope.pipeline.config import parse_config
from folioscope.pipeline.one_file import FileNotReadError, FileReader
from tests.sample_rows import answer, asset, failure, page, publish, thumbnail


def test_what_is_public_is_there_and_nothing_heavy_comes_with_it() -> None:
    assert [name for name in folioscope.__all__ if not hasattr(folioscope, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'reed'"):
        folioscope.reed  # noqa: B018
    code = "import sys, folioscope; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"ray", "torch", "pyarrow", "pydantic", "duckdb", "numpy", "pymupdf"} & set(loaded)


def test_one_file_is_read_without_ray(tmp_path: Path) -> None:
    with pymupdf.open() as pdf:
        for text in ("The river rose in February.", "It fell in March."):
            pdf.new_page().insert_text((72, 100), text, fontsize=12)
        pdf.save(tmp_path / "a.pdf")
    document = folioscope.read(tmp_path / "a.pdf", layout="fast")
    assert document.markdown == "The river rose in February.\n\nIt fell in March."
    assert [block.text for block in document.pages[1].blocks] == ["It fell in March."]
    assert document.failures == ()
    (tmp_path / "b.pdf").write_bytes(b"")
    with pytest.raises(FileNotReadError, match=r"b\.pdf"):
        folioscope.read(tmp_path / "b.pdf")


def test_an_archive_gives_current_rows_with_their_uri(tmp_path: Path) -> None:
    rows = {
        "assets": [asset("in/a.pdf", "A", answer_recipe_ids=["fish"]), asset("in/b.pdf", "B")],
        "segments": [page("A", 1, text="salmon and weirs"), page("A", 2), page("B", 1), page("A", 1, "read-0")],
        "thumbnails": [thumbnail("A", 1, b"RIFF")],
        "answers": [answer("A", "fish", "fish")],
        "failures": [failure("in/b.pdf", "B", stage="read", segment=2, recipe_id="read-1")],
    }
    output = publish(tmp_path / "tables", rows)
    with folioscope.open(output) as archive:
        assert archive.pages(["uri", "segment"]).to_pylist() == [
            {"uri": "in/a.pdf", "segment": 1},
            {"uri": "in/a.pdf", "segment": 2},
            {"uri": "in/b.pdf", "segment": 1},
        ]
        assert archive.thumbnails(["uri", "image"]).to_pylist() == [{"uri": "in/a.pdf", "image": b"RIFF"}]
        assert archive.answers()["uri"].to_pylist() == ["in/a.pdf"]
        assert archive.failures()["reason"].to_pylist() == ["damaged_file"]
        assert archive.shots().num_rows == 0
        assert [hit.uri for hit in archive.search("salmon")] == ["in/a.pdf"]
        assert archive.query("SELECT count(*) AS n FROM pages")["n"].to_pylist() == [3]
        with pytest.raises(folioscope.FolioscopeError, match="has no column colour; it has uri"):
            archive.pages(["colour"])


def test_a_folder_without_tables_is_told(tmp_path: Path) -> None:
    with pytest.raises(folioscope.FolioscopeError, match="nothing has been published there"):
        folioscope.open(tmp_path)


def test_a_page_that_fails_costs_no_other(tmp_path: Path, make_pdf: Any) -> None:
    make_pdf(tmp_path / "a.pdf", ["The keeper of the lighthouse wrote this.", "And this was the second page."])
    config = parse_config(inputs=("x",), output="-", layout="fast")

    class Stumbling:
        def read(self, pages: Any) -> Any:
            for given in pages:
                if given.page_number == 1:
                    raise RuntimeError("no idea")
                yield from reader_of_all.read([given])

    reader_of_all = load_replica(config.choice)
    with FileReader(config) as reader:
        reader._loaded = Stumbling()  # type: ignore[assignment]
        document = reader.read(str(tmp_path / "a.pdf"))
    assert [page.number for page in document.pages] == [2]
    [failure] = document.failures
    assert (failure.number, failure.reason, failure.stage) == (1, "model_error", "read")
    assert "no idea" in failure.message


def test_what_cannot_be_opened_raises_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "b.pdf").write_bytes(b"")
    with pytest.raises(folioscope.FolioscopeError, match="no bytes") as error:
        folioscope.read(tmp_path / "b.pdf")
    assert error.value.reason == "empty_file"  # type: ignore[attr-defined]
    with pytest.raises(folioscope.FolioscopeError, match="there is no such file"):
        folioscope.read(tmp_path / "none.pdf")
    (tmp_path / "folder").mkdir()
    with pytest.raises(folioscope.FolioscopeError, match="names 0 files"):
        folioscope.read(tmp_path / "folder")
