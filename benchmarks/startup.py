"""How quickly the command and the library are there, and what reading one file by them costs beside a plain loop.

Each figure is the median of ``--rounds`` fresh processes (5), taken in turn so that a busy machine slows all alike.
``import_s``: ``import folioscope`` less an empty interpreter. ``help_s``: ``folioscope --help`` from start to end.
``one_pdf_ratio``: ``folioscope read`` of ten born-digital pages as Markdown with default options, from start to end,
beside the plain program that makes Markdown of the same file with the same libraries (pymupdf4llm with PyMuPDF's layout
network), without a child process, limits or checks. ``one_pdf_fast_ratio``: ``--layout fast`` beside a loop over
PyMuPDF's text blocks alone, which have no headings, lists or tables. Figures of a shared machine: take the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pymupdf

PROJECT = Path(__file__).resolve().parents[1]
PAGES = 10
WORDS = (
    "The authority looks after the river between the hills and the sea. Its gauges are read every fifteen minutes, and "
    "whoever lives by the water is told in time. This report says what was done, what it cost, and what comes next. "
)
PLAIN_FAST = """
import sys
import pymupdf
with pymupdf.open(sys.argv[1]) as document:
    for page in document:
        blocks = page.get_text("dict", sort=True)["blocks"]
        for block in blocks:
            print(" ".join(span["text"] for line in block.get("lines", ()) for span in line["spans"]), end="\\n\\n")
"""
PLAIN = """
import sys
import pymupdf.layout
import pymupdf4llm
print(pymupdf4llm.to_markdown(sys.argv[1], show_progress=False))
"""
READ = "from folioscope.jobs.main import main; main(['read', *__import__('sys').argv[1:]])"
HELP = "from folioscope.jobs.main import main; main(['--help'])"


def make_document(path: Path) -> None:
    """Ten pages of headings and paragraphs, as a word processor writes them."""
    with pymupdf.open() as document:
        for number in range(1, PAGES + 1):
            page = document.new_page()
            page.insert_text((60, 70), f"Chapter {number}", fontsize=18)
            page.insert_textbox(pymupdf.Rect(60, 100, 540, 760), (WORDS * 4 + "\n\n") * 3, fontsize=10)
        document.save(path)


def seconds(code: str, *arguments: str) -> float:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "ten-pages.pdf")
        make_document(Path(path))
        programs: dict[str, tuple[str, ...]] = {
            "empty": ("pass",),
            "import": ("import folioscope",),
            "help": (HELP,),
            "plain": (PLAIN, path),
            "read": (READ, path),
            "plain_fast": (PLAIN_FAST, path),
            "read_fast": (READ, path, "--layout", "fast"),
        }
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(given.rounds):
            for name, program in programs.items():
                times[name].append(seconds(*program))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    for name, median in medians.items():
        print(f"{name:12} {median:7.3f} s  ({min(times[name]):.3f} to {max(times[name]):.3f})")
    figures = {
        "import_s": round(max(0.0, medians["import"] - medians["empty"]), 4),
        "help_s": round(medians["help"], 3),
        "one_pdf_ratio": round(medians["read"] / medians["plain"], 2),
        "one_pdf_fast_ratio": round(medians["read_fast"] / medians["plain_fast"], 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
