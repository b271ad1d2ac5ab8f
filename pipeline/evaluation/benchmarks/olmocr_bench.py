"""olmOCR-bench: pages to read, each with tests of what must and must not stand in its Markdown.

``*.jsonl`` beside ``pdfs/``, as the hub ships it. An item is a page; the score is the mean of the files' shares of
tests passed. Formula tests are told apart and not in it: without a browser only equal LaTeX counts as found.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from folioscope.pipeline.evaluation.items import Benchmark, BenchmarkDataError, Item, Mark, Pages, needed
from folioscope.pipeline.evaluation.rules.page_tests import PageTest, failure_of
from folioscope.pipeline.evaluation.tables_in import Cell, json_rows

BASELINE = "baseline"
_FIELDS = frozenset(field.name for field in dataclasses.fields(PageTest))


def olmocr_bench_items(folder: Path) -> Iterator[Item]:
    needed(folder, "pdfs", "olmOCR-bench")
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise BenchmarkDataError(f"olmOCR-bench: {folder} holds no *.jsonl")
    tests: dict[tuple[str, int], list[str]] = defaultdict(list)
    with_baseline: set[str] = set()
    for path in files:
        for row in json_rows(path):
            pdf, page = row.text("pdf"), int(row.number("page"))
            tests[pdf, page].append(json.dumps([path.stem, row.text("id"), _test_fields(row.cells)], sort_keys=True))
            if row.text("type") == BASELINE:
                with_baseline.add(pdf)
    for pdf in {pdf for pdf, _ in tests} - with_baseline:  # as the official suite adds them
        tests[pdf, 1].append(json.dumps([BASELINE, f"{pdf}_baseline", {"type": BASELINE}]))
    for (pdf, page), told in sorted(tests.items()):
        yield Item(
            f"{pdf}#{page}",
            (Pages(str(folder / "pdfs" / pdf), page, page),),
            tuple(told),
            mode="read",
            group=pdf.partition("/")[0],
            cluster=pdf,
        )


def _test_fields(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    return {name: value for name, value in cells.items() if name in _FIELDS and value is not None}


def olmocr_bench_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    marks: list[Mark] = []
    for told in item.golds:
        name, test_id, fields = json.loads(told)
        test = PageTest(**fields)
        failure = failure_of(test, prediction)
        score, reason = float(failure is None), "" if failure is None else f"{test_id}: {failure}"
        marks.append(Mark(f"type:{test.type}", score, reason=reason))
        if test.type != "math":
            marks.append(Mark(f"file:{name}", score))
    return marks


def _mean_of_files(values: Mapping[str, float]) -> float:
    files = [value for metric, value in values.items() if metric.startswith("file:")]
    return 100 * sum(files) / len(files) if files else 0.0


OLMOCR_BENCH = Benchmark(
    "olmocr-bench",
    "olmOCR-bench",
    "the hub's allenai/olmOCR-bench: `*.jsonl` and `pdfs/`",
    olmocr_bench_items,
    olmocr_bench_marks,
    _mean_of_files,
    note="without formula tests; published totals are with them",
)
