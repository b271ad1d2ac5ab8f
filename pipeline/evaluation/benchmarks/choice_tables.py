"""MMBench-EN v1.1, MMStar, AI2D, BLINK and RealWorldQA in the layout, with the prompt and the rule of VLMEvalKit.

One TSV each, with Base64 pictures, as the toolkit's dataset links give it. MMBench asks each question as often as it
has options, the options rotated, and counts it as right where all are: its items of one question are one cluster.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from folioscope.pipeline.evaluation.items import (
    Benchmark,
    BenchmarkDataError,
    ImageCell,
    Item,
    Judging,
    Mark,
    Part,
    Text,
    first_of,
    percent_of,
    right_or_wrong,
)
from folioscope.pipeline.evaluation.rules.choices import inferred_option
from folioscope.pipeline.evaluation.rules.judges import option_question, told_option
from folioscope.pipeline.evaluation.tables_in import POINTER_LENGTH, Row, tsv_rows

ROTATION = 1_000_000  # a rotated question's index is its first one's plus a multiple of this
NO_JUDGE = "an answer that names no option by the toolkit's rule is wrong (its exact-matching policy)"


def choice_items(folder: Path, *, names: Sequence[str], title: str, rotated: bool = False) -> Iterator[Item]:
    path = first_of(folder, names, title)
    places = {row.text("index"): row.place for row in tsv_rows(path)}
    for row in tsv_rows(path):
        index = row.text("index")
        if not row.has("answer"):
            raise BenchmarkDataError(f"{path}: item {index} has no answer; take the split that has answers")
        options = {letter: row.text(letter) for letter in string.ascii_uppercase if row.has(letter)}
        pictures = _pictures(row, places)
        yield Item(
            index,
            (*pictures, Text(prompt_of(row.text("hint"), row.text("question"), options))),
            (row.text("answer"),),
            question=row.text("question"),
            options=tuple(options.values()),
            group=row.text("category") or row.text("l2-category"),
            cluster=str(int(row.number("index")) % ROTATION) if rotated else index,
        )


def _pictures(row: Row, places: dict[str, int]) -> list[Part]:
    pointer = row.text("image")
    place = row.place
    if pointer and len(pointer) <= POINTER_LENGTH:
        if pointer not in places:
            raise BenchmarkDataError(
                f"{row.path}: item {row.text('index')} points to a picture {pointer} that is not there"
            )
        place = places[pointer]
    count = int(row.number("image#")) if row.has("image#") else 1
    return [ImageCell(str(row.path), place, "image", number) for number in range(count)]


def prompt_of(hint: str, question: str, options: dict[str, str]) -> str:
    told = f"Hint: {hint}\n" if hint else ""
    told += f"Question: {question}\n"
    if options:
        listed = "".join(f"{letter}. {text}\n" for letter, text in options.items())
        told += f"Options:\n{listed}Please select the correct answer from the options above. \n"
    return told


def _lettered(item: Item) -> dict[str, str]:
    return dict(zip(string.ascii_uppercase, item.options, strict=False))


def choice_marks(item: Item, prediction: str, reply: str | None) -> list[Mark]:
    options = _lettered(item)
    letter = inferred_option(prediction, options)
    if letter is None and reply is not None:
        letter = told_option(reply, options)
    return right_or_wrong(letter == item.golds[0], f"taken as {letter or 'none'}")


def judged_choice(item: Item, prediction: str) -> Judging | None:
    options = _lettered(item)
    return None if inferred_option(prediction, options) else option_question(item.question, options, prediction)


def _benchmark(name: str, title: str, names: Sequence[str], *, rotated: bool = False, note: str = "") -> Benchmark:
    return Benchmark(
        name,
        title,
        f"`{names[0]}` as VLMEvalKit's dataset list links it",
        partial(choice_items, names=names, title=title, rotated=rotated),
        choice_marks,
        percent_of(),
        means={"accuracy": "clusters"} if rotated else {},
        judging=judged_choice,
        rule_without_judge=NO_JUDGE,
        note=note,
    )


CHOICE_TABLES = (
    _benchmark(
        "mmbench-en-v1.1",
        "MMBench-EN v1.1",
        ("MMBench_TEST_EN_V11.tsv", "MMBench_DEV_EN_V11.tsv"),
        rotated=True,
        note="the published figure is of the test split, whose answers are not public; DEV comes near",
    ),
    _benchmark("mmstar", "MMStar", ("MMStar.tsv",)),
    _benchmark("ai2d", "AI2D", ("AI2D_TEST.tsv",)),
    _benchmark("blink", "BLINK", ("BLINK.tsv",)),
    _benchmark("realworldqa", "RealWorldQA", ("RealWorldQA.tsv",)),
)
