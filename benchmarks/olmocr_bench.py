"""Our pages in olmOCR-bench's layout, scored by its own tests beside the stored output of other systems.

    python benchmarks/olmocr_bench.py BENCH_DIR --scorer SCORE.py [--python PYTHON_WITH_OLMOCR] [--keep DIR]

BENCH_DIR holds the suite's ``*.jsonl`` and ``pdfs/``; with a folder ``peers/`` the systems in it are scored in the same
way. The scorer prints a line a system. Embedded replica on the CPU, the code path of the jobs without Ray.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from folioscope.model.embedded.read import read_page
from folioscope.model.protocol import PageInput
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.versions import versions

NAME = "folioscope"


def write_pages(bench: Path, target: Path) -> tuple[int, float]:
    """Read every PDF of the suite; returns pages and seconds."""
    children = DecodeChildren(1, ChildLimits())
    pages = 0
    begun = time.perf_counter()
    for pdf in sorted((bench / "pdfs").rglob("*.pdf")):
        count = children.probe(pdf, pdf.name).page_count
        for page in children.decode(pdf, "pdf", 1, count or 0, DecodeSettings(thumbnail_px=0)):
            if not isinstance(page, DecodedPage):
                raise SystemExit(str(page.failure))
            reading = read_page(PageInput(page.page_number, page.width_px, page.height_px, page.image, page.layer))
            relative = pdf.relative_to(bench / "pdfs").with_suffix("")
            path = target / NAME / f"{relative}_pg{page.page_number}_repeat1.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(reading.text)
            pages += 1
    children.close()
    return pages, time.perf_counter() - begun


def score(scorer: Path, python: str, bench: Path, candidates: Path) -> str:
    """What the scorer prints of the systems under ``candidates``."""
    command = [python, str(scorer), str(bench), str(candidates)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=Path)
    parser.add_argument("--scorer", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable, help="a Python that has the olmocr package")
    parser.add_argument("--keep", type=Path, help="keep our pages here")
    arguments = parser.parse_args()
    print(__doc__)
    with tempfile.TemporaryDirectory() as scratch:
        target = arguments.keep or Path(scratch)
        pages, seconds = write_pages(arguments.bench, target)
        if (arguments.bench / "peers").is_dir():
            print(score(arguments.scorer, arguments.python, arguments.bench, arguments.bench / "peers"))
        ours = score(arguments.scorer, arguments.python, arguments.bench, target)
    print(ours)
    passed = re.search(r"(\d+)/(\d+)", ours)
    figures = {"passed": int(passed[1]), "tests": int(passed[2])} if passed else {}
    print(json.dumps({**figures, "pages": pages, "seconds": round(seconds, 1), "versions": dict(versions())}))


if __name__ == "__main__":
    main()
