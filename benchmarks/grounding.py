"""Boxes and checks of a perfect reader, whose planted errors must show: how well grounding finds both.

The reader returns each page's true text without boxes, from its text layer. Its blocks are compared with the layer's
own boxes (intersection over union). Then an error of each kind that a page can bear is planted in turn (a sentence of
ten words added, a figure of a table changed, a paragraph left out, a paragraph written twice), and the page's flags
must tell it; a flag on the untouched page is a false alarm.

    python benchmarks/grounding.py CORPUS [--pages 300] [--ocr-pages 30]

The reference ``layer`` is the page's own words, read another way than the blocks; ``ocr`` sees the picture alone: keys
that end in ``_ocr`` are its own. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pymupdf

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.model.protocol import Block, Reading
from folioscope.pipeline.decode.opened_pdf import PDF_ERRORS
from folioscope.pipeline.decode.pdf import render
from folioscope.pipeline.decode.reference import layer_reference, ocr_reference
from folioscope.pipeline.decode.text_layer import extract_text_layer
from folioscope.pipeline.grounding.boxes import iou
from folioscope.pipeline.grounding.check import FIGURE_MISMATCH, INVENTED, OMITTED, ground
from folioscope.pipeline.grounding.reference import Reference

FOLDERS = ("doc", "longdoc", "olmocr_bench")
LEAST_WORDS = 40
PER_FILE = 12
DPI = 144
PARAGRAPH = 15  # words, from which a block is a paragraph
SENTENCES = (
    "The committee later praised every volunteer who repaired the northern bridge.",
    "Several visitors from Lisbon admired the painted ceiling before breakfast yesterday.",
    "Our gardener planted seventeen walnut trees along the forgotten western avenue.",
)
KINDS = ("sentence", "figure", "missing", "duplicate")


@dataclass(frozen=True, slots=True)
class Case:
    """A page as its layer has it, and what the two reference readers say."""

    name: str
    blocks: tuple[Block, ...]
    layer: Reference
    ocr: Reference | None


def cases(corpus: Path, wanted: int, with_ocr: int) -> Iterator[Case]:
    """Pages with a usable layer and no words in pictures, a few a file, in an order that does not change."""
    files = sorted(path for folder in FOLDERS for path in (corpus / folder).rglob("*.pdf"))
    random.Random(18).shuffle(files)
    found = 0
    for path in files:
        if found >= wanted:
            return
        try:
            with pymupdf.open(path) as document:
                if document.needs_pass:
                    continue
                numbers = random.Random(path.name).sample(range(len(document)), min(PER_FILE, len(document)))
                for number in numbers:
                    case = _case(document[number], f"{path.name} {number + 1}", in_ocr=found < with_ocr)
                    if case is not None and found < wanted:
                        found += 1
                        yield case
        except (*PDF_ERRORS, ValueError, IndexError):  # damaged files are another benchmark's
            continue


def _case(page: pymupdf.Page, name: str, *, in_ocr: bool) -> Case | None:
    layer = extract_text_layer(page, "fast")
    blocks = tuple(block for block in layer.blocks if block.kind != "comment" and block.bbox is not None)
    words = sum(len(block.text.split()) for block in blocks)
    if layer.verdict != "usable" or layer.needs_image or words < LEAST_WORDS:
        return None
    reference = layer_reference(page, layer)
    ocr = ocr_reference(render(page, DPI / 72), in_full=True) if in_ocr else None
    return Case(name, blocks, reference, ocr)


def read(blocks: tuple[Block, ...]) -> Reading:
    """The perfect reader's reading: the true text, no boxes."""
    bare = tuple(replace(block, bbox=None) for block in blocks)
    return Reading("\n\n".join(block.text for block in bare), "model", bare)


def planted(blocks: tuple[Block, ...], kind: str, draw: random.Random) -> tuple[Block, ...] | None:
    """The blocks with an error of a kind; None where the page cannot bear it."""
    paragraphs = [n for n, block in enumerate(blocks) if len(block.text.split()) >= PARAGRAPH and block.kind == "text"]
    if kind == "figure":
        return _with_other_figure(blocks, draw)
    if not paragraphs:
        return None
    at = draw.choice(paragraphs)
    if kind == "sentence":
        added = replace(blocks[at], text=f"{blocks[at].text} {draw.choice(SENTENCES)}")
        return (*blocks[:at], added, *blocks[at + 1 :])
    if kind == "missing":
        return (*blocks[:at], *blocks[at + 1 :]) if len(blocks) > 1 else None
    return (*blocks, blocks[at])


