"""What a run tells while it goes on: a view for people, lines for logs, objects for machines."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from folioscope.pipeline.logs import LOGGER, LogFormat, configure_logs, log_error, log_info
from folioscope.pipeline.progress import StageProgress
from folioscope.pipeline.stages.metrics import MEASURES
from folioscope.pipeline.stages.results import UnitResult

PROJECT = Path(__file__).resolve().parents[2]
UNIT = UnitResult(done=3, failed=1, input_tokens=90, output_tokens=30, busy_seconds=1800.0, idle_seconds=600.0)


@pytest.fixture(autouse=True)
def logger_as_it_was() -> Iterator[None]:
    """The logger as it was: it belongs to the whole process."""
    before = (LOGGER.handlers[:], LOGGER.level, LOGGER.propagate)
    yield
    LOGGER.handlers[:], LOGGER.level, LOGGER.propagate = before


def stage(console: Console | None = None) -> StageProgress:
    return StageProgress("read", 8, "pages", replicas=2, price_per_hour=1.5, console=console)


def test_json_lines_hold_the_figures_as_numbers() -> None:
    stream = io.StringIO()
    configure_logs(LogFormat.json, stream)
    with stage(Console(file=io.StringIO(), force_terminal=True)) as progress:
        progress.add(UNIT)
    log_info("so far \n so good")
    log_error("no room", run_id="r")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "progress"),
        ("info", "note"),
        ("error", "error"),
    ]
    figures = {
        name: lines[0][name] for name in ("stage", "settled", "total", "failed", "busy_share", "cost", "replicas")
    }
    assert figures == {
        "stage": "read",
        "settled": 4,
        "total": 8,
        "failed": 1,
        "busy_share": 0.75,
        "cost": 1.0,
        "replicas": 2,
    }
    assert lines[1]["message"] == "so far \n so good"
    assert lines[2]["run_id"] == "r"


def test_the_end_of_a_stage_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folioscope.pipeline.progress.LOG_SECONDS", 0.0)
    stream = io.StringIO()
    configure_logs(LogFormat.text, stream)
    with stage(Console(file=io.StringIO())) as progress:
        progress.add(UNIT)
        progress.add(UNIT)
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == ["read: 4/8 pages", "read: 8/8 pages"]


def test_text_lines_are_for_people() -> None:
    stream = io.StringIO()
    configure_logs(LogFormat.text, stream)
    with stage(Console(file=io.StringIO())) as progress:
        progress.add(UNIT)
    log_info("a word")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("read: 4/8 pages, ")
    assert "pages/s, 1 failed, replicas 75% busy of 2, " in first
    assert "cost 1.00" in first
    assert first.endswith(" left")
    assert second == "folioscope: a word"


def test_a_terminal_gets_a_view_and_no_lines() -> None:
    stream, screen = io.StringIO(), io.StringIO()
    configure_logs(LogFormat.text, stream)
    with stage(Console(file=screen, force_terminal=True, width=120)) as progress:
        progress.add(UNIT)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "4/8" in shown
    assert "replicas 75% busy of 2" in shown
    assert stream.getvalue() == ""


def test_a_program_that_embeds_the_pipeline_hears_of_it_by_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "folioscope"):
        log_info("a word")
    assert caplog.messages == ["a word"]


def test_the_dashboard_asks_for_the_metrics_that_there_are() -> None:
    dashboard = (PROJECT / "docs" / "grafana.json").read_text(encoding="utf-8")
    assert len(json.loads(dashboard)["panels"]) == 8
    asked = set(re.findall(r"ray_(folioscope_\w+?)_total", dashboard))
    assert asked == {measure.name for measure in MEASURES}
