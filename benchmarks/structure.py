"""Structure and text of pages, scored against public truth: tables, reading order, Arabic.

    python benchmarks/structure.py EVAL_DIR [--only icdar,icdar_scanned,omnidoc,kitab] [--every N]

EVAL_DIR holds the public sets, which are not ours to pass on: icdar2013, omnidocbench, kitab. Embedded replica with its
default settings, the code path of the jobs without Ray.

icdar          Cell adjacency F1 over all pages of the PDFs (``adjacency.py``).
icdar_scanned  The same over the pages that hold tables, drawn at 150 dpi and read as pictures.
omnidoc        Text: how much of each block of the truth stands in the page's text (best alignment, by characters), mean
               over pages. Order: the blocks found, in the order in which they stand; likeness of that sequence to the
               true one (normalised edit distance). Headers, footers, page numbers, formulas and tables are left out.
kitab          Likeness of the Arabic pages' text to the truth (normalised edit distance, white space folded).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymupdf
from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.model.embedded.read import read_page
from folioscope.model.plain_text import strip_markup
from folioscope.model.protocol import PageInput, Reading
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.evaluation.rules.table_adjacency import (
    Score,
    cells_of_html,
    nearest,
    relations,
    truths_by_page,
)
from folioscope.pipeline.versions import versions

FOUND = 0.6  # of a block's characters, for it to have a place in the order
SCAN_DPI = 150
BODY = ("text_block", "title", "table_caption", "figure_caption", "table_footnote", "figure_footnote", "page_footnote")


def readings(path: Path, kind: str) -> Iterator[tuple[int, Reading]]:
    """(page number, reading) of each page of a file."""
    children = DecodeChildren(1, ChildLimits(seconds_per_page=300))
    try:
        count = children.probe(path, path.name).page_count or 0
        for page in children.decode(path, kind, 1, count, DecodeSettings(thumbnail_px=0)):
            if not isinstance(page, DecodedPage):
                raise SystemExit(f"{path}: {page.failure}")
            yield (
                page.page_number,
                read_page(PageInput(page.page_number, page.width_px, page.height_px, page.image, page.layer)),
            )
    finally:
        children.close()


def icdar(folder: Path, every: int) -> dict[str, Any]:
    folder = folder / "icdar2013" / "competition-dataset-us"
    score = Score()
    for pdf in sorted(folder.glob("*.pdf"))[::every]:
        found = {number: _tables(reading) for number, reading in readings(pdf, "pdf")}
        score += nearest(truths_by_page(folder, pdf), found)
    return {"icdar_f1": round(score.f1, 4)}


def icdar_scanned(folder: Path, every: int) -> dict[str, Any]:
    folder = folder / "icdar2013" / "competition-dataset-us"
    score = Score()
    with tempfile.TemporaryDirectory() as scratch:
        for pdf in sorted(folder.glob("*.pdf"))[::every]:
            truths, found = truths_by_page(folder, pdf), {}
            for number in sorted(truths[0]):
                picture = Path(scratch) / f"{pdf.stem}-{number}.png"
                with pymupdf.open(pdf) as document:
                    if number > len(document):
                        continue
                    document[number - 1].get_pixmap(dpi=SCAN_DPI).save(picture)
                for _, reading in readings(picture, "image"):
                    found[number] = _tables(reading)
            score += nearest([{n: t for n, t in truth.items() if n in found} for truth in truths], found)
    return {"icdar_scanned_f1": round(score.f1, 4)}


def _tables(reading: Reading) -> Counter[Any]:
    return sum((relations(cells_of_html(b.text)) for b in reading.blocks if b.kind == "table"), Counter())


def omnidoc(folder: Path, every: int) -> dict[str, Any]:
    folder = folder / "omnidocbench"
    pages = json.loads((folder / "OmniDocBench_demo.json").read_text())[::every]
    texts, orders = [], []
    for page in pages:
        picture = folder / "images" / page["page_info"]["image_path"]
        [(_, reading)] = readings(picture, "image")
        blocks = [b for b in page["layout_dets"] if b["category_type"] in BODY and b.get("text") and not b["ignore"]]
        blocks.sort(key=lambda block: block["order"] or 0)
        text, order = page_likeness([_plain(block["text"]) for block in blocks], _plain(reading.text))
        print(f"{text:.3f} {order:.3f} {picture.name}", flush=True)
        texts.append(text)
        orders.append(order)
    return {"omnidoc_text": round(sum(texts) / len(texts), 4), "omnidoc_order": round(sum(orders) / len(orders), 4)}


def page_likeness(blocks: list[str], text: str) -> tuple[float, float]:
    """(how much of the blocks stands in the text, how far their order is kept), both 0..1."""
    found: list[tuple[int, int]] = []
    held = letters = 0.0
    for number, block in enumerate(blocks):
        if not block:
            continue
        aligned = fuzz.partial_ratio_alignment(block, text) if len(text) >= len(block) else None
        share = aligned.score / 100 if aligned else fuzz.ratio(block, text) / 100
        letters += len(block)
        held += share * len(block)
        if share >= FOUND:
            found.append((aligned.dest_start if aligned else 0, number))
    there = [number for _, number in sorted(found)]
    order = Levenshtein.normalized_similarity(there, sorted(there)) if there else 0.0
    return held / letters if letters else 1.0, order


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", strip_markup(re.sub(r"<[^>]+>", " ", text))).strip()


def kitab(folder: Path, every: int) -> dict[str, Any]:
    folder = folder / "kitab"
    likeness = []
    for pdf in sorted((folder / "pdfs").glob("*.pdf"))[::every]:
        truth = _plain((folder / "labels" / f"{pdf.stem}.md").read_text())
        text = _plain("\n".join(reading.text or "" for _, reading in readings(pdf, "pdf")))
        likeness.append(Levenshtein.normalized_similarity(text, truth))
        print(f"{likeness[-1]:.3f} {pdf.name}", flush=True)
    return {"kitab_text": round(sum(likeness) / len(likeness), 4)}


PARTS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "icdar": icdar,
    "icdar_scanned": icdar_scanned,
    "omnidoc": omnidoc,
    "kitab": kitab,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("eval_dir", type=Path)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--every", type=int, default=1, help="each n-th document alone, for a first look")
    arguments = parser.parse_args()
    print(__doc__)
    figures: dict[str, Any] = {}
    for name in arguments.only.split(","):
        begun = time.process_time()
        figures |= PARTS[name](arguments.eval_dir, arguments.every)
        figures[f"{name}_own_cpu_s"] = round(time.process_time() - begun, 1)
        print(name, json.dumps(figures), flush=True)
    print(json.dumps({**figures, "every": arguments.every, "versions": dict(versions())}))


if __name__ == "__main__":
    main()
