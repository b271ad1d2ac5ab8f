"""The demo archive and video are drawn once: drawn again they would be other files to the run that reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import yaml

from examples.make_video import LEVELS, RATE, SHOTS, TITLE, make_video, table_of_levels
from folioscope.model.embedded.screen import Screen
from folioscope.model.embedded.shots import read_shot
from folioscope.model.load import ModelChoice, load_replica
from folioscope.model.one_by_one import answer_alone
from folioscope.model.protocol import DocumentText, Frame, PageText, Question, ShotInput
from folioscope.pipeline.config import parse_config
from folioscope.pipeline.one_file import FileReader
from folioscope.pipeline.settings.files import NO_OUTPUT

PROJECT = Path(__file__).resolve().parents[1]


def draw(folder: Path) -> dict[str, tuple[int, bytes]]:
    subprocess.run(
        [sys.executable, "examples/make_archive.py", str(folder)], cwd=PROJECT, check=True, capture_output=True
    )
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_the_demo_archive_is_drawn_once(tmp_path: Path) -> None:
    first = draw(tmp_path / "archive")
    assert len(first) == 20
    (tmp_path / "archive" / "notices" / "crue.pdf").unlink()
    again = draw(tmp_path / "archive")
    assert again.keys() == first.keys()
    assert {name for name in first if first[name] != again[name]} == {"crue.pdf"}


def test_the_demo_video_is_drawn_once_and_its_table_is_read(tmp_path: Path) -> None:
    path = make_video(tmp_path)
    drawn = path.read_bytes()
    with av.open(str(path)) as container:
        assert container.metadata["title"] == TITLE
        assert float(container.duration or 0) / av.time_base == sum(seconds for _, seconds in SHOTS)
        times = [frame.time for frame in container.decode(video=0)]
    assert times == [number / RATE for number in range(len(times))]
    assert make_video(tmp_path).read_bytes() == drawn
    assert path.stat().st_mtime_ns == make_video(tmp_path).stat().st_mtime_ns
    frame = np.asarray(table_of_levels(0.5))
    reading = read_shot(ShotInput(1, 0.0, 4.5, 960, 540, (Frame(0.0, frame),)), Screen())
    assert reading.text.startswith("Highest water in February")
    for row in LEVELS:
        assert "".join(f"<td>{cell}</td>" for cell in row) in reading.text


def test_the_first_question_is_answered_from_the_whole_report_and_from_what_is_left_of_the_copy(tmp_path: Path) -> None:
    draw(tmp_path / "archive")
    [first, *_] = yaml.safe_load((PROJECT / "examples/questions.yaml").read_text())
    inputs = tuple(
        str(tmp_path / "archive" / name) for name in ("reports/annual-report-2024.pdf", "damaged/truncated.pdf")
    )
    replica = load_replica(ModelChoice("embedded"))
    with FileReader(parse_config(inputs=inputs, output=NO_OUTPUT)) as reader:
        for path in inputs:
            pages = tuple(PageText(page.number, page.text, page.blocks) for page in reader.read(path).pages)
            answer = answer_alone(
                replica, DocumentText("a", path, None, pages), Question(first["id"], first["question"])
            )
            assert "5.84 metres" in (answer.text or ""), path
            assert [evidence.page_number for evidence in answer.evidence] == [1], path
