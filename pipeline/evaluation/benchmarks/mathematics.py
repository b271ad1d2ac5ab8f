"""MathVista (testmini) and MathVision (test) as the hub has them: ``data/*.parquet`` with their pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from folioscope.pipeline.evaluation.items import (
    Benchmark,
    BenchmarkDataError,
    ImageCell,
    Item,
    Judging,
    Mark,
    Text,
    percent_of,
    right_or_wrong,
)
from folioscope.pipeline.evaluation.rules.choices import inferred_option, lettered
from folioscope.pipeline.evaluation.rules.judges import extraction_question, told_extraction
from folioscope.pipeline.evaluation.rules.mathematics import answer_is_right
from folioscope.pipeline.evaluation.rules.numbers import as_number, mathvista_value
from folioscope.pipeline.evaluation.tables_in import Row, parquet_rows

BOXED = 'Please solve the problem step by step and put your answer in one "\\boxed{}".'
_QUOTED = re.compile(r'The answer is "(.*)"\.')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def _rows(folder: Path, split: str, title: str) -> Iterator[Row]:
    paths = sorted(folder.glob(f"data/{split}-*.parquet"))
    if not paths:
        raise BenchmarkDataError(f"{title}: {folder} holds no data/{split}-*.parquet")
    for path in paths:
        yield from parquet_rows(path)


def mathvista_items(folder: Path) -> Iterator[Item]:
    for row in _rows(folder, "testmini", "MathVista"):
        precision = int(row.number("precision")) if row.has("precision") else 0
        yield Item(
            row.text("pid"),
            (ImageCell(str(row.path), row.place, "decoded_image"), Text(row.text("query"))),
            (row.text("answer"),),
            question=row.text("question"),
            options=tuple(row.texts("choices")),
            kind=f"{row.text('answer_type')}:{precision}",
        )


def mathvista_extraction(item: Item, prediction: str) -> str | None:
    """What the official script finds without a judge model: an option, a bare number, or a quoted answer."""
    prediction = prediction.strip()
    if prediction in item.options:
        return prediction
    answer_type = item.kind.partition(":")[0]
    if not item.options and answer_type in ("integer", "float"):
        number = as_number(prediction)
        if number is not None and (answer_type == "float" or re.fullmatch(r"[+-]?\d+", prediction)):
            return prediction
    quoted = _QUOTED.search(prediction)
    return quoted[1] if quoted else None


def mathvista_marks(item: Item, prediction: str, reply: str | None) -> Sequence[Mark]:
    extraction = mathvista_extraction(item, prediction)
    if extraction is None and reply is not None:
        extraction = told_extraction(reply)
    if extraction is None:
        extraction = _by_rule(item, prediction)
    answer_type, _, precision = item.kind.partition(":")
    value = mathvista_value(extraction, item.options, answer_type, int(precision or 0))
    return right_or_wrong(value is not None and value.strip() == item.golds[0].strip(), f"taken as {value}")


def _by_rule(item: Item, prediction: str) -> str:
    if item.options:
        return inferred_option(prediction, lettered(item.options)) or prediction
    if item.kind.startswith(("integer", "float")):
        numbers = _NUMBER.findall(prediction.replace(",", ""))
        return numbers[-1] if numbers else prediction
    return prediction.strip()


def judged_mathvista(item: Item, prediction: str) -> Judging | None:
    if mathvista_extraction(item, prediction) is not None:
        return None
    form = f"The answer is of type {item.kind.partition(':')[0] or 'text'}."
    if item.options:
        form = f"The answer is one of the options {', '.join(item.options)}; give its letter or its text."
    return extraction_question(item.question, prediction, form)


MATHVISTA = Benchmark(
    "mathvista",
    "MathVista",
    "the hub's AI4Math/MathVista: `data/testmini-*.parquet`",
    mathvista_items,
    mathvista_marks,
    percent_of(),
    judging=judged_mathvista,
    rule_without_judge="the option named by VLMEvalKit's rule, else the last number of the response",
)


def mathvision_items(folder: Path) -> Iterator[Item]:
    for row in _rows(folder, "test", "MathVision"):
        options = row.texts("options")
        listed = "\n".join(f"{letter}. {text}" for letter, text in lettered(options).items())
        question = row.text("question")
        told = f"{BOXED}{question}\nChoices: {listed}" if listed else f"{BOXED}{question}"
        yield Item(
            row.text("id"),
            (ImageCell(str(row.path), row.place, "decoded_image"), Text(told)),
            (row.text("answer"),),
            question=question,
            options=tuple(options),
            group=row.text("subject"),
            max_new_tokens=4096,
        )


def mathvision_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    return right_or_wrong(answer_is_right(prediction, item.golds[0], item.options))


MATHVISION = Benchmark(
    "mathvision",
    "MathVision",
    "the hub's MathLLMs/MathVision: `data/test-*.parquet`",
    mathvision_items,
    mathvision_marks,
    percent_of(),
)
