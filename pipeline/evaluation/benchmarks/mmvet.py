"""MM-Vet: ``mm-vet.json`` and ``images/`` as its repository ships them. Graded 0 to 1 by a judge model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from folioscope.pipeline.evaluation.items import Benchmark, ImageFile, Item, Judging, Mark, Text, needed, percent_of
from folioscope.pipeline.evaluation.rules.judges import graded_question, told_grade
from folioscope.pipeline.evaluation.tables_in import json_rows


def mmvet_items(folder: Path) -> Iterator[Item]:
    for row in json_rows(needed(folder, "mm-vet.json", "MM-Vet")):
        yield Item(
            row.text("_key"),
            (ImageFile(str(folder / "images" / row.text("imagename"))), Text(row.text("question"))),
            (row.text("answer"),),
            question=row.text("question"),
            group=",".join(sorted(row.texts("capability"))),
        )


def mmvet_marks(item: Item, prediction: str, reply: str | None) -> Sequence[Mark]:
    grade = None if reply is None else told_grade(reply)
    if grade is not None:
        return [Mark("accuracy", grade, reason="graded by the judge")]
    return [Mark("accuracy", rule_grade(item.golds[0], prediction), reason="graded by rule")]


def rule_grade(gold: str, prediction: str) -> float:
    """The share of <AND> parts that stand in the prediction; of <OR> parts the best."""
    said = f" {_words(prediction)} "

    def share(alternative: str) -> float:
        parts = [_words(part) for part in alternative.split("<AND>")]
        return sum(f" {part} " in said for part in parts) / len(parts)

    return max(share(alternative) for alternative in gold.split("<OR>"))


def _words(text: str) -> str:
    return " ".join(re.findall(r"-?\w+(?:\.\d+)?", text.lower()))


def judged_mmvet(item: Item, prediction: str) -> Judging:
    return graded_question(item.question, item.golds[0], prediction)


MMVET = Benchmark(
    "mmvet",
    "MMVet",
    "`mm-vet.json` and `images/` of the MM-Vet repository's release",
    mmvet_items,
    mmvet_marks,
    percent_of(),
    judging=judged_mmvet,
    rule_without_judge="the share of the gold answer's parts that stand in the answer word for word (a lower bound)",
)
