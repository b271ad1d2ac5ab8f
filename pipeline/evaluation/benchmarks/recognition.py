"""InfoVQA (validation) and OCRBench: questions about the words in a picture.

InfoVQA as the challenge's download has it: ``infographicsVQA_val_v1.0_withQT.json`` and ``infographicsvqa_images/``.
OCRBench as its repository has it: ``OCRBench/OCRBench.json`` and ``OCRBench_Images/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from folioscope.pipeline.evaluation.items import (
    Benchmark,
    BenchmarkDataError,
    ImageFile,
    Item,
    Mark,
    Text,
    first_of,
    needed,
    percent_of,
    right_or_wrong,
)
from folioscope.pipeline.evaluation.rules.texts import anls, contained
from folioscope.pipeline.evaluation.tables_in import json_rows

BRIEFLY = "\nAnswer the question using a single word or phrase."
FORMULAS = "HME100k"


def infovqa_items(folder: Path) -> Iterator[Item]:
    path = first_of(folder, ("infographicsVQA_val_v1.0_withQT.json", "infographicsVQA_val_v1.0.json"), "InfoVQA")
    images = first_of(folder, ("infographicsvqa_images", "images"), "InfoVQA")
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["data"]
        for entry in entries:
            yield Item(
                str(entry["questionId"]),
                (ImageFile(str(images / entry["image_local_name"])), Text(entry["question"] + BRIEFLY)),
                tuple(map(str, entry["answers"])),
                question=entry["question"],
                cluster=entry["image_local_name"],
                max_new_tokens=64,
            )
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkDataError(f"{path} is not the annotation file of InfoVQA ({error!r})") from error


def infovqa_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    return [Mark("anls", anls(prediction, item.golds))]


INFOVQA = Benchmark(
    "infovqa",
    "InfoVQA",
    "`infographicsVQA_val_v1.0_withQT.json` and `infographicsvqa_images/` of the challenge's download",
    infovqa_items,
    infovqa_marks,
    percent_of("anls"),
    note="the published figure is of the test split, whose answers only the challenge's server has",
)


def ocrbench_items(folder: Path) -> Iterator[Item]:
    path = first_of(folder, ("OCRBench/OCRBench.json", "OCRBench.json"), "OCRBench")
    images = needed(folder, "OCRBench_Images", "OCRBench")
    for row in json_rows(path):
        yield Item(
            row.text("id") or str(row.place),
            (ImageFile(str(images / row.text("image_path"))), Text(row.text("question"))),
            tuple(row.texts("answers")),
            question=row.text("question"),
            kind=row.text("dataset_name"),
            group=row.text("type"),
            max_new_tokens=512,
        )


def ocrbench_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    return right_or_wrong(contained(prediction, item.golds, formula=item.kind == FORMULAS))


OCRBENCH = Benchmark(
    "ocrbench",
    "OCRBench",
    "`OCRBench/OCRBench.json` and `OCRBench_Images/` of Yuliang-Liu/MultimodalOCR",
    ocrbench_items,
    ocrbench_marks,
    percent_of(scale=1000.0),
    unit="of 1,000",
)
