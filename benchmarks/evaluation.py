"""How busy an evaluation keeps its replicas: items with pictures through the real stage, to a replica that sleeps.

    python benchmarks/evaluation.py [--items 10000] [--milliseconds 20] [--replicas 1]

Each item shows one of 32 drawn pictures of 640 by 480 pixels, loaded and decoded by the actor. The replica sleeps so
long an item, and stands for a model on a GPU; Ray, the blocks, the loading and the commits are real. Busy is the share
of the wall time between a replica's first reply and its last in which it slept, after the first twentieth of its items.
One core for each replica and one for loading are assumed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    os.environ["PYTHONPATH"] = os.pathsep.join([sys.path[0], os.environ.get("PYTHONPATH", "")])

from folioscope.model.choice import ModelChoice
from folioscope.model.completing import ModelPrompt, ModelReply
from folioscope.model.load import describe_replica
from folioscope.model.protocol import Reading, ReplicaDescription, SegmentInput
from folioscope.pipeline.evaluation.items import ImageFile, Item, Text
from folioscope.pipeline.evaluation.predicting import Predictor
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.versions import versions

SECONDS = "FOLIOSCOPE_BENCHMARK_SECONDS"
LOGS = "FOLIOSCOPE_BENCHMARK_LOGS"
PICTURES = 32
WARM_UP = 1 / 20


class TimedReplica:
    """Answers each prompt after a while, and writes down when."""

    description = ReplicaDescription("timed", "1", False, tasks=("read",))

    def __init__(self) -> None:
        self._seconds = float(os.environ[SECONDS])
        self._log = (Path(os.environ[LOGS]) / f"{os.getpid()}.log").open("a", buffering=1)

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading]:
        for segment in segments:
            if segment is not None:
                time.sleep(self._seconds)
                yield Reading("", "none")

    def complete(self, prompts: Iterable[ModelPrompt | None]) -> Iterator[ModelReply]:
        for prompt in prompts:
            if prompt is None:
                time.sleep(0.0005)
                continue
            begun = time.time()
            time.sleep(self._seconds)
            self._log.write(f"{begun} {time.time()}\n")
            yield ModelReply(prompt.key, "a reply")


def items_of(count: int, folder: Path) -> list[Item]:
    generator = np.random.default_rng(0)
    paths = []
    for number in range(PICTURES):
        path = folder / f"{number}.png"
        Image.fromarray(generator.integers(0, 255, (480, 640, 3), dtype=np.uint8) // 32 * 32).save(path)
        paths.append(str(path))
    return [
        Item(str(number), (ImageFile(paths[number % PICTURES]), Text(f"Question {number}?")), ("",))
        for number in range(count)
    ]


def busy_share(folder: Path) -> float:
    """Over all replicas, each after its warm-up."""
    slept = whole = 0.0
    for path in folder.glob("*.log"):
        times = [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
        times = times[int(len(times) * WARM_UP) :]
        slept += sum(end - begun for begun, end in times)
        whole += times[-1][1] - times[0][0]
    return slept / whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--milliseconds", type=float, default=20)
    parser.add_argument("--replicas", type=int, default=1)
    arguments = parser.parse_args()
    print(__doc__)
    with tempfile.TemporaryDirectory(prefix="folioscope-evaluation-") as scratch:
        folder = Path(scratch)
        (folder / "logs").mkdir()
        os.environ[SECONDS], os.environ[LOGS] = str(arguments.milliseconds / 1000), str(folder / "logs")
        items = items_of(arguments.items, folder)
        choice = ModelChoice("benchmarks.evaluation:TimedReplica")
        begun = time.monotonic()
        with Predictor(OutputStore(str(folder / "output")), arguments.replicas, None) as predictor:
            _, found = predictor.predict("busy", "busy", items, choice, describe_replica(choice))
        assert len(found) == arguments.items
        figures = {
            "busy_share": round(busy_share(folder / "logs"), 4),
            "wall_s": round(time.monotonic() - begun, 1),
            "items": arguments.items,
            "milliseconds": arguments.milliseconds,
            "replicas": arguments.replicas,
            "load": round(os.getloadavg()[0], 1),
            "versions": dict(versions()),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
