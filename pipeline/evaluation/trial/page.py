"""The trial as one HTML file: the table, and pages on which replicas differ, for a person to judge.

Who wrote which reading is not shown before it is judged, and left and right are drawn for each page. Labels stay in the
browser until they are downloaded; ``--labels`` takes the file. It shows the ``MOST`` pages that differ most.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from itertools import combinations

from folioscope.pipeline.evaluation.scoring import Interval
from folioscope.pipeline.evaluation.trial.run import Trial
from folioscope.pipeline.evaluation.trial.sample import SampledPage
from folioscope.pipeline.evaluation.trial.words import agreement
from folioscope.pipeline.storage.store import OutputStore

PAGE = "trial.html"
MOST = 60
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 84rem; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #d5d9de; padding: .4rem .6rem; text-align: left; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.case { border-top: 2px solid #d5d9de; padding: 1rem 0; display: grid; gap: 1rem; grid-template-columns: 1fr 1fr 1fr; }
.case img { max-width: 100%; border: 1px solid #d5d9de; } .case header { grid-column: 1 / -1; font-weight: 600; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-size: 13px; max-height: 32rem; overflow: auto; }
button { font: inherit; padding: .4rem .8rem; margin: 0 .4rem .4rem 0; border: 1px solid #57606a; border-radius: 4px;
  background: #fff; cursor: pointer; } button[aria-pressed=true] { background: #0a4d8c; color: #fff; }
.choices { grid-column: 1 / -1; } .note { color: #57606a; }
@media (max-width: 50rem) { .case { grid-template-columns: 1fr; } }
"""
_SCRIPT = """
const key = `folioscope-trial-${document.body.dataset.trial}`;
const labels = JSON.parse(localStorage.getItem(key) || '{}');
const cases = [...document.querySelectorAll('.case')];
function show() {
  for (const one of cases) {
    const label = labels[one.dataset.case];
    for (const button of one.querySelectorAll('button'))
      button.setAttribute('aria-pressed', String(Boolean(label) && label.better === button.value));
    for (const side of ['left', 'right'])
      one.querySelector(`[data-who=${side}]`).textContent = label ? one.dataset[side] : '';
  }
  document.getElementById('count').textContent = `${Object.keys(labels).length} of ${cases.length} judged`;
}
for (const one of cases)
  for (const button of one.querySelectorAll('button'))
    button.addEventListener('click', () => {
      const {item, left, right} = one.dataset;
      labels[one.dataset.case] = {item, left, right, better: button.value};
      localStorage.setItem(key, JSON.stringify(labels));
      show();
    });
document.getElementById('save').addEventListener('click', () => {
  const lines = Object.values(labels).map((label) => `${JSON.stringify(label)}\\n`);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(lines, {type: 'application/x-ndjson'}));
  link.download = 'labels.jsonl';
  link.click();
});
show();
"""


def write_trial_page(store: OutputStore, trial: Trial) -> str:
    """Write the page; returns where. Raises OutputError."""
    store.write(PAGE, "".join(_page(trial)).encode(), content_type="text/html; charset=utf-8")
    return f"{store.name}/{PAGE}"


def percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def amount(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval.value:,.2f} ({interval.low:,.2f} to {interval.high:,.2f})"


def _page(trial: Trial) -> Iterator[str]:
    name = hashlib.sha256("".join(item.key for item in trial.items).encode()).hexdigest()[:12]
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Trial</title><style>{_STYLE}</style>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
    yield f'<body data-trial="{name}"><main><h1>Trial</h1>'
    yield f"<p>{len(trial.items):,} pages, drawn from {len(trial.sample.archive):,}. {trial.by_layer:,} were scored by "
    yield "their text layers, the others by the agreement of those who read them. Intervals are of 95 %.</p>"
    yield from _replicas(trial)
    yield from _routes(trial)
    yield from _preferences(trial)
    yield "<h2>Where they differ</h2>"
    yield '<p><button id="save" type="button">Download labels</button> <span id="count" class="note"></span></p>'
    for number, (case, first, second) in enumerate(_cases(trial)):
        yield from _case(number, case, trial, first, second)
    yield f"</main><script>{_SCRIPT}</script></body></html>\n"