def _with_other_figure(blocks: tuple[Block, ...], draw: random.Random) -> tuple[Block, ...] | None:
    """A figure changed in one digit, in a block of many figures, which is put as the table that it is."""
    tables = [n for n, block in enumerate(blocks) if len(_figures(block.text)) >= 4 or block.kind == "table"]
    tables = [n for n in tables if _figures(blocks[n].text)]
    if not tables:
        return None
    at = draw.choice(tables)
    text = blocks[at].text
    figure = draw.choice(_figures(text))
    place = draw.choice([n for n in range(*figure.span()) if text[n].isdigit()])
    digit = draw.choice([d for d in "123456789" if d != text[place]])
    changed = replace(blocks[at], kind="table", text=text[:place] + digit + text[place + 1 :])
    return (*blocks[:at], changed, *blocks[at + 1 :])


def _figures(text: str) -> list[re.Match[str]]:
    return list(re.finditer(r"(?<![\w.,<=\"'#&])\d{2,}(?:[.,]\d+)*(?![\w>\"'=;])", text))


def measure(found: list[Case], which: str) -> tuple[list[float], Counter[str], Counter[str], float]:
    """(overlaps, errors planted, errors found, seconds a page) with one of the reference readers."""
    overlaps: list[float] = []
    tried: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    spent = 0.0
    for case in found:
        reference = case.layer if which == "layer" else case.ocr
        if reference is None or not reference.is_full:
            continue
        begun = time.perf_counter()
        clean = ground(read(case.blocks), reference)
        spent += time.perf_counter() - begun
        tried["page"] += 1
        alarms = [flag for flag in clean.flags if flag in (INVENTED, OMITTED, FIGURE_MISMATCH)]
        seen["page"] += bool(alarms)
        for flag in alarms:
            seen[f"false {flag}"] += 1
        if alarms:
            print(which, case.name, alarms, clean.check and (clean.check.support, clean.check.omitted))
        for block, own in zip(clean.blocks, case.blocks, strict=True):
            if own.bbox is not None and any(letter.isalnum() for letter in own.text):
                overlaps.append(iou(block.bbox, own.bbox) if block.bbox is not None else 0.0)
        for kind in KINDS:
            wrong = planted(case.blocks, kind, random.Random(f"{case.name} {kind}"))
            if wrong is None:
                continue
            flags = set(ground(read(wrong), reference).flags) - set(alarms)
            tried[kind] += 1
            hit = {"sentence": INVENTED, "duplicate": INVENTED, "missing": OMITTED, "figure": FIGURE_MISMATCH}[kind]
            seen[kind] += hit in flags or hit in alarms
            if hit not in flags:
                print(which, "missed", kind, case.name)
    return overlaps, tried, seen, spent / max(1, tried["page"])


def share(overlaps: list[float], least: float) -> float | None:
    return sum(overlap > least for overlap in overlaps) / len(overlaps) if overlaps else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--ocr-pages", type=int, default=30)
    chosen = parser.parse_args()
    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    found = list(cases(chosen.corpus, chosen.pages, chosen.ocr_pages))
    figures: dict[str, object] = {"pages": len(found), "layout": "fast"}
    for which in ("layer", "ocr"):
        overlaps, tried, seen, seconds = measure(found, which)
        end = "" if which == "layer" else "_ocr"
        figures[f"iou_{which}_median"] = statistics.median(overlaps) if overlaps else None
        figures[f"iou_{which}_share_07"] = share(overlaps, 0.7)
        figures[f"iou_{which}_share_06"] = share(overlaps, 0.6)
        figures[f"blocks{end}"], figures[f"pages_checked{end}"] = len(overlaps), tried["page"]
        for key, kinds in (("invented", ("sentence", "duplicate")), ("omitted", ("missing",)), ("figure", ("figure",))):
            count = sum(tried[kind] for kind in kinds)
            figures[f"{key}_recall{end}"] = sum(seen[kind] for kind in kinds) / count if count else None
            figures[f"{key}_planted{end}"] = count
        figures[f"false_alarm_share{end}"] = seen["page"] / tried["page"] if tried["page"] else None
        figures[f"alignment_ms{end}"] = round(1000 * seconds, 2)
        references = [case.layer if which == "layer" else case.ocr for case in found]
        cpu = [one.seconds for one in references if one is not None]
        figures[f"reference_cpu_seconds{end}"] = round(statistics.mean(cpu), 4) if cpu else None
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
