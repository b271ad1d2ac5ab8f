"""Readers of PDFs on a CPU beside each other: pages a CPU second and tests passed, of the same files in the same run.

Ours with fast, automatic and full layout, OCR included, and the peers that a Python of their own has
(``peer_readers.py``). The tests are olmOCR-bench's, by our implementation of them, formulas left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pymupdf

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import PROJECT
from benchmarks.peer_readers import READERS, measured
from folioscope.model.embedded.read import read_page
from folioscope.model.protocol import PageInput
from folioscope.pipeline.decode.pages import DecodeSettings, Layout
from folioscope.pipeline.decode.pdf import decode_pdf_page
from folioscope.pipeline.evaluation.benchmarks.olmocr_bench import olmocr_bench_items, olmocr_bench_marks
from folioscope.pipeline.evaluation.items import Pages

OURS: tuple[Layout, ...] = ("fast", "auto", "full")


def compare(bench: Path, peers_python: str | None) -> dict[str, Any]:
    """Prints a line a reader; returns ``<reader>_pages_per_cpu_s`` and ``<reader>_tests_passed``."""
    figures: dict[str, Any] = {}
    names: list[tuple[str, Sequence[str]]] = [
        (f"ours_{way}", [sys.executable, "-m", "benchmarks.readers", way]) for way in OURS
    ]
    if peers_python:
        names += [(name, [peers_python, str(PROJECT / "benchmarks" / "peer_readers.py"), name]) for name in READERS]
    print("reader            pages/CPU s   tests passed")
    for name, command in names:
        done = subprocess.run([*command, str(bench / "pdfs")], cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name:16}  did not run: {done.stderr.strip().splitlines()[-1:]}")
            continue
        told = json.loads(done.stdout.splitlines()[-1])
        pages = sum(max(1, len(texts)) for texts in told["texts"].values())
        passed, tests = passed_tests(bench, told["texts"])
        figures[f"{name}_pages_per_cpu_s"] = round(pages / told["cpu_seconds"], 2)
        figures[f"{name}_tests_passed"] = passed
        figures["reader_tests"] = tests
        version = told.get("version", "")
        refused = f", {len(told['refused'])} files refused" if told["refused"] else ""
        print(f"{name:16}  {pages / told['cpu_seconds']:11.2f}   {passed} of {tests} {version}{refused}", flush=True)
    return figures


def passed_tests(bench: Path, texts: dict[str, list[str]]) -> tuple[int, int]:
    """(tests passed, tests) of the suite, without formulas and without the baseline that it adds."""
    passed = count = 0
    for item in olmocr_bench_items(bench):
        [pages] = [part for part in item.parts if isinstance(part, Pages)]
        name = str(Path(pages.path).relative_to(bench / "pdfs"))
        found = texts.get(name, [])
        text = found[min(pages.first, len(found)) - 1] if found else ""
        for mark in olmocr_bench_marks(item, text):
            if mark.metric.startswith("type:") and mark.metric not in ("type:math", "type:baseline"):
                passed, count = passed + int(mark.score), count + 1
    return passed, count


def our_pages(path: Path, layout: Layout) -> list[str]:
    """The pages of a PDF as the jobs read them, in this process."""
    settings = DecodeSettings(layout=layout, thumbnail_px=0)
    with pymupdf.open(path) as document:
        decoded = [decode_pdf_page(document, number, settings) for number in range(1, document.page_count + 1)]
    return [read_page(PageInput(p.page_number, p.width_px, p.height_px, p.image, p.layer)).text for p in decoded]


if __name__ == "__main__":
    layout = cast(Layout, sys.argv[1])
    print(json.dumps(measured(lambda path: our_pages(path, layout), Path(sys.argv[2]))))
