"""What people said of two readings of a page: one JSON object a line, as the trial's page writes them.

{"item": "…", "left": "embedded@2", "right": "nano@1", "better": "left"}     left, right, both_wrong or equal
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal, get_args

from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.evaluation.scoring import CONFIDENCE, Interval

Better = Literal["left", "right", "both_wrong", "equal"]


@dataclass(frozen=True, slots=True)
class Label:
    item: str
    left: str
    right: str
    better: Better


@dataclass(frozen=True, slots=True)
class Preference:
    """Of the labelled pages on which one of two replicas was better: in what share it was ``first``."""

    first: str
    second: str
    pages: int
    first_better: int
    second_better: int
    both_wrong: int
    share: Interval


def load_labels(path: Path) -> list[Label]:
    """Raises :class:`ConfigError` with the line that is wrong. Of two labels of one pair the later counts."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"--labels {path}: cannot be read ({error.strerror})") from error
    found: dict[tuple[str, frozenset[str]], Label] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            label = Label(**json.loads(line))
            if label.better not in get_args(Better):
                raise ValueError(f"better is {label.better!r}, not one of {', '.join(get_args(Better))}")
        except (ValueError, TypeError) as error:
            raise ConfigError(f"--labels {path}, line {number}: {error}") from error
        found[label.item, frozenset((label.left, label.right))] = label
    return list(found.values())


def preferences(labels: Iterable[Label], replicas: Sequence[str], items: Iterable[str]) -> list[Preference]:
    """What people prefer of each pair of replicas, over the items of this trial."""
    known = set(items)
    kept = [label for label in labels if label.item in known]
    found = []
    for first, second in combinations(replicas, 2):
        told = [label for label in kept if {label.left, label.right} == {first, second}]
        if told:
            wins = [_winner(label) for label in told]
            better, worse = wins.count(first), wins.count(second)
            wrong = sum(label.better == "both_wrong" for label in told)
            found.append(Preference(first, second, len(told), better, worse, wrong, _share(better, better + worse)))
    return found


def _winner(label: Label) -> str | None:
    return {"left": label.left, "right": label.right}.get(label.better)


def _share(hits: int, of: int) -> Interval:
    """A share with its 95 % interval by Clopper and Pearson; nothing is known of none."""
    from scipy import stats

    if not of:
        return Interval(0.5, 0.0, 1.0)
    tail = (1 - CONFIDENCE) / 2
    low = float(stats.beta.ppf(tail, hits, of - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, of - hits)) if hits < of else 1.0
    return Interval(hits / of, low, high)
