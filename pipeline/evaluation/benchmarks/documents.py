"""READoc, KITAB-Bench's PDFs and the tables of ICDAR 2013: whole PDFs to read, with Markdown or cells as truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from folioscope.pipeline.evaluation.items import Benchmark, BenchmarkDataError, Item, Mark, Pages, needed
from folioscope.pipeline.evaluation.rules.documents import chrf, kitab_marks, readoc_marks
from folioscope.pipeline.evaluation.rules.table_adjacency import cells_of_html, nearest, relations, truths_by_page
from folioscope.pipeline.evaluation.rules.tables import html_tables_of


def readoc_items(folder: Path) -> Iterator[Item]:
    found = False
    for subset in ("arxiv", "github"):
        for path in sorted((folder / subset / "pdf").glob("*.pdf")):
            found = True
            truth = needed(folder, f"{subset}/markdown/{path.stem}.md", "READoc")
            yield _document(path, f"{subset}/{path.stem}", truth.read_text(encoding="utf-8"), subset)
    if not found:
        raise BenchmarkDataError(f"READoc: {folder} holds no arxiv/pdf/*.pdf or github/pdf/*.pdf")


def _document(path: Path, item_id: str, truth: str, group: str = "") -> Item:
    return Item(item_id, (Pages(str(path)),), (truth,), mode="read", group=group, cluster=item_id)


READOC = Benchmark(
    "readoc",
    "READoc",
    "icip-cas/READoc: `github/` and `arxiv/`, each with `pdf/` and `markdown/`",
    readoc_items,
    lambda item, prediction, _: readoc_marks(item.golds[0], prediction),
    lambda values: 100 * values.get("text_eds", 0.0),
    note="edit likeness of the plain text, by our own reduction to words: not to be put beside published figures",
)


def kitab_items(folder: Path) -> Iterator[Item]:
    for path in sorted(needed(folder, "pdfs", "KITAB-Bench").glob("*.pdf")):
        truth = needed(folder, f"labels/{path.stem}.md", "KITAB-Bench")
        yield _document(path, path.stem, truth.read_text(encoding="utf-8"))


def _kitab_total(values: Mapping[str, float]) -> float:
    """MARS: the mean of chrF on the text and TEDS on the tables; chrF alone where no document has a table."""
    text = 100 * chrf(values)
    return (text + 100 * values["teds"]) / 2 if "teds" in values else text


KITAB = Benchmark(
    "kitab-pdfs",
    "KITAB-Bench PDFs",
    "mbzuai-oryx/KITAB-Bench, `pdfs-eval`: `pdfs/` and `labels/`",
    kitab_items,
    lambda item, prediction, _: kitab_marks(item.golds[0], prediction),
    _kitab_total,
)


def icdar_items(folder: Path) -> Iterator[Item]:
    pdfs = sorted(folder.rglob("*.pdf"))
    if not pdfs:
        raise BenchmarkDataError(f"ICDAR 2013: {folder} holds no *.pdf with *-str.xml beside them")
    for path in pdfs:
        truths = truths_by_page(path.parent, path)
        golds = tuple(
            json.dumps({page: [[*pair, count] for pair, count in found.items()] for page, found in truth.items()})
            for truth in truths
        )
        yield replace(_document(path, path.stem, "", path.parent.name), golds=golds)


def icdar_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    """Relations add up over documents: precision and recall are means weighed by relations.

    Of a document that can be understood in two ways, that counts to which the reading comes nearer. ``prediction`` has
    a form feed between its pages: what is found on one page cannot be right on another.
    """
    truths = [
        {int(page): Counter({tuple(pair): count for *pair, count in pairs}) for page, pairs in json.loads(gold).items()}
        for gold in item.golds
    ]
    found = {
        number: sum((relations(cells_of_html(table)) for table in html_tables_of(page)[1]), Counter())
        for number, page in enumerate(prediction.split("\f"), start=1)
    }
    score = nearest(truths, found)
    return [
        Mark("recall", score.right / score.true if score.true else 0.0, weight=float(score.true)),
        Mark("precision", score.right / score.found if score.found else 0.0, weight=float(score.found)),
    ]


def _f1(values: Mapping[str, float]) -> float:
    precision, recall = values.get("precision", 0.0), values.get("recall", 0.0)
    return 200 * precision * recall / (precision + recall) if precision + recall else 0.0


ICDAR_2013 = Benchmark(
    "icdar-2013",
    "ICDAR 2013 tables",
    "the competition's dataset: PDFs with `-str.xml` beside them",
    icdar_items,
    icdar_marks,
    _f1,
    note="cell adjacency, over the tables that the reader itself finds",
)
