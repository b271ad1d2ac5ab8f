"""VSI-Bench: space in videos of rooms. Choices by their first word, numbers by how many tolerances they keep.

The score is the mean of eight tasks; the three kinds of relative direction are one task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from folioscope.pipeline.evaluation.items import (
    Benchmark,
    Frames,
    Item,
    Mark,
    Text,
    first_of,
    percent_of,
)
from folioscope.pipeline.evaluation.rules.choices import first_word
from folioscope.pipeline.evaluation.rules.numbers import as_number, relative_accuracy
from folioscope.pipeline.evaluation.tables_in import json_rows, parquet_rows

FRAMES = 32
NUMERIC = frozenset({"object_abs_distance", "object_counting", "object_size_estimation", "room_size_estimation"})
DIRECTION = "object_rel_direction"
OPENING = "These are frames of a video.\n"
NUMBER = "\nPlease answer the question using a single word or phrase."
CHOOSE = "Answer with the option's letter from the given choices directly."


def vsi_bench_items(folder: Path) -> Iterator[Item]:
    path = first_of(folder, ("test.jsonl", "test-00000-of-00001.parquet", "test.parquet"), "VSI-Bench")
    for row in json_rows(path) if path.suffix == ".jsonl" else parquet_rows(path):
        task, options = row.text("question_type"), row.texts("options")
        question = row.text("question")
        told = f"{question}{NUMBER}" if task in NUMERIC else "\n".join([question, "Options:", *options, CHOOSE])
        video = folder / row.text("dataset") / f"{row.text('scene_name')}.mp4"
        group = f"{DIRECTION}/{task}" if task.startswith(DIRECTION) else task
        yield Item(
            row.text("id"),
            (Frames(str(video), FRAMES), Text(f"{OPENING}{told}")),
            (row.text("ground_truth"),),
            question=question,
            options=tuple(options),
            kind="number" if task in NUMERIC else "choice",
            group=group,
            cluster=row.text("scene_name"),
            max_new_tokens=64,
        )


def vsi_bench_marks(item: Item, prediction: str, _: str | None = None) -> Sequence[Mark]:
    told, gold = first_word(prediction), item.golds[0]
    if item.kind == "choice":
        return [Mark("accuracy", float(told.lower() == gold.lower()), reason=f"taken as {told[:20]}")]
    wanted = as_number(gold)
    score = 0.0 if wanted is None else relative_accuracy(as_number(told), wanted)
    return [Mark("accuracy", score, reason=f"taken as {told[:20]}")]


VSI_BENCH = Benchmark(
    "vsi-bench",
    "VSI-Bench",
    "the hub's nyu-visionx/VSI-Bench: `test.jsonl` (or Parquet) and `arkitscenes/`, `scannet/`, `scannetpp/`",
    vsi_bench_items,
    vsi_bench_marks,
    percent_of(),
    means={"accuracy": "groups"},
)
