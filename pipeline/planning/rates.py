"""Rates: what a page, a summary and an answer have cost in earlier runs, from their own published rows.

A run's replica seconds (busy and idle, as billed) are shared out over its rows by the seconds that each row took, or
evenly where the model tells none. A prediction comes with a range: the tenth and ninetieth percentile of what the
same work would have cost at each earlier run's own rates. Costs one scan of a few narrow columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import astuple, dataclass

import numpy as np

from folioscope.model.protocol import Task
from folioscope.pipeline.interval import Interval
from folioscope.pipeline.tables.ledger import Ledger

LAST_RUNS = 20
FEW_RUNS = 3  # below this the runs' own spread says too little: half to twice is taken

Kind = str
WorkKey = tuple[Task, Kind]


@dataclass(frozen=True, slots=True)
class Usage:
    """Replica seconds and tokens: of one unit of work, or of a prediction's whole."""

    replica_seconds: float
    input_tokens: float
    output_tokens: float

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __mul__(self, factor: float) -> Usage:
        return Usage(*(value * factor for value in astuple(self)))


@dataclass(frozen=True, slots=True)
class Prediction:
    replica_seconds: Interval
    input_tokens: Interval
    output_tokens: Interval


@dataclass(frozen=True, slots=True)
class Rates:
    """``pooled`` is a unit's mean usage over all runs; ``by_run`` the same of each run alone."""

    model: str
    pooled: Mapping[WorkKey, Usage]
    by_run: tuple[Mapping[WorkKey, Usage], ...]

    def lacking(self, work: Mapping[WorkKey, Interval]) -> list[Task]:
        """Tasks of ``work`` that no earlier run has done for any kind of file."""
        known = {task for task, _ in self.pooled}
        return sorted({task for (task, _), amount in work.items() if amount.high > 0 and task not in known})

    def predict(self, work: Mapping[WorkKey, Interval]) -> Prediction:
        """What this work will use. No task of it may be lacking."""
        nothing = Usage(0.0, 0.0, 0.0)
        expected, least, most = nothing, [nothing for _ in self.by_run], [nothing for _ in self.by_run]
        for key, amount in work.items():
            if amount.high == 0:
                continue
            rate = self._rate(key)
            expected += rate * amount.expected
            for number, run in enumerate(self.by_run):
                own = run.get(key, rate)
                least[number] += own * amount.low
                most[number] += own * amount.high
        lows, highs = zip(*map(astuple, least), strict=True), zip(*map(astuple, most), strict=True)
        return Prediction(*(_span(*figures) for figures in zip(astuple(expected), lows, highs, strict=True)))

    def _rate(self, key: WorkKey) -> Usage:
        """A kind never seen costs what the task's other kinds cost on average."""
        if key in self.pooled:
            return self.pooled[key]
        others = [usage for (task, _), usage in self.pooled.items() if task == key[0]]
        return sum(others[1:], others[0]) * (1 / len(others))


def _span(expected: float, lows: tuple[float, ...], highs: tuple[float, ...]) -> Interval:
    if len(lows) < FEW_RUNS:
        return Interval(min(lows) / 2, expected, max(highs) * 2)
    return Interval(
        min(float(np.quantile(lows, 0.1)), expected), expected, max(float(np.quantile(highs, 0.9)), expected)
    )


def rates_of(ledger: Ledger, model: str) -> Rates | None:
    """Rates of ``model`` (name@revision) from its last runs; of its other revisions where this one has none.

    None where no run has used the model.
    """
    rows = ledger.query(
        """
        WITH kinds AS (SELECT asset_id, any_value(kind) AS kind FROM published_assets GROUP BY asset_id),
        used AS (
            SELECT 'read' AS task, run_id, asset_id, model, seconds, input_tokens, output_tokens
            FROM published_segments
            UNION ALL SELECT 'summarize', run_id, asset_id, model, seconds, input_tokens, output_tokens
            FROM published_summaries
            UNION ALL SELECT 'answer', run_id, asset_id, model, seconds, input_tokens, output_tokens
            FROM published_asked
        )
        SELECT run_id, used.model, task, coalesce(kinds.kind, 'pdf') AS kind, count(*) AS units,
               coalesce(sum(seconds), 0) AS seconds, coalesce(sum(used.input_tokens), 0)::DOUBLE AS input_tokens,
               coalesce(sum(used.output_tokens), 0)::DOUBLE AS output_tokens,
               any_value(runs.busy_seconds + runs.idle_seconds) AS billed
        FROM used JOIN published_runs AS runs USING (run_id) LEFT JOIN kinds ON kinds.asset_id = used.asset_id
        WHERE split_part(used.model, '@', 1) = split_part($1, '@', 1)
        GROUP BY run_id, used.model, task, coalesce(kinds.kind, 'pdf') ORDER BY run_id DESC
        """,
        [model],
    ).to_pylist()
    own = [row for row in rows if row["model"] == model]
    chosen = own or rows
    runs = list(dict.fromkeys(row["run_id"] for row in chosen))[:LAST_RUNS]
    if not runs:
        return None
    totals: defaultdict[WorkKey, Usage] = defaultdict(lambda: Usage(0.0, 0.0, 0.0))
    units: defaultdict[WorkKey, int] = defaultdict(int)
    by_run: list[dict[WorkKey, Usage]] = []
    for run_id in runs:
        of_run = [row for row in chosen if row["run_id"] == run_id]
        seconds, count = sum(row["seconds"] for row in of_run), sum(row["units"] for row in of_run)
        rates: dict[WorkKey, Usage] = {}
        for row in of_run:
            share = row["seconds"] / seconds if seconds else row["units"] / count
            used = Usage(row["billed"] * share, row["input_tokens"], row["output_tokens"])
            key = (row["task"], row["kind"])
            rates[key] = used * (1 / row["units"])
            totals[key] += used
            units[key] += row["units"]
        by_run.append(rates)
    return Rates(chosen[0]["model"], {key: total * (1 / units[key]) for key, total in totals.items()}, tuple(by_run))
