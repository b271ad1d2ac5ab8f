"""The page of an evaluations' output: the table beside the published figures, the worst items, replicas side by side.

One HTML file that needs nothing beside it. It shows the ``WORST`` lowest items of each evaluation; all of them stand in
``evaluation_items``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import combinations

from folioscope.pipeline.evaluation.published import SOURCE
from folioscope.pipeline.evaluation.publishing import Evaluation, shown
from folioscope.pipeline.evaluation.scoring import Scored, paired_difference
from folioscope.pipeline.storage.store import OutputStore

PAGE = "evaluation.html"
WORST = 40
SHORT = 600
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
th, td { border-bottom: 1px solid #d5d9de; padding: .4rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; word-break: break-word; margin: 0; font-size: 13px; }
.below { color: #a40000; } .above { color: #05603a; } .note { color: #57606a; }
summary { cursor: pointer; font-weight: 600; margin: .6rem 0; }
"""


def write_page(store: OutputStore, evaluations: Sequence[Evaluation]) -> str:
    """Write the page; returns where. Raises OutputError."""
    store.write(PAGE, "".join(_page(evaluations)).encode(), content_type="text/html; charset=utf-8")
    return f"{store.name}/{PAGE}"


def _page(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Evaluation</title><style>{_STYLE}</style>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><main><h1>Evaluation</h1>'
    yield from _scores(evaluations)
    yield from _side_by_side(evaluations)
    yield "<h2>Worst items</h2>"
    for evaluation in evaluations:
        yield from _worst(evaluation)
    yield "</main></body></html>\n"


def _scores(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    yield "<table><thead><tr><th>Benchmark</th><th>Replica</th><th>Score (95 % interval)</th><th>Published</th>"
    yield "<th>Verdict</th><th>Items</th><th>Failed</th><th>Scored by</th></tr></thead><tbody>"
    for one in evaluations:
        published = "" if one.published is None else f"{one.published:g}"
        items = (
            f"{len(one.scored):,}" if len(one.scored) == one.items_of else f"{len(one.scored):,} of {one.items_of:,}"
        )
        by = escape(one.scored_by if one.rule is None else f"rule: {one.rule}")
        note = f'<div class="note">{escape(one.benchmark.note)}</div>' if one.benchmark.note else ""
        yield f"<tr><td>{escape(one.benchmark.title)}{note}</td><td>{escape(one.model)}</td>"
        yield f'<td class="number">{shown(one.result.score, one.benchmark.unit)} {escape(one.benchmark.unit)}</td>'
        yield f'<td class="number">{published}</td><td class="{one.verdict or ""}">{one.verdict or "–"}</td>'
        yield f'<td class="number">{items}</td><td class="number">{one.failed:,}</td><td>{by}</td></tr>'
    yield f'</tbody></table><p class="note">Published: {escape(SOURCE)}.</p>'


def _side_by_side(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    pairs = [(a, b) for a, b in combinations(evaluations, 2) if a.benchmark.name == b.benchmark.name]
    if not pairs:
        return
    yield "<h2>Replicas side by side</h2><table><thead><tr><th>Benchmark</th><th>First</th><th>Second</th>"
    yield "<th>Mean gain of the second, points an item</th><th>Better</th><th>Worse</th></tr></thead><tbody>"
    for first, second in pairs:
        gain = paired_difference(first.scored, second.scored)
        others = {one.item.item_id: one.score for one in second.scored}
        gains = [others[one.item.item_id] - one.score for one in first.scored if one.item.item_id in others]
        better, worse = sum(one > 0 for one in gains), sum(one < 0 for one in gains)
        cells = f"{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
        yield f"<tr><td>{escape(first.benchmark.title)}</td><td>{escape(first.model)}</td>"
        yield f"<td>{escape(second.model)}</td>"
        yield f'<td class="number">{cells}</td><td class="number">{better:,}</td><td class="number">{worse:,}</td></tr>'
    yield "</tbody></table>"


def _worst(evaluation: Evaluation) -> Iterator[str]:
    worst = sorted((one for one in evaluation.scored if one.score < 1), key=lambda one: (one.score, one.item.item_id))
    if not worst:
        return
    yield f"<details><summary>{escape(evaluation.benchmark.title)}, {escape(evaluation.model)}</summary>"
    yield "<table><thead><tr><th>Item</th><th>Score</th><th>Question</th><th>Right</th><th>Prediction</th><th>Why</th>"
    yield "</tr></thead><tbody>"
    for one in worst[:WORST]:
        yield _item(one)
    yield "</tbody></table></details>"


def _item(one: Scored) -> str:
    why = one.error or "; ".join(mark.reason for mark in one.marks if mark.reason)
    gold = " | ".join(one.item.golds)
    texts = (one.item.question, gold, "" if one.prediction is None else one.prediction, why)
    cells = "".join(f"<td><pre>{escape(_short(text))}</pre></td>" for text in texts)
    return f'<tr><td>{escape(one.item.item_id)}</td><td class="number">{one.score:.2f}</td>{cells}</tr>'


def _short(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[:SHORT]} …"
