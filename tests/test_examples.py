"""The demo archive and film are drawn once: drawn again they would be other files to the run that reads them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np

from examples.make_film import LEVELS, RATE, SHOTS, TITLE, make_film, table_of_levels
from model.embedded.shots import read_shot
from model.protocol import Frame, ShotInput

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


def test_the_demo_film_is_drawn_once_and_its_table_is_read(tmp_path: Path) -> None:
    path = make_film(tmp_path)
    drawn = path.read_bytes()
    with av.open(str(path)) as container:
        assert container.metadata["title"] == TITLE
        assert float(container.duration or 0) / av.time_base == sum(seconds for _, seconds in SHOTS)
        times = [frame.time for frame in container.decode(video=0)]
    assert times == [number / RATE for number in range(len(times))]
    assert make_film(tmp_path).read_bytes() == drawn
    assert path.stat().st_mtime_ns == make_film(tmp_path).stat().st_mtime_ns
    frame = np.asarray(table_of_levels(0.5))
    reading = read_shot(ShotInput(1, 0.0, 4.5, 960, 540, (Frame(0.0, frame),)))
    assert reading.text.startswith("Highest water in February")
    for row in LEVELS:
        assert "".join(f"<td>{cell}</td>" for cell in row) in reading.text
