"""Which pages a vision-language model reads with ``--route auto``, and what is lost by not giving it the others.

    python -m benchmarks.routing FOLDER... [--bench OLMOCR_BENCH] [--pages 8]

Counts pages by route and rule over the PDFs of each folder, of long files so many pages at even distances. Over the
sample of olmOCR-bench two readers stand in for the model. The perfect one passes every test of a page: a test is lost
where its page is read from the layer and fails it. The other gives, page by page, the stored text (``peers/``) of the
system that passes most of the page's tests: a test is lost where that text passes it, and the layer's does not. Tests
are ours after the suite's rules, formula tests included. Seconds are of the decode child's processor, the layout
network's start among them.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil

from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings
from folioscope.pipeline.evaluation.benchmarks.olmocr_bench import olmocr_bench_items, olmocr_bench_marks
from folioscope.pipeline.evaluation.items import Item
from folioscope.pipeline.failures import Failure
from folioscope.pipeline.versions import versions

PATIENCE = 3600.0  # seconds for a page: a busy machine is not to change what is counted
AUTO = DecodeSettings(thumbnail_px=0, route="auto", layout="auto")


def routed_pages(children: DecodeChildren, folder: Path, most: int) -> Iterator[DecodedPage]:
    """The pages of a folder's PDFs as a run decodes them; pages that do not decode are left out."""
    for path in sorted(folder.rglob("*.pdf")):
        try:
            count = children.probe(path, path.name).page_count or 0
        except Failure:
            continue
        for number in sorted({1 + count * place // min(count, most) for place in range(min(count, most))}):
            for page in children.decode(path, "pdf", number, number, AUTO, path.name):
                if isinstance(page, DecodedPage):
                    yield page


def count_routes(children: DecodeChildren, folder: Path, most: int) -> dict[str, object]:
    before = _seconds(children)
    reasons = Counter(page.routed for page in routed_pages(children, folder, most) if page.routed)
    by_layer = sum(count for routed, count in reasons.items() if routed.reader == "layer")
    pages = reasons.total()
    told = {f"{routed.reader}: {routed.reason}": count for routed, count in reasons.most_common()}
    share = by_layer / max(1, pages)
    seconds = (_seconds(children) - before) / max(1, pages)
    print(f"{folder.name}: {pages} pages, {by_layer} ({share:.0%}) without the model, {seconds:.2f} s a page; {told}")
    return {"pages": pages, "by_layer": by_layer, "seconds_a_page": round(seconds, 2), "rules": told}


def _seconds(children: DecodeChildren) -> float:
    """Processor seconds of the running children; a child lives through all of a benchmark."""
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in children.pids())


def lost_tests(children: DecodeChildren, bench: Path) -> dict[str, object]:
    """Tests that ``--route auto`` loses beside a reader of all pages."""
    tests = passed = lost_perfect = lost_stored = by_layer = 0
    items = list(olmocr_bench_items(bench))
    for item in items:
        pdf, _, number = item.item_id.partition("#")
        path = bench / "pdfs" / pdf
        [page] = children.decode(path, "pdf", int(number), int(number), AUTO, pdf)
        if not isinstance(page, DecodedPage):
            raise SystemExit(page.failure.message)
        tests += len(item.golds)
        stored = stored_passes(item, bench / "peers", pdf, int(number))
        passed += len(stored)
        if page.reading is None:
            continue
        by_layer += 1
        ours = passes(item, page.reading.text)
        lost_perfect += len(item.golds) - len(ours)
        lost_stored += len(stored - ours)
    print(
        f"olmOCR-bench: {tests} tests on {len(items)} pages, {by_layer} of them read from their layer; lost beside a "
        f"perfect reader {lost_perfect}, beside the best stored reading, which passes {passed}, {lost_stored}"
    )
    return {
        "tests": tests,
        "pages": len(items),
        "by_layer": by_layer,
        "passed_by_stored": passed,
        "tests_lost": lost_perfect,
        "tests_lost_beside_stored": lost_stored,
    }


def stored_passes(item: Item, peers: Path, pdf: str, number: int) -> set[int]:
    """The tests, by their places, that the best of the stored readings of a page passes."""
    name = re.compile(rf"{re.escape(pdf.removesuffix('.pdf'))}(_pg{number}_repeat1|_{number})\.md")
    texts = [path.read_text() for path in sorted(peers.rglob("*.md")) if name.fullmatch(path.name)]
    return max((passes(item, text) for text in texts), key=len, default=set())


def passes(item: Item, text: str) -> set[int]:
    """The tests of a page, by their places, that a text passes."""
    marks = (mark for mark in olmocr_bench_marks(item, text) if mark.metric.startswith("type:"))
    return {place for place, mark in enumerate(marks) if mark.score == 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--bench", type=Path, help="olmOCR-bench's sample: *.jsonl, pdfs/ and peers/")
    parser.add_argument("--pages", type=int, default=8, help="most pages of a file that are looked at")
    arguments = parser.parse_args()
    print(__doc__)
    children = DecodeChildren(1, ChildLimits(seconds_per_page=PATIENCE))
    try:
        routes = {folder.name: count_routes(children, folder, arguments.pages) for folder in arguments.folders}
        lost = lost_tests(children, arguments.bench) if arguments.bench else {}
    finally:
        children.close()
    print(json.dumps({"routes": routes, **lost, "versions": dict(versions())}))


if __name__ == "__main__":
    main()
