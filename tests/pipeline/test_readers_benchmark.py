"""The comparison of readers: files that one refuses are told, tests are counted page by page."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.peer_readers import measured
from benchmarks.readers import our_pages, passed_tests


def test_a_file_that_a_reader_refuses_is_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.pdf").write_bytes(b"%PDF")

    def read(path: Path) -> list[str]:
        if path.stem == "b":
            raise ValueError("not mine")
        return [path.stem]

    told = measured(read, tmp_path)
    assert (told["texts"], told["refused"]) == ({"a.pdf": ["a"]}, {"b.pdf": "ValueError: not mine"})


def test_tests_passed_are_counted(tmp_path: Path, make_pdf: object) -> None:
    (tmp_path / "pdfs").mkdir()
    make_pdf(tmp_path / "pdfs" / "a.pdf", ["The harbour board met in March."])  # type: ignore[operator]
    rows = [
        {"pdf": "a.pdf", "page": 1, "id": "1", "type": "present", "text": "harbour board", "max_diffs": 0},
        {"pdf": "a.pdf", "page": 1, "id": "2", "type": "absent", "text": "lighthouse", "max_diffs": 0},
        {"pdf": "a.pdf", "page": 1, "id": "3", "type": "present", "text": "lighthouse", "max_diffs": 0},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    texts = {"a.pdf": our_pages(tmp_path / "pdfs" / "a.pdf", "fast")}
    assert passed_tests(tmp_path, texts) == (2, 3)
    assert passed_tests(tmp_path, {}) == (1, 3)
