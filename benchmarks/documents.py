"""The document pipeline measured beside plain loops over the same libraries, on archives that it draws itself.

    python benchmarks/documents.py [--quick] [--only overhead,layouts,scans,…] [--pdfs FOLDER …]
        [--bench OLMOCR_BENCH] [--peers-python PYTHON]

overhead  Born-digital pages: CPU seconds of all processes of a run (driver, Ray, actors, decode children) beside a
          plain loop that extracts the same (text, boxes, gate, Markdown), as many loops at once as replicas. A run
          over fewer pages is taken off, start-up with it, so the share is of the cost of each further page. Both runs
          hold more documents than one identify block, so that they start the same processes. With fast, then with
          full layout.
layouts   Pages a CPU second of automatic layout beside full layout, over the PDFs under --pdfs (drawn pages of prose,
          one in ten with a table, without). Each page by both in turn in one process; start-up left out.
readers   Pages a CPU second and tests of --bench passed: ours in each layout, OCR included, and pymupdf4llm, liteparse,
          markitdown and pdf-inspector where --peers-python has them (``readers.py``). Nothing without --bench.
scans     Scanned pages a second on all cores beside a plain loop over RapidOCR with its own settings, in the same run;
          start-up left out on both sides; both texts are compared with the originals' words.
engines   Clean scans by the routed engines beside RapidOCR alone, as versions before read them: pages per CPU second of
          each in turn in the same run, one core, and the words of both against the originals.
replan    The same command again on a finished archive of 2,000 and 20,000 files (fake replica): files planned a second
          of wall time with start-up in it, and the driver's peak memory.
memory    Peak memory of the driver and of the largest actor over PDFs of 250 and 2,000 pages (fake replica).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pymupdf

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import plain_loops
from benchmarks.measure import PROJECT, Measured, options, run_measured, run_named
from benchmarks.readers import compare

REPLICAS = 2  # of the job by default
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
WORDS = (
    "The board resolved that the dredging of the outer harbour be carried on through the winter and that the cost be "
    "met from the reserve which stood at the end of the year somewhat higher than had been expected in the spring "
).split()


def draw_pdf(path: Path, pages: int, seed: int) -> None:
    """Born-digital pages of some 2,700 characters each, no two alike."""
    document = pymupdf.open()
    for number in range(pages):
        page = document.new_page()
        page.insert_text((60, 60), f"Section {seed}.{number}", fontsize=16)
        paragraphs = (_prose(seed + number + part, 90) for part in range(5))
        page.insert_textbox(pymupdf.Rect(60, 80, 540, 790), "\n\n".join(paragraphs), fontsize=9.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    document.save(path, deflate=True)


def _prose(seed: int, words: int) -> str:
    return " ".join(WORDS[(seed * 7 + n * (1 + seed % 5)) % len(WORDS)] for n in range(words)).capitalize() + "."


def extract(archive: Path, output: Path, *options: str) -> Measured:
    """One run of the job, reading alone unless told otherwise."""
    base = ["jobs/extract_docs.py", "--input", str(archive), "--output", str(output), "--tasks", "read"]
    return run_measured([*base, *options], ENVIRONMENT)


def overhead(scratch: Path, quick: bool) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    # layout, documents, pages of each in the small and in the large archive
    sizes = (("fast", 70, 5, 20), ("full", 66, 1, 2)) if quick else (("fast", 100, 10, 120), ("full", 66, 1, 4))
    for layout, documents, few_pages, many_pages in sizes:
        small, large = scratch / f"few-{layout}", scratch / f"many-{layout}"
        for number in range(documents):
            draw_pdf(small / f"{number}.pdf", few_pages, 1000 * number)
            draw_pdf(large / f"{number}.pdf", many_pages, 1000 * number)
        options = ("--layout", layout, "--model", "embedded", "--thumbnails", "0")  # the plain loop makes none
        few = extract(small, scratch / f"out-few-{layout}", *options)
        many = extract(large, scratch / f"out-many-{layout}", *options)
        further = documents * (many_pages - few_pages)
        ours = (many.cpu_seconds - few.cpu_seconds) / further
        plain = _plain_side_by_side(layout, small) / (documents * few_pages)
        name = "" if layout == "fast" else "_full_layout"
        figures[f"overhead_share{name}"] = round(ours / plain - 1, 3)
        figures[f"pages{name}"] = further
        figures[f"plain_pages_per_cpu_s{name}"] = round(1 / plain, 1)
        figures[f"pipeline_pages_per_cpu_s{name}"] = round(1 / ours, 1)
        figures[f"startup_cpu_s{name}"] = round(few.cpu_seconds - documents * few_pages * ours, 1)
    return figures


def layouts(scratch: Path, quick: bool, folders: Sequence[Path] = ()) -> dict[str, Any]:
    if not folders:
        folders = [scratch]
        for number in range(3 if quick else 10):
            draw_pdf(scratch / f"{number}.pdf", 9, 1000 * number)
            with pymupdf.open(scratch / f"{number}.pdf") as document:
                _draw_table(document.new_page())
                document.saveIncr()
    spent = _plain(["layouts", *map(str, folders)])
    return {
        "auto_vs_full_speedup": round(spent["full"] / spent["auto"], 2),
        "auto_pages_per_cpu_s": round(spent["pages"] / spent["auto"], 2),
        "full_pages_per_cpu_s": round(spent["pages"] / spent["full"], 2),
        "fast_pages_per_cpu_s": round(spent["pages"] / spent["fast"], 2),
        "layout_pages": spent["pages"],
        "layout_pages_to_network": spent["network"],
    }


def _draw_table(page: pymupdf.Page) -> None:
    for row in range(20):
        for column in range(4):
            page.insert_text((60 + 120 * column, 80 + 18 * row), f"{WORDS[(7 * row + column) % len(WORDS)]} {row}")


def readers(_: Path, __: bool, bench: Path | None = None, python: str | None = None) -> dict[str, Any]:
    return compare(bench, python) if bench else {}


def scans(scratch: Path, quick: bool) -> dict[str, Any]:
    born, archive = scratch / "born.pdf", scratch / "scans"
    pages = 8 if quick else 16
    draw_pdf(born, pages, 5)
    archive.mkdir()
    _as_scan(born, archive / "scan.pdf")
    plain = _plain(["rapidocr", str(archive / "scan.pdf")])
    replicas = os.cpu_count() or 1
    extract(archive, scratch / "out-scans", "--pages-per-unit", "1", "--replicas", str(replicas))
    ours = plain_loops.published_speed(scratch / "out-scans", warm_up=replicas)
    return {
        "scan_speedup_vs_rapidocr": round(ours["pages_per_s"] / plain["pages_per_s"], 2),
        "scan_pages_per_s": round(ours["pages_per_s"], 3),
        "rapidocr_pages_per_s": round(plain["pages_per_s"], 3),
        "scan_word_f1": round(plain_loops.word_f1(ours["texts"], born), 4),
        "rapidocr_word_f1": round(plain_loops.word_f1(plain["texts"], born), 4),
        "scan_pages": pages,
    }


def engines(scratch: Path, quick: bool) -> dict[str, Any]:
    born, scan = scratch / "born.pdf", scratch / "scan.pdf"
    draw_pdf(born, 4 if quick else 10, 5)
    _as_scan(born, scan)
    routed, alone = _plain(["routed", str(scan)]), _plain(["alone", str(scan)])
    return {
        "clean_scan_speedup": round(alone["cpu_seconds"] / routed["cpu_seconds"], 2),
        "clean_scan_cpu_s": round(routed["cpu_seconds"], 2),
        "clean_scan_word_f1": round(plain_loops.word_f1(routed["texts"], born), 4),
        "clean_scan_word_f1_alone": round(plain_loops.word_f1(alone["texts"], born), 4),
    }


def _as_scan(born: Path, scan: Path) -> None:
    with pymupdf.open(born) as source, pymupdf.open() as scanned:
        for page in source:
            sheet = scanned.new_page(width=page.rect.width, height=page.rect.height)
            sheet.insert_image(sheet.rect, pixmap=page.get_pixmap(dpi=144, colorspace=pymupdf.csGRAY))
        scanned.save(scan, deflate=True)


def replan(scratch: Path, quick: bool) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for files in (200, 2000) if quick else (2000, 20000):
        archive, output = scratch / f"files-{files}", scratch / f"out-{files}"
        for number in range(files):
            folder = archive / f"{number // 1000:03d}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number}.pdf").write_bytes(plain_loops.tiny_pdf(f"Letter number {number} of the archive"))
        options = ("--model", "fake", "--layout", "fast")
        first = extract(archive, output, *options)
        again = extract(archive, output, *options)
        figures[f"first_run_s_{files}"] = round(first.wall_seconds, 1)
        figures[f"replan_s_{files}"] = round(again.wall_seconds, 2)
        figures[f"replan_files_per_s_{files}"] = round(files / again.wall_seconds)
        figures[f"replan_driver_peak_mb_{files}"] = round(again.peak_mb["driver"])
    return figures


def memory(scratch: Path, quick: bool) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for pages in (100, 400) if quick else (250, 2000):
        archive = scratch / f"pages-{pages}"
        draw_pdf(archive / "one.pdf", pages, 3)
        seen = extract(
            archive, scratch / f"out-pages-{pages}", "--model", "fake", "--layout", "fast", "--tasks", "read,summarize"
        )
        last = {"driver_peak_mb": round(seen.peak_mb["driver"]), "actor_peak_mb": round(seen.peak_mb["actor"])}
        figures |= {f"{key}_{pages}": value for key, value in last.items()} | last
        figures[f"decoder_peak_mb_{pages}"] = round(seen.peak_mb["decoder"])
    return figures


def _plain_side_by_side(layout: str, folder: Path) -> float:
    """CPU seconds of a plain loop while as many run as a run has replicas: cores share caches, pages cost more then."""
    with ThreadPoolExecutor(REPLICAS) as pool:
        loops = list(pool.map(lambda _: _plain(["layer", layout, str(folder)])["cpu_seconds"], range(REPLICAS)))
    return float(sum(loops)) / len(loops)


def _plain(arguments: list[str]) -> dict[str, Any]:
    """A plain loop in a process of its own; RapidOCR's may use every core, as it does by itself."""
    environment = os.environ if arguments[0] == "rapidocr" else ENVIRONMENT
    command = [sys.executable, "-m", "benchmarks.plain_loops", *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    by_name: dict[str, Callable[[Path, bool], dict[str, Any]]] = {
        part.__name__: part for part in (overhead, layouts, readers, scans, engines, replan, memory)
    }
    parser = options(__doc__ or "", by_name)
    parser.add_argument("--pdfs", type=Path, nargs="*", default=[], help="folders of PDFs of your own, for layouts")
    parser.add_argument("--bench", type=Path, help="a folder of olmOCR-bench, for readers")
    parser.add_argument("--peers-python", help="a Python that has other readers, for readers")
    given = parser.parse_args()
    by_name["readers"] = partial(readers, bench=given.bench, python=given.peers_python)
    by_name["layouts"] = partial(layouts, folders=given.pdfs)
    run_named(__doc__ or "", by_name, given)
