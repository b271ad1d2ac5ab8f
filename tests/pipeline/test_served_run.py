"""A run against a model server with every fault there is: nothing is lost, the accounting balances, the key stays out."""

from __future__ import annotations

import itertools
import json
import logging
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from runs import ask, run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "model"))

from chat_server import KEY, Say, serving
from faulty_server import FAULTS, PAGE, REFUSED_QUESTION, STALLS, answer

from folioscope.model.engine import openai_engine
from folioscope.model.engine.openai_connection import Patience
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.tables.accounting import Counts

HASTY = Patience(connect=5, stall=2.0, answer=60, absence=10, tries=12, first_wait=0.01, longest_wait=0.05)
EVERY_FAULT = {**FAULTS, "stalls": STALLS}


@pytest.mark.usefixtures("inline_actors")
@pytest.mark.guarantee(
    fault="model server fails",
    moment="read, understand",
    outcome="what it refuses for good fails alone, all else is done; the key is in no row, file or message",
)
def test_nothing_is_lost_and_the_key_is_in_no_file(
    tmp_path: Path, make_pdf: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    monkeypatch.setattr(openai_engine, "Patience", lambda: HASTY)
    monkeypatch.setenv("FOLIOSCOPE_API_KEY", KEY)
    met: Counter[str] = Counter()
    turns = itertools.count(1)

    def script(body: dict[str, Any], number: int) -> Say:
        turn = 0 if REFUSED_QUESTION in json.dumps(body["messages"]) else next(turns)  # what is refused meets no fault
        said = answer(body, turn, tuple(EVERY_FAULT.values()))
        met.update(name for name, fault in EVERY_FAULT.items() if fault is said)
        return said

    for name in ("a", "b", "c"):
        make_pdf(tmp_path / "in" / f"{name}.pdf", [f"page {number} of {name}" for number in range(4)])
    questions = (
        QuestionSpec(id="when", question="When was it rebuilt?"),
        QuestionSpec(id="no", question=REFUSED_QUESTION),
    )
    output = tmp_path / "out"
    with caplog.at_level(logging.DEBUG), serving(script) as server:
        asked = {"model": f"{server.url}#tiny", "route": "model", "canary_minutes": 0, "questions": questions}
        outcome = run(tmp_path / "in", output, by_picture=True, **asked)
        assert server.keys == [f"Bearer {KEY}"] * len(server.keys)
    assert set(met) == set(EVERY_FAULT), "each fault was met"
    assert outcome.accounting.balanced, outcome.accounting
    assert outcome.accounting.segments == Counts(12, 12, 0, 0, 0)
    assert outcome.accounting.summaries == Counts(3, 3, 0, 0, 0)
    assert outcome.accounting.answers == Counts(6, 3, 0, 3, 0)
    assert ask(output, "SELECT count(*), min(text), max(text) FROM pages") == [(12, PAGE, PAGE)]
    assert ask(output, "SELECT count(*) FROM documents WHERE summary = 'A weir.'") == [(3,)]
    assert ask(output, "SELECT count(*), min(answer), max(answer) FROM current_answers") == [(3, "1987", "1987")]
    messages = ask(output, "SELECT message FROM failures")
    assert len(messages) == 3
    assert all("The key [key] may not ask this." in message for [message] in messages)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert not any(KEY in text for text in (caplog.text, *capfd.readouterr()))
