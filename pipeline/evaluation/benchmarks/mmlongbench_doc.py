"""MMLongBench-Doc: questions about long documents, with answers of five formats, some of them "Not answerable".

``samples.json`` and ``documents/`` as the repository and the hub ship them. At most the first 120 pages are shown, at
144 dpi. The free answer is reduced to a short one by a judge model; without one it is taken as it is, short or not.
Accuracy is the published figure, F1 is told beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from folioscope.pipeline.evaluation.items import (
    Benchmark,
    Item,
    Judging,
    Mark,
    Pages,
    Text,
    first_of,
    percent_of,
)
from folioscope.pipeline.evaluation.rules.judges import extraction_question, told_extraction
from folioscope.pipeline.evaluation.rules.numbers import document_answer_score
from folioscope.pipeline.evaluation.rules.texts import NOT_ANSWERABLE
from folioscope.pipeline.evaluation.tables_in import json_rows

MOST_PAGES = 120
FORM = (
    "Give a number as digits, several things as a Python list, and text as briefly as it can be. Where the response "
    f'says that the document does not hold the answer, give "{NOT_ANSWERABLE}"; where it says that it cannot be read '
    'or seen, give "Fail to answer".'
)


def mmlongbench_doc_items(folder: Path) -> Iterator[Item]:
    path = first_of(folder, ("samples.json", "data/samples.json", "samples_dev.json"), "MMLongBench-Doc")
    documents = first_of(folder, ("documents", "data/documents", "MMLongBench-Doc"), "MMLongBench-Doc")
    for row in json_rows(path):
        document = row.text("doc_id")
        yield Item(
            f"{document}#{row.place}",
            (Pages(str(documents / document), most=MOST_PAGES), Text(row.text("question"))),
            (row.text("answer"),),
            question=row.text("question"),
            kind=row.text("answer_format"),
            group=row.text("doc_type"),
            cluster=document,
        )


def mmlongbench_doc_marks(item: Item, prediction: str, reply: str | None) -> Sequence[Mark]:
    told = None if reply is None else told_extraction(reply)
    answer = prediction.strip() if told is None else told
    gold = item.golds[0]
    score = document_answer_score(gold, answer, item.kind)
    marks = [Mark("accuracy", score, reason=f"taken as {answer[:80]}")]
    answerable = gold != NOT_ANSWERABLE
    if answerable:
        marks.append(Mark("recall", score))
    if answer != NOT_ANSWERABLE:
        marks.append(Mark("precision", score if answerable else 0.0))
    return marks


def judged_document_answer(item: Item, prediction: str) -> Judging:
    return extraction_question(item.question, prediction, FORM)


MMLONGBENCH_DOC = Benchmark(
    "mmlongbench-doc",
    "MMLongBench-Doc",
    "`samples.json` and `documents/*.pdf` of the repository and the hub's yubo2333/MMLongBench-Doc",
    mmlongbench_doc_items,
    mmlongbench_doc_marks,
    percent_of(),
    judging=judged_document_answer,
    rule_without_judge="the response itself, without its surrounding blanks, is the short answer",
    note="accuracy; F1 is 2·precision·recall / (precision + recall) of the two measures told beside it",
)