def _replicas(trial: Trial) -> Iterator[str]:
    yield "<table><thead><tr><th>Replica</th><th>Quality</th><th>Price of 1,000 pages</th><th>Seconds a page</th>"
    yield "<th>Hours for all</th><th>Pages failed</th></tr></thead><tbody>"
    for one in sorted(trial.replicas, key=lambda one: -one.quality.value):
        figures = (percent(one.quality), amount(one.cost_per_1000_pages), amount(one.seconds_per_page))
        cells = "".join(f'<td class="number">{text}</td>' for text in (*figures, amount(one.hours), f"{one.failed:,}"))
        yield f"<tr><td>{escape(one.name)}</td>{cells}</tr>"
    yield "</tbody></table>"


def _routes(trial: Trial) -> Iterator[str]:
    yield "<h2>The cheapest of equal quality</h2><table><thead><tr><th>Pages with</th><th>Pages</th><th>Replica</th>"
    yield "<th>Loss of quality</th></tr></thead><tbody>"
    for route in trial.routes:
        yield f'<tr><td>{escape(route.verdict)}</td><td class="number">{route.pages:,}</td>'
        yield f'<td>{escape(route.replica)}</td><td class="number">{percent(route.loss)}</td></tr>'
    yield "</tbody></table>"


def _preferences(trial: Trial) -> Iterator[str]:
    for one in trial.preferences:
        yield f"<p>People judged {one.pages:,} pages: {escape(one.first)} was better on {one.first_better:,}, "
        yield f"{escape(one.second)} on {one.second_better:,}, both were wrong on {one.both_wrong:,}.</p>"


def _cases(trial: Trial) -> list[tuple[SampledPage, str, str]]:
    """The pages and pairs of replicas that differ most."""
    found = []
    for page, item in zip(trial.sample.pages, trial.items, strict=True):
        for first, second in combinations(trial.texts, 2):
            one, other = trial.texts[first].get(item.item_id, ""), trial.texts[second].get(item.item_id, "")
            likeness = agreement(one, other)
            if likeness < 1:
                found.append((likeness, item.item_id, page, first, second))
    found.sort(key=lambda case: case[:2])
    return [(page, first, second) for _, _, page, first, second in found[:MOST]]


def _case(number: int, one: SampledPage, trial: Trial, first: str, second: str) -> Iterator[str]:
    item = trial.items[trial.sample.pages.index(one)]
    if hashlib.sha256(f"{item.item_id}{first}{second}".encode()).digest()[0] % 2:
        first, second = second, first
    told = {"case": f"{item.item_id} {number}", "item": item.item_id, "left": first, "right": second}
    data = " ".join(f'data-{name}="{escape(value)}"' for name, value in told.items())
    yield f'<section class="case" {data}><header>{escape(one.page.uri)}, page {one.page.page_number}</header>'
    picture = base64.b64encode(one.thumbnail).decode() if one.thumbnail else ""
    shown = f'<img alt="The page" src="data:image/webp;base64,{picture}">' if picture else "No picture is kept."
    yield f"<div>{shown}</div>"
    for side, name in (("left", first), ("right", second)):
        text = escape(trial.texts[name].get(item.item_id, ""))
        yield f'<div><b>{side.title()}</b> <span class="note" data-who="{side}"></span><pre>{text}</pre></div>'
    choices = {"left": "Left better", "right": "Right better", "equal": "Equal", "both_wrong": "Both wrong"}
    buttons = "".join(f'<button type="button" value="{value}">{text}</button>' for value, text in choices.items())
    yield f'<div class="choices">{buttons}</div></section>'
