"""MMMU (validation) as the hub has it: ``<Subject>/validation-*.parquet``; pictures stand in the question.

The official code draws a letter at random where it finds none; here that counts as wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from folioscope.pipeline.evaluation.items import (
    Benchmark,
    BenchmarkDataError,
    ImageCell,
    Item,
    Mark,
    Part,
    Text,
    percent_of,
    right_or_wrong,
)
from folioscope.pipeline.evaluation.rules.choices import lettered, mmmu_option
from folioscope.pipeline.evaluation.rules.numbers import open_answer_is_right
from folioscope.pipeline.evaluation.tables_in import Row, parquet_rows

CHOOSE = "Answer with the option's letter from the given choices directly."
BRIEFLY = "Answer the question using a single word or phrase."
_IMAGE = re.compile(r"<image (\d+)>")


def mmmu_items(folder: Path) -> Iterator[Item]:
    paths = sorted(folder.glob("*/validation-*.parquet"))
    if not paths:
        raise BenchmarkDataError(f"MMMU: {folder} holds no SUBJECT/validation-*.parquet")
    for path in paths:
        for row in parquet_rows(path):
            yield _item(row, path.parent.name)


def _item(row: Row, subject: str) -> Item:
    options, question = row.texts("options"), row.text("question")
    choice = row.text("question_type") == "multiple-choice"
    if choice:
        listed = "".join(f"({letter}) {text}\n" for letter, text in lettered(options).items())
        told = f"{question}\n\n{listed}\n\n{CHOOSE}"
    else:
        told = f"{question}\n\n{BRIEFLY}"
    return Item(
        row.text("id"),
        with_images(told, row),
        tuple(row.texts("answer")),
        question=question,
        options=tuple(options) if choice else (),
        kind=row.text("question_type"),
        group=subject,
    )


def with_images(text: str, row: Row) -> tuple[Part, ...]:
    """The text with its pictures where it names them as ``<image 1>``."""
    parts: list[Part] = []
    pieces = _IMAGE.split(text)
    for place, piece in enumerate(pieces):
        if place % 2:
            parts.append(ImageCell(str(row.path), row.place, f"image_{piece}"))
        elif piece:
            parts.append(Text(piece))
    return tuple(parts)


def mmmu_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    if item.options:
        letter = mmmu_option(prediction, lettered(item.options))
        return right_or_wrong(letter in item.golds, f"taken as {letter or 'none'}")
    return right_or_wrong(open_answer_is_right(prediction, item.golds))


MMMU = Benchmark(
    "mmmu-val",
    "MMMU val",
    "the hub's MMMU/MMMU: `<Subject>/validation-*.parquet`",
    mmmu_items,
    mmmu_marks,
    percent_of(),
)
